//! Secrets in files, templates and made of others, seen from inside and outside.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::ground::{Ground, OWN_ROOT};
use crate::tree::wait_or;

/// An image with `/run/secrets`, and a container that reports these.
fn report(lines: &str, actions: &str) -> Option<Ground> {
    let ground = Ground::new()?;
    fs::create_dir_all(ground.path("images/probe/run/secrets")).unwrap();
    ground.container(&format!("arguments: [{actions}, sleep]\n{lines}"));
    Some(ground)
}

/// What the container config says of one secret, sealed by the key at hand.
fn with_token(ground: &Ground, lines: &str, secret: &str) {
    let path = "images/probe/config/web.yaml";
    let text = fs::read_to_string(ground.path(path)).unwrap();
    let token = ground.seal("alpha", "", secret);
    ground.write(path, format!("{text}{}\n", lines.replace("TOKEN", &token)));
}

#[test]
fn delivers_any_bytes_as_a_file_and_says_where() {
    let actions =
        "read=/run/secrets/db-password, read=/run/secrets/tls/key, list=/run/secrets, report";
    let Some(ground) = report("", actions) else {
        return;
    };
    let lines = "secret-files: { /run/secrets/db-password: 'TOKEN', tls/key: { value: 'TOKEN' } }";
    with_token(&ground, lines, "a\0b\n");
    let tree = ground.start();
    for path in ["db-password", "tls/key"] {
        let action = format!("read=/run/secrets/{path}");
        assert_eq!(tree.result("shop/web.0", &action), "a\0b\n");
    }
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["environ"]["CREDENTIALS_DIRECTORY"], "/run/secrets");
    assert!(!report.to_string().contains("a\\u0000b"));
}

#[test]
fn a_file_is_the_processs_own_unless_it_is_given_to_others() {
    let Some(ground) = report("user-id: 7", "list=/run/secrets, report") else {
        return;
    };
    ground.sandbox(OWN_ROOT);
    let lines = "secret-files:\n  own: 'TOKEN'\n  given: { value: 'TOKEN', user: 8, group: 9, mode: 0o444 }";
    with_token(&ground, lines, "x");
    let tree = ground.start();
    let list = tree.result("shop/web.0", "list=/run/secrets");
    assert_eq!(
        (&list["own"]["uid"], &list["own"]["gid"]),
        (&7.into(), &0.into())
    );
    assert_eq!(list["own"]["mode"], "100400");
    assert_eq!(
        (&list["given"]["uid"], &list["given"]["gid"]),
        (&8.into(), &9.into())
    );
    assert_eq!(list["given"]["mode"], "100444");
}

#[test]
fn nobody_in_the_container_can_change_the_files_and_no_swap_holds_them() {
    let actions = "write=/run/secrets/p, write=/run/secrets/new, remount=/run/secrets, \
        unmount=/run/secrets, read=/run/secrets/p, report";
    let Some(ground) = report("user-id: 0", actions) else {
        return;
    };
    ground.sandbox(&format!(
        "{OWN_ROOT}\ncapabilities: [SYS_ADMIN, DAC_OVERRIDE]"
    ));
    with_token(&ground, "secret-files: { p: 'TOKEN' }", "sealed value");
    let tree = ground.start();
    for action in [
        "write=/run/secrets/p",
        "write=/run/secrets/new",
        "remount=/run/secrets",
        "unmount=/run/secrets",
    ] {
        let result = tree.result("shop/web.0", action);
        assert!(result["error"].is_string(), "{action}: {result}");
    }
    assert_eq!(
        tree.result("shop/web.0", "read=/run/secrets/p"),
        "sealed value"
    );
    let report = tree.result("shop/web.0", "report");
    let mounts = report["mounts"].as_array().unwrap();
    let mount = mounts
        .iter()
        .find(|mount| mount["target"] == "/run/secrets")
        .unwrap();
    assert_eq!(mount["kind"], "tmpfs");
    let has =
        |list: &str, option: &str| mount[list].as_array().unwrap().iter().any(|o| o == option);
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(has("options", option), "{option}: {mount}");
    }
    if kernel_is_at_least(6, 4) {
        assert!(has("super", "noswap"), "{mount}");
    }
}

fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.trim().parse().unwrap_or(0));
    let found: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
    found >= (major, minor)
}

#[test]
fn the_hosts_other_users_see_nothing_and_it_goes_with_the_container() {
    let Some(ground) = report("", "read=/run/secrets/p") else {
        return;
    };
    with_token(
        &ground,
        "secret-files: { p: { value: 'TOKEN', mode: 0o444 } }",
        "sealed value",
    );
    let mut tree = ground.start();
    assert_eq!(
        tree.result("shop/web.0", "read=/run/secrets/p"),
        "sealed value"
    );
    // By way of whichever process there is whose root has it.
    let inside = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let files = processes.map(|process| process.path().join("root/run/secrets/p"));
        files
            .filter(|file| fs::read(file).is_ok_and(|found| found == b"sealed value"))
            .collect::<Vec<_>>()
    };
    let seen = inside();
    assert!(!seen.is_empty(), "root sees it");
    for file in &seen {
        for user in ["1000", "65534"] {
            let mut look = Command::new("setpriv");
            look.args(["--reuid", user, "--regid", user, "--clear-groups", "cat"])
                .arg(file);
            let output = look.output().unwrap();
            assert!(!output.status.success(), "{user} reads {}", file.display());
            assert!(output.stdout.is_empty());
        }
    }
    assert!(!ground.path("run/mnt/p").exists());
    assert!(!ground.path("run/mnt/below").exists());
    tree.stop();
    assert_eq!(inside(), Vec::<std::path::PathBuf>::new());
    ground.expect_nothing_left();
}

#[test]
fn a_tmpfs_gets_the_mount_points_and_a_single_file_lies_on_the_image() {
    let Some(ground) = Ground::new() else { return };
    fs::create_dir_all(ground.path("images/probe/run")).unwrap();
    ground.write("images/probe/etc/app.conf", "");
    ground.container(
        "arguments: [read=/run/secrets/p, read=/tmp/deep/below/p, read=/etc/app.conf, write=/etc/app.conf, sleep]\n\
         volumes: { /run: !Tmpfs { size: 1Mi }, /tmp: !Tmpfs { size: 1Mi } }",
    );
    let lines = "secret-files: { p: 'TOKEN', /tmp/deep/below/p: 'TOKEN', /etc/app.conf: 'TOKEN' }";
    with_token(&ground, lines, "sealed value");
    let tree = ground.start();
    for path in ["/run/secrets/p", "/tmp/deep/below/p", "/etc/app.conf"] {
        assert_eq!(
            tree.result("shop/web.0", &format!("read={path}")),
            "sealed value"
        );
    }
    assert!(tree.result("shop/web.0", "write=/etc/app.conf")["error"].is_string());
    assert_eq!(
        fs::read(ground.path("images/probe/etc/app.conf")).unwrap(),
        b""
    );
}

#[test]
fn a_template_is_rendered_literally() {
    let Some(ground) = report("", "read=/run/secrets/app.conf, report") else {
        return;
    };
    with_token(
        &ground,
        "secret-environ: { PASSWORD: 'TOKEN' }\nsecret-templates:\n  app.conf: |\n    \
         a=@{secret:PASSWORD}\n    b=\"@{secret: PASSWORD }@{secret:PASSWORD}\" $HOME `id` @{x} \\n\n",
        "x@{secret:PASSWORD}\"\\",
    );
    let tree = ground.start();
    let value = "x@{secret:PASSWORD}\"\\";
    let expected = format!("a={value}\nb=\"{value}{value}\" $HOME `id` @{{x}} \\n\n");
    assert_eq!(
        tree.result("shop/web.0", "read=/run/secrets/app.conf"),
        expected
    );
}

#[test]
fn a_container_whose_process_alone_restarts_keeps_its_files() {
    let lines = "restart-process-only: true\nrestart-timeout: 0.1";
    let Some(ground) = Ground::new() else { return };
    fs::create_dir_all(ground.path("images/probe/run/secrets")).unwrap();
    ground.container(&format!(
        "arguments: [read=/run/secrets/p, exit=3]\n{lines}"
    ));
    with_token(&ground, "secret-files: { p: 'TOKEN' }", "sealed value");
    let tree = ground.start();
    let read = || {
        let lines = tree.lines("shop/web.0", "read=/run/secrets/p");
        (lines.len() >= 3).then_some(lines)
    };
    for line in wait_or(read).expect("three starts") {
        assert_eq!(line["result"], "sealed value");
    }
}

#[test]
fn a_password_is_delivered_as_a_hash_and_not_itself() {
    let Some(ground) = report("", "read=/run/secrets/hash, report") else {
        return;
    };
    let lines = "secret-files: { hash: { value: 'TOKEN', transform: yescrypt } }\n\
         secret-environ: { HASH: { value: 'TOKEN', transform: yescrypt } }";
    with_token(&ground, lines, "correct horse");
    let tree = ground.start();
    let hash = tree.result("shop/web.0", "read=/run/secrets/hash");
    let report = tree.result("shop/web.0", "report");
    assert!(!report.to_string().contains("correct horse"));
    for hash in [&hash, &report["environ"]["HASH"]] {
        let hash = hash.as_str().unwrap();
        assert_eq!(crypt("correct horse", hash), hash);
        assert_ne!(crypt("another", hash), hash);
    }
}

/// crypt(3) of the system, by way of Perl, as login does it.
fn crypt(password: &str, hash: &str) -> String {
    let mut perl = Command::new("perl");
    perl.args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, hash]);
    String::from_utf8(perl.output().unwrap().stdout).unwrap()
}

#[test]
fn the_lines_of_a_dotenv_become_exactly_the_declared_variables() {
    let Some(ground) = report("", "report") else {
        return;
    };
    let lines = "secret-environ: { ALL: { value: 'TOKEN', transform: dotenv, variables: [A, B] } }";
    with_token(&ground, lines, "# two\nA=$B\nB=\"x=y\"\n");
    let tree = ground.start();
    let environ = tree.result("shop/web.0", "report")["environ"].clone();
    assert_eq!(
        (&environ["A"], &environ["B"]),
        (&"$B".into(), &"\"x=y\"".into())
    );
    assert!(environ["ALL"].is_null());
}

/// The container does not start, for this reason, which shows no value; another
/// one does.
fn expect_refusal(lines: &str, secret: &str, reasons: &[&str]) {
    let Some(ground) = report("", "report") else {
        return;
    };
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         worker: { image: probe, config: /config/worker.yaml }",
    );
    ground.container_named("worker", "arguments: [report, sleep]");
    with_token(&ground, lines, secret);
    let other = ground.seal("beta", "", secret);
    let path = "images/probe/config/web.yaml";
    let text = fs::read_to_string(ground.path(path)).unwrap();
    ground.write(path, text.replace("OTHER", &other));
    let mut tree = ground.start();
    tree.result("shop/worker.0", "report");
    let log = tree.wait_for_log(&[&["shop/web"], reasons].concat());
    assert!(tree.lines("shop/web.0", "report").is_empty());
    tree.stop();
    assert!(!log.contains("hunter2"), "{log}");
    ground.expect_nothing_left();
}

#[test]
fn refuses_a_file_whose_token_is_for_another_key_and_names_the_file() {
    let lines = "secret-files: { good: 'TOKEN', p: 'OTHER' }";
    expect_refusal(
        lines,
        "hunter2",
        &["/run/secrets/p", "ok314Kuk", "k/qSgp/F"],
    );
}

#[test]
fn refuses_a_file_that_is_a_plaintext() {
    expect_refusal("secret-files: { p: hunter2 }", "", &["malformed"]);
}

#[test]
fn refuses_files_without_a_mount_point() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    with_token(&ground, "secret-files: { p: 'TOKEN' }", "hunter2");
    let tree = ground.start();
    tree.wait_for_log(&["shop/web", "the image has no directory /run/secrets"]);
}

#[test]
fn refuses_a_single_file_that_nothing_can_be_mounted_on() {
    for (path, reason) in [
        (
            "/etc/missing.conf",
            "the image has no file /etc/missing.conf",
        ),
        ("/data", "/data is not a regular file"),
        ("/proc/version", "is mounted by lithos itself"),
        ("/dev/null", "is mounted by lithos itself"),
    ] {
        let lines = format!("secret-files: {{ {path}: 'TOKEN' }}");
        expect_refusal(&lines, "hunter2", &[reason]);
    }
}

#[test]
fn no_link_in_the_image_leads_secrets_to_the_host() {
    let Some(ground) = Ground::new() else { return };
    fs::create_dir_all(ground.path("images/probe/run")).unwrap();
    let outside = ground.directory("host/outside", 0, 0o777);
    symlink(&outside, ground.path("images/probe/run/secrets")).unwrap();
    ground.container("arguments: [report, sleep]");
    with_token(&ground, "secret-files: { p: 'TOKEN' }", "hunter2");
    let tree = ground.start();
    tree.wait_for_log(&["shop/web", "/run/secrets"]);
    assert!(tree.lines("shop/web.0", "report").is_empty());
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn refuses_a_template_that_names_no_secret_or_whose_secret_does_not_open() {
    let nothing = "secret-templates: { a: '@{secret:hunter2}' }";
    expect_refusal(nothing, "", &["names no secret"]);
    let other = "secret-environ: { P: 'OTHER' }\nsecret-templates: { a: '@{secret:P}' }";
    expect_refusal(other, "hunter2", &["the secret P", "ok314Kuk"]);
}

#[test]
fn refuses_a_dotenv_that_is_not_what_is_declared_without_its_values() {
    let lines = "secret-environ: { ALL: { value: 'TOKEN', transform: dotenv, variables: [A, B] } }";
    for (value, reason) in [
        ("A=hunter2", "it has no line for the variable B"),
        (
            "A=1\nB=2\nhunter2=3",
            "its line 3 sets a variable that is not among",
        ),
        ("A=1\nhunter2", "its line 2 is no `KEY=VALUE`"),
        (
            "A=hunter2\nA=1\nB=2",
            "its line 2 sets a variable for the second time",
        ),
    ] {
        expect_refusal(lines, value, &["cannot use the secret ALL", reason]);
    }
}

#[test]
fn refuses_a_password_that_crypt_cannot_take() {
    let lines = "secret-environ: { H: { value: 'TOKEN', transform: yescrypt } }";
    expect_refusal(lines, "hunter2\0", &["cannot use the secret H", "NUL"]);
}
