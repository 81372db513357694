//! `quickstart-key FILE`: makes an Ed25519 key pair in `FILE` and `FILE.pub`.
//!
//! `ssh-keygen -t ed25519 -N '' -f FILE` does the same; this is for machines
//! that have no ssh-keygen.

use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

fn main() -> Result<(), Box<dyn Error>> {
    let file = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .ok_or("usage: quickstart-key FILE")?,
    );
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, "quickstart")?;
    // Made with mode 0600.
    key.write_openssh_file(&file, LineEnding::LF)?;
    fs::write(
        file.with_extension("pub"),
        key.public_key().to_openssh()? + "\n",
    )?;
    Ok(())
}
