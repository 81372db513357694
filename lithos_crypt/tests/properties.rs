//! What holds for every secret, namespace and text.

use std::sync::LazyLock;

use lithos_crypt::{
    Allowed, Delivery, Namespace, PrivateKey, PublicKey, Token, guess_bits, open_first,
    read_private_keys,
};
use proptest::prelude::*;

static KEYS: LazyLock<Vec<PrivateKey>> =
    LazyLock::new(|| read_private_keys(include_bytes!("vectors/keys/alpha")).unwrap());

fn seal(namespace: &Namespace, secret: &[u8]) -> Token {
    KEYS[0].public().seal(namespace, secret).unwrap()
}

fn namespaces() -> impl Strategy<Value = Namespace> {
    "[a-zA-Z0-9_.-]{0,20}".prop_map(|text| text.parse().unwrap())
}

proptest! {
    #[test]
    fn what_is_sealed_opens_to_the_same(
        namespace in namespaces(),
        secret in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let token = seal(&namespace, &secret);
        let opened = token.open(&KEYS, std::slice::from_ref(&namespace), Delivery::File).ok().unwrap();
        prop_assert_eq!(opened.expose(), &secret[..]);
        prop_assert_eq!(opened.namespace(), &namespace);
        prop_assert_eq!(token.check(&[KEYS[0].hash()], &[namespace]), Ok(()));
    }

    #[test]
    fn a_sealed_token_reads_back_as_itself(namespace in namespaces(), secret in ".{0,80}") {
        let token = seal(&namespace, secret.as_bytes());
        prop_assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
    }

    #[test]
    fn sealing_twice_gives_two_tokens_with_one_label(secret in ".{0,40}") {
        let (one, two) = (
            seal(&Namespace::default(), secret.as_bytes()),
            seal(&Namespace::default(), secret.as_bytes()),
        );
        prop_assert_ne!(&one, &two);
        prop_assert_eq!(one.label(), two.label());
    }

    #[test]
    fn a_token_with_any_character_changed_never_opens(
        secret in "[a-z]{0,40}",
        position in any::<prop::sample::Index>(),
        replacement in "[A-Za-z0-9+/=:v ]",
    ) {
        let text = seal(&Namespace::default(), secret.as_bytes()).to_string();
        let position = position.index(text.len());
        let mut changed = text.clone();
        changed.replace_range(position..=position, &replacement);
        prop_assume!(changed != text);
        let opened = open_first(&[changed], &KEYS, Allowed::Any, Delivery::File);
        prop_assert!(opened.is_err());
    }

    #[test]
    fn a_token_for_one_namespace_opens_for_no_other(one in namespaces(), other in namespaces()) {
        prop_assume!(one != other);
        let refused = seal(&one, b"x").open(&KEYS, &[other], Delivery::File).err().unwrap();
        prop_assert_eq!(refused.outcome(), "namespace-denied");
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic_and_without_being_shown(text in "\\PC{4,60}") {
        if let Err(error) = text.parse::<Token>() {
            prop_assert!(!error.to_string().contains(&text));
        }
        let _ = text.parse::<Namespace>();
        let _ = PublicKey::from_openssh(&text);
        let _ = guess_bits(text.as_bytes());
    }

    #[test]
    fn a_damaged_private_key_file_is_refused_or_read_without_panic(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = include_bytes!("vectors/keys/alpha").to_vec();
        let position = position.index(text.len());
        text[position] = byte;
        if let Ok(keys) = read_private_keys(&text) {
            // Only the comment and white space may change without harm.
            prop_assert_eq!(keys[0].hash(), KEYS[0].hash());
        }
    }
}
