//! What a secret is said to be: `type` in a config.

use std::fmt;

/// What a secret's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretType {
    /// Something that cannot be guessed.
    Password,
    /// Likewise, made by another's program.
    ApiKey,
    /// X.509 certificates in PEM, none past its end.
    Certificate,
    /// A private key in PEM.
    PrivateKey,
    /// A private key in OpenSSH's format.
    SshKey,
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl SecretType {
    /// Every type, in the order of the documentation.
    pub const ALL: [SecretType; 7] = [
        SecretType::Password,
        SecretType::ApiKey,
        SecretType::Certificate,
        SecretType::PrivateKey,
        SecretType::SshKey,
        SecretType::Text,
        SecretType::Binary,
    ];

    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            SecretType::Password => "password",
            SecretType::ApiKey => "api-key",
            SecretType::Certificate => "certificate",
            SecretType::PrivateKey => "private-key",
            SecretType::SshKey => "ssh-key",
            SecretType::Text => "text",
            SecretType::Binary => "binary",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for SecretType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
