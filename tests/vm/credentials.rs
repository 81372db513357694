//! What `credentials.sh` needs: a private key, and a secret sealed to it.

use std::fs;
use std::path::{Path, PathBuf};

use lithos_crypt::PublicKey;
use tempfile::TempDir;

const KEYS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lithos_crypt/tests/vectors/keys"
);

/// The files, in a directory that goes with this.
pub struct Credentials {
    _scratch: TempDir,
    files: [PathBuf; 3],
}

impl Credentials {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &[u8]| -> PathBuf {
            let path = scratch.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let public = fs::read_to_string(format!("{KEYS}/alpha.pub")).unwrap();
        let public = PublicKey::from_openssh(&public).unwrap();
        let token = public.seal(&"".parse().unwrap(), b"a secret").unwrap();
        let key = fs::read(format!("{KEYS}/alpha")).unwrap();
        let files = [
            put("credentials.sh", include_bytes!("credentials.sh")),
            put("token", token.to_string().as_bytes()),
            put("main.key", &key),
        ];
        Self {
            _scratch: scratch,
            files,
        }
    }

    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(AsRef::as_ref)
    }
}
