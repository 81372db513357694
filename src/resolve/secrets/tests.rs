use std::path::Path;

use super::*;
use crate::config::container::Variable;
use crate::config::secret::Sealed;
use crate::facts::{Found, KeyFile, Kind, PublicHalf, Seen};
use crate::resolve::fixture::{Fixture, file};

/// Sealed for the namespace `myapp`, to the key `k/qSgp/F`; the value is "the_secret".
const TOKEN: &str = "v2:k/qSgp/F:KqWSX0BY:8MtOoWUX:\
    MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";
const KEY: &str = "/etc/lithos/shop.key";

fn with_token(texts: &[&str]) -> Fixture {
    let mut f = Fixture::new();
    f.sandbox.secrets_private_key = vec![KEY.into()];
    f.sandbox.secrets_namespaces = vec!["myapp".parse().unwrap()];
    let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
    f.container
        .secret_environ
        .0
        .insert("PASSWORD".into(), Sealed::from(texts));
    f.facts
        .key_files
        .insert(KEY.into(), key(file(0o600), "k/qSgp/F"));
    f
}

fn key(found: Found, public: &str) -> KeyFile {
    KeyFile {
        seen: Seen::Found(found),
        readable: false,
        public: PublicHalf::Hashes(vec![public.parse().unwrap()]),
    }
}

#[test]
fn tokens_stay_sealed_in_the_plan() {
    let secrets = with_token(&[TOKEN]).plan().secrets;
    assert_eq!(secrets.environ["PASSWORD"].tokens, [TOKEN]);
    assert_eq!(secrets.key_files, [Path::new(KEY)]);
    assert_eq!(secrets.namespaces, ["myapp"]);
}

#[test]
fn without_secrets_there_is_no_key_in_the_plan() {
    let mut f = Fixture::new();
    f.sandbox.secrets_private_key = vec![KEY.into()];
    assert!(f.plan().secrets.key_files.is_empty());
}

#[test]
fn refuses_what_is_no_token_without_showing_it() {
    let f = with_token(&["hunter2"]);
    f.refused("this is no token that can be read");
    assert!(!format!("{:?}", f.resolve().problems).contains("hunter2"));
    with_token(&[&TOKEN.replace("v2:", "v1:")]).refused("v1");
}

#[test]
fn refuses_a_token_for_another_key_by_its_label() {
    let mut f = with_token(&[TOKEN]);
    f.facts
        .key_files
        .insert(KEY.into(), key(file(0o600), "8MtOoWUX"));
    f.refused("no token for `PASSWORD` can be opened");
    f.refused("8MtOoWUX");
}

#[test]
fn refuses_a_token_for_another_namespace_by_its_label() {
    let mut f = with_token(&[TOKEN]);
    f.sandbox.secrets_namespaces = vec!["other".parse().unwrap()];
    f.refused("no token for `PASSWORD` can be opened");
    f.facts.key_files.get_mut(Path::new(KEY)).unwrap().public = PublicHalf::Missing;
    f.refused("KqWSX0BY");
}

#[test]
fn one_token_of_a_list_is_enough() {
    let other = TOKEN.replace("k/qSgp/F", "8MtOoWUX");
    with_token(&[&other, TOKEN]).plan();
    let f = with_token(&[&other, &other]);
    f.refused("8MtOoWUX:KqWSX0BY:8MtOoWUX: ");
}

#[test]
fn where_one_public_key_is_unknown_no_key_is_refused() {
    let mut f = with_token(&[&TOKEN.replace("k/qSgp/F", "8MtOoWUX")]);
    f.sandbox
        .secrets_private_key
        .push("/etc/lithos/new.key".into());
    let unknown = KeyFile {
        public: PublicHalf::Missing,
        ..key(file(0o600), "8MtOoWUX")
    };
    f.facts
        .key_files
        .insert("/etc/lithos/new.key".into(), unknown);
    f.plan();
}

#[test]
fn what_lies_beside_a_private_key_that_can_be_read_does_not_count() {
    let mut f = with_token(&[TOKEN]);
    let readable = KeyFile {
        readable: true,
        ..key(file(0o600), "8MtOoWUX")
    };
    f.facts.key_files.insert(KEY.into(), readable);
    f.plan();
}

#[test]
fn refuses_secrets_without_a_private_key() {
    let mut f = with_token(&[TOKEN]);
    f.sandbox.secrets_private_key.clear();
    f.refused("the sandbox has no `secrets-private-key`");
}

#[test]
fn refuses_a_private_key_that_others_can_read() {
    for (found, message) in [
        (file(0o640), "has mode 0640, beyond 0600"),
        (file(0o700), "has mode 0700, beyond 0600"),
        (
            Found {
                uid: 1000,
                ..file(0o600)
            },
            "is owned by user 1000",
        ),
        (
            Found {
                kind: Kind::Directory,
                ..file(0o600)
            },
            "is not a regular file",
        ),
    ] {
        let mut f = with_token(&[TOKEN]);
        f.facts.key_files.insert(KEY.into(), key(found, "k/qSgp/F"));
        f.refused(message);
    }
}

/// It resolves, with the warning that no token is opened.
fn expect_only_labels(f: &Fixture) {
    f.plan();
    let problems = f.resolve().problems;
    assert!(problems.iter().any(|p| p.message.contains("only labels")));
}

#[test]
fn a_missing_private_key_is_refused_unless_its_public_half_is_here() {
    let mut f = with_token(&[TOKEN]);
    let fact = f.facts.key_files.get_mut(Path::new(KEY)).unwrap();
    fact.seen = Seen::Missing;
    expect_only_labels(&f);
    f.facts.key_files.get_mut(Path::new(KEY)).unwrap().public = PublicHalf::Missing;
    f.refused("cannot use the private key /etc/lithos/shop.key: it does not exist");
}

#[test]
fn a_key_this_user_may_not_read_is_a_warning() {
    let mut f = with_token(&[TOKEN]);
    f.facts.key_files.get_mut(Path::new(KEY)).unwrap().readable = false;
    expect_only_labels(&f);
}

#[test]
fn refuses_a_name_in_environ_and_in_the_secrets_file() {
    let mut f = with_token(&[TOKEN]);
    f.secrets_file = Some(std::mem::take(&mut f.container.secret_environ));
    f.plan();
    f.container.environ.insert("PASSWORD".into(), "x".into());
    f.refused("`PASSWORD` stands in `environ` of /images/web/config/web.yaml too");
}

#[test]
fn refuses_names_of_systemd_activation_in_the_secrets_file() {
    let mut f = with_token(&[TOKEN]);
    let texts = Sealed::from(vec![TOKEN.to_owned()]);
    f.secrets_file = Some(SecretMap([("LISTEN_PID".to_owned(), texts)].into()));
    f.plan();
    let activated = Variable::TcpPort {
        systemd_activation: true,
    };
    f.variable("port", activated, "8000");
    f.refused("`LISTEN_PID` is set by systemd activation");
}

#[test]
fn refuses_names_that_lithos_sets_itself() {
    let mut f = with_token(&[TOKEN]);
    f.container
        .secret_environ
        .0
        .insert("LITHOS_NAME".into(), vec![TOKEN.into()].into());
    f.refused("`LITHOS_NAME` is set by lithos itself");
}

#[test]
fn a_secrets_file_is_as_good_as_the_config() {
    let mut f = with_token(&[TOKEN]);
    f.secrets_file = Some(std::mem::take(&mut f.container.secret_environ));
    f.container.secret_environ_file = Some("secrets.yaml".into());
    assert_eq!(f.plan().secrets.environ["PASSWORD"].tokens, [TOKEN]);
}

#[test]
fn refuses_an_extra_namespace_that_the_sandbox_does_not_allow() {
    let mut f = with_token(&[TOKEN]);
    f.sandbox.secrets_namespaces = vec!["".parse().unwrap()];
    f.process.extra_secrets_namespaces = vec!["myapp".parse().unwrap()];
    f.refused("is not among the `allow-extra-secrets-namespaces` of the sandbox");
    f.sandbox.allow_extra_secrets_namespaces = vec!["myapp".parse().unwrap()];
    assert_eq!(f.plan().secrets.namespaces, ["", "myapp"]);
}
