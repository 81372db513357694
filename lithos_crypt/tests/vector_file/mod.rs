//! The vectors' file, as the tests read it.
#![allow(dead_code)] // each test program uses its part

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use serde::Deserialize;

/// The whole file.
#[derive(Deserialize)]
pub struct VectorFile {
    pub keys: BTreeMap<String, Key>,
    pub short_hashes: Vec<Short>,
    pub vectors: Vec<Vector>,
}

#[derive(Deserialize)]
pub struct Key {
    pub key_hash: String,
}

#[derive(Deserialize)]
pub struct Short {
    pub text: String,
    pub hash: String,
}

#[derive(Deserialize)]
pub struct Vector {
    pub name: String,
    pub token: String,
    pub private_keys: Vec<String>,
    pub allowed_namespaces: Vec<String>,
    pub delivery: String,
    pub outcome: String,
    pub namespace: Option<String>,
    pub secret_base64: Option<String>,
}

impl Vector {
    /// The secret's bytes, of a vector whose outcome is `ok`.
    pub fn secret(&self) -> Vec<u8> {
        let text = self.secret_base64.as_ref().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap()
    }
}

/// Reads the vectors.
pub fn vectors() -> VectorFile {
    let path = directory().join("v2.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A key of the vectors: `alpha`, or `alpha.pub`.
pub fn key_path(name: &str) -> PathBuf {
    directory().join("keys").join(name)
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}
