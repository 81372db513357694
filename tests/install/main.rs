//! `scripts/install` and `scripts/package-deb`, into a directory of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

mod built;

fn script(name: &str, destdir: &Path, args: &[&str]) -> Output {
    Command::new(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("scripts")
            .join(name),
    )
    .args(args)
    .env("DESTDIR", destdir)
    .output()
    .unwrap()
}

fn install(destdir: &Path, args: &[&str]) -> Output {
    let programs = built::programs().to_str().unwrap();
    script(
        "install",
        destdir,
        &[&["--programs", programs], args].concat(),
    )
}

fn done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The names of all programs, and that of the program that writes the pages.
fn names() -> Vec<String> {
    let mut names: Vec<String> = lithos::programs::commands()
        .iter()
        .map(|command| command.get_name().to_owned())
        .collect();
    names.push("lithos_pages".to_owned());
    names
}

/// Every file below, with its mode and what it holds.
fn files(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(directory_or_file) = rest.pop() {
        let entries = fs::read_dir(&directory_or_file).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                rest.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
            let content = fs::read(&path).unwrap();
            found.insert(name.to_owned(), (metadata.mode() & 0o7777, content));
        }
    }
    found
}

#[test]
fn puts_programs_unit_pages_and_completions_below_the_prefix() {
    let ground = TempDir::new().unwrap();
    let said = done(&install(ground.path(), &["--prefix", "/opt/lithos"]));
    let found = files(ground.path());
    let mode = |path: &str| found.get(path).map(|(mode, _)| *mode);
    for program in names().iter().filter(|name| *name != "lithos_pages") {
        let below = |path: &str| mode(&format!("opt/lithos/{}", path.replace('@', program)));
        assert_eq!(below("bin/@"), Some(0o755), "{program}");
        assert!(
            below("share/man/man1/@.1")
                .or(below("share/man/man8/@.8"))
                .is_some()
        );
        assert_eq!(below("share/bash-completion/completions/@"), Some(0o644));
        assert_eq!(below("share/zsh/site-functions/_@"), Some(0o644));
        assert_eq!(below("share/fish/vendor_completions.d/@.fish"), Some(0o644));
    }
    assert_eq!(
        mode("opt/lithos/share/man/man1/lithos_crypt-encrypt.1"),
        Some(0o644)
    );
    assert_eq!(mode("opt/lithos/lib/tmpfiles.d/lithos.conf"), Some(0o644));
    assert_eq!(mode("opt/lithos/bin/lithos_pages"), None);
    let (_, unit) = &found["opt/lithos/lib/systemd/system/lithos.service"];
    let unit = String::from_utf8_lossy(unit);
    assert!(
        unit.contains("\nExecStart=/opt/lithos/bin/lithos_tree "),
        "{unit}"
    );
    assert!(said.contains("opt/lithos/bin/lithos_*"), "{said}");
    assert!(said.contains("etc/lithos/master.yaml"), "{said}");
}

#[test]
fn programs_are_static_and_can_be_anywhere_in_memory() {
    for name in names() {
        let file = fs::read(built::programs().join(&name)).unwrap();
        let word = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
        let offset = u64::from_le_bytes(file[32..40].try_into().unwrap());
        let (size, number) = (usize::from(word(54)), usize::from(word(56)));
        let kinds = (0..number).map(|n| word(usize::try_from(offset).unwrap() + n * size));
        // ET_DYN, and no PT_INTERP: nothing is loaded but the program itself (elf(5)).
        assert_eq!(word(16), 3, "{name}");
        assert!(
            !kinds.into_iter().any(|kind| kind == 3),
            "{name} has an interpreter"
        );
    }
}

#[test]
fn makes_a_skeleton_of_configs_that_the_programs_accept() {
    let ground = TempDir::new().unwrap();
    done(&install(ground.path(), &[]));
    let etc = ground.path().join("etc/lithos");
    let mode = |path: &str| fs::metadata(etc.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("keys"), mode("sandboxes"), mode("processes")),
        (0o700, 0o755, 0o755)
    );
    assert!(ground.path().join("var/lib/lithos/containers").is_dir());
    let check = ground.path().join("usr/local/bin/lithos_check");
    let output = Command::new(check)
        .arg("-C")
        .arg(etc.join("master.yaml"))
        .output()
        .unwrap();
    assert_eq!(
        done(&output),
        "0 sandboxes, 0 processes, 0 containers: no problems\n"
    );
}

#[test]
fn a_second_time_gives_the_same_and_leaves_configs_alone() {
    let ground = TempDir::new().unwrap();
    done(&install(ground.path(), &[]));
    let master = ground.path().join("etc/lithos/master.yaml");
    fs::write(&master, "log-level: info\n").unwrap();
    fs::set_permissions(&master, PermissionsExt::from_mode(0o640)).unwrap();
    fs::set_permissions(
        ground.path().join("etc/lithos/keys"),
        PermissionsExt::from_mode(0o750),
    )
    .unwrap();
    let before = files(ground.path());
    let said = done(&install(ground.path(), &[]));
    assert_eq!(files(ground.path()), before);
    let keys = fs::metadata(ground.path().join("etc/lithos/keys")).unwrap();
    assert_eq!(keys.mode() & 0o777, 0o750);
    assert!(!said.contains("made, since it was missing"), "{said}");
}

#[test]
fn a_program_that_runs_can_be_replaced() {
    let ground = TempDir::new().unwrap();
    done(&install(ground.path(), &[]));
    let program = ground.path().join("usr/local/bin/lithos_crypt");
    let mut runs = Command::new(&program)
        .args(["decrypt", "-i", "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let before = fs::metadata(&program).unwrap().ino();
    done(&install(ground.path(), &[]));
    assert_ne!(fs::metadata(&program).unwrap().ino(), before);
    runs.kill().unwrap();
    runs.wait().unwrap();
}

#[test]
fn uninstalling_removes_everything_but_what_is_the_operators() {
    let ground = TempDir::new().unwrap();
    done(&install(ground.path(), &["--prefix", "/usr"]));
    fs::write(ground.path().join("usr/bin/lithos_mine"), "").unwrap();
    fs::write(ground.path().join("etc/lithos/keys/shop"), "").unwrap();
    done(&script(
        "install",
        ground.path(),
        &["--uninstall", "--prefix", "/usr"],
    ));
    let left: Vec<String> = files(ground.path()).into_keys().collect();
    assert_eq!(
        left,
        [
            "etc/lithos/keys/shop",
            "etc/lithos/master.yaml",
            "usr/bin/lithos_mine"
        ]
    );
}

#[test]
fn wrong_usage_changes_nothing_and_says_what_is_wrong() {
    let ground = TempDir::new().unwrap();
    for args in [
        &["--prefx", "/usr"][..],
        &["--prefix"],
        &["--prefix", "relative"],
        &["--prefix", "/a b"],
        &["--prefix", "/a|b"],
        &["--build", "--uninstall"],
    ] {
        let output = script("install", ground.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with("error: ") && stderr.contains("\nhint: "),
            "{stderr}"
        );
    }
    for args in [
        &["--version", "next"][..],
        &["--version", "1.0"],
        &["--what"],
        &["--output"],
    ] {
        let output = script("package-deb", ground.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
    assert!(files(ground.path()).is_empty());
}

#[test]
fn programs_that_are_missing_are_an_error_before_anything_is_changed() {
    let ground = TempDir::new().unwrap();
    let output = script("install", ground.path(), &["--programs", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("error: cannot install: there is no /nonexistent/lithos_"),
        "{stderr}"
    );
    assert!(files(ground.path()).is_empty());
}

#[test]
fn both_scripts_have_a_help_with_an_example() {
    for name in ["install", "package-deb"] {
        let help = done(&script(name, Path::new("/nonexistent"), &["--help"]));
        for part in [&format!("scripts/{name} ")[..], "Example:", "Exit codes:"] {
            assert!(help.contains(part), "{help}");
        }
        assert!(!help.contains("set -euo"), "{help}");
    }
}

#[test]
fn the_package_is_without_complaints_of_lintian() {
    if !Command::new("lintian")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(!must, "LITHOS_TEST_ROOT=1, but lintian is not installed");
        let _ = writeln!(std::io::stderr(), "SKIP: lintian is not installed");
        return;
    }
    let ground = TempDir::new().unwrap();
    let package = built::package("0.1.0-1", ground.path(), &[]);
    let output = Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning"])
        .arg(&package)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_same_programs_make_the_same_package() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let make = |ground: &TempDir| {
        let package = built::package("0.1.0-1", ground.path(), &built::QUICK);
        fs::read(package).unwrap()
    };
    assert!(make(&one) == make(&other));
}
