//! Private key files that must not be used. Root is needed to own them.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use crate::stage::Stage;

fn stage() -> Option<Stage> {
    let stage = Stage::new();
    stage.key("alpha", true);
    let token = stage.token("alpha", "");
    stage.container(&format!("secret-environ: {{ PASSWORD: '{token}' }}\n"));
    if fs::metadata(stage.path("shop.key")).unwrap().uid() != 0 {
        assert!(
            std::env::var_os("LITHOS_TEST_ROOT").is_none(),
            "this test needs root"
        );
        println!("SKIP: only root can own a private key that is right");
        return None;
    }
    Some(stage)
}

#[test]
fn refuses_a_private_key_that_others_can_read() {
    let Some(stage) = stage() else { return };
    stage.mode("shop.key", 0o640);
    stage.refused("has mode 0640, beyond 0600");
}

#[test]
fn refuses_a_private_key_that_is_not_owned_by_root() {
    let Some(stage) = stage() else { return };
    chown(stage.path("shop.key"), Some(1000), None).unwrap();
    stage.refused("is owned by user 1000");
}

#[test]
fn refuses_a_private_key_that_is_missing() {
    let Some(stage) = stage() else { return };
    fs::remove_file(stage.path("shop.key")).unwrap();
    fs::remove_file(stage.path("shop.key.pub")).unwrap();
    stage.refused("cannot use the private key");
}

#[test]
fn refuses_a_private_key_that_is_none() {
    let Some(stage) = stage() else { return };
    stage.write("shop.key", "not a key\n");
    stage.refused("the secret `PASSWORD` cannot be delivered");
}
