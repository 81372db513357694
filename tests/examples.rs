//! The example configs are right: `lithos_check` accepts each complete tree.
//!
//! A tree names its paths below `/srv/…`; here they are moved to a directory
//! of the test's own, and the images get what the repository cannot hold: empty
//! mount points and executables.

#[path = "check/program.rs"]
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lithos-{name}.{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a directory; in each text `from` becomes `to`.
fn copy(source: &Path, target: &Path, from: &str, to: &str) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let target = target.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, from, to);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap();
            fs::write(target, text.replace(from, to)).unwrap();
        }
    }
}

/// Adds the usual mount points and these executables and directories.
fn complete(image: &Path, executables: &[&str], directories: &[&str]) {
    for directory in [&["bin", "dev", "etc", "proc", "sys", "tmp"], directories].concat() {
        fs::create_dir_all(image.join(directory)).unwrap();
    }
    for file in ["etc/hosts", "etc/resolv.conf"] {
        fs::write(image.join(file), "").unwrap();
    }
    for name in executables {
        let path = image.join("bin").join(name);
        fs::write(&path, program::header()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// Runs `lithos_check`; what it printed, having checked its exit code.
#[track_caller]
fn check(root: &Path, code: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lithos_check"))
        .arg("-C")
        .arg(root.join("etc/master.yaml"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn company(root: &Path) {
    let from = "/srv/company";
    let to = root.display().to_string();
    copy(&example("company"), root, from, &to);
    let images = root.join("images");
    complete(
        &images.join("shop/web"),
        &["web"],
        &["secrets", "catalogue", "uploads", "run"],
    );
    complete(&images.join("shop/worker"), &["worker"], &[]);
    complete(&images.join("mail/smtp"), &["smtpd"], &["spool"]);
    for directory in [
        "secrets/shop",
        "catalogue/current",
        "data/shop",
        "data/mail",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    // There it belongs to the mail server's user, whom only root can give it to.
    fs::set_permissions(root.join("data/mail"), fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn the_company_is_accepted() {
    let scratch = Scratch::new("company");
    company(&scratch.0);
    check(&scratch.0, 0);
}

#[test]
fn a_mistake_in_the_company_is_found() {
    let scratch = Scratch::new("mistake");
    company(&scratch.0);
    let file = scratch.0.join("etc/processes/shop.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("8000", "80");
    fs::write(&file, text).unwrap();
    let printed = check(&scratch.0, 1);
    assert!(printed.contains("allow-tcp-ports"), "{printed}");
}

#[test]
fn the_redis_example_is_accepted() {
    let scratch = Scratch::new("redis");
    let from = "/srv/redis-example";
    let to = scratch.0.display().to_string();
    copy(&example("redis/etc"), &scratch.0.join("etc"), from, &to);
    let image = scratch.0.join("images/redis-7");
    copy(&example("redis/image"), &image, from, &to);
    complete(&image, &["start-redis"], &["data"]);
    fs::create_dir_all(scratch.0.join("data")).unwrap();
    check(&scratch.0, 0);
}
