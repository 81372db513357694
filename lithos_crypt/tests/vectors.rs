//! The tokens made with libsodium, each with the outcome it must have, through
//! the library.

use lithos_crypt::{
    Delivery, Namespace, OpenError, PrivateKey, Secret, ShortHash, Token, read_private_keys,
};

mod vector_file;
use vector_file::{Vector, key_path, vectors};

fn private_keys(vector: &Vector) -> Vec<PrivateKey> {
    let read = |name: &String| read_private_keys(&std::fs::read(key_path(name)).unwrap()).unwrap();
    vector.private_keys.iter().flat_map(read).collect()
}

fn open(vector: &Vector) -> Result<Secret, OpenError> {
    let allowed: Vec<Namespace> = vector
        .allowed_namespaces
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    let delivery = if vector.delivery == "env" {
        Delivery::Env
    } else {
        Delivery::File
    };
    vector
        .token
        .parse::<Token>()?
        .open(&private_keys(vector), &allowed, delivery)
}

#[test]
fn every_vector_gives_exactly_its_outcome() {
    let file = vectors();
    assert!(
        file.vectors.len() >= 94,
        "only {} vectors",
        file.vectors.len()
    );
    for vector in &file.vectors {
        match open(vector) {
            Ok(secret) => {
                assert_eq!(vector.outcome, "ok", "{}", vector.name);
                assert_eq!(
                    Some(secret.namespace().as_str()),
                    vector.namespace.as_deref()
                );
                let expected = vector.secret();
                assert!(secret.expose() == expected, "{}", vector.name);
            }
            Err(error) => assert_eq!(vector.outcome, error.outcome(), "{}", vector.name),
        }
    }
}

#[test]
fn every_readable_vector_displays_as_it_was_read() {
    for vector in vectors().vectors {
        if let Ok(token) = vector.token.parse::<Token>() {
            assert_eq!(token.to_string(), vector.token);
        }
    }
}

#[test]
fn short_hashes_are_those_of_the_vectors() {
    let file = vectors();
    for short in &file.short_hashes {
        assert_eq!(ShortHash::of(short.text.as_bytes()).to_string(), short.hash);
    }
    for (name, key) in &file.keys {
        let private = read_private_keys(&std::fs::read(key_path(name)).unwrap()).unwrap();
        assert_eq!(private[0].hash().to_string(), key.key_hash);
    }
}

#[test]
fn no_error_shows_any_part_of_a_refused_token_that_may_be_a_value() {
    for vector in vectors()
        .vectors
        .iter()
        .filter(|vector| vector.outcome == "malformed")
    {
        let message = open(vector).err().unwrap().to_string();
        let parts = vector
            .token
            .split([':', ' ', '\n'])
            .filter(|part| part.len() > 2);
        for part in parts {
            assert!(!message.contains(part), "{}: {message}", vector.name);
        }
    }
}
