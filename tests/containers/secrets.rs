//! Secrets: delivered to the process, and each bad outcome.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::ground::Ground;

#[test]
fn delivers_secrets_single_and_by_the_first_of_a_list_that_opens() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ:\n  ONE: {}\n  LIST:\n  - {}\n  - {}\n  - {}",
        ground.seal("alpha", "", "päss: word"),
        ground.seal("beta", "", "not for this key"),
        ground.seal("alpha", "", "the second"),
        ground.seal("alpha", "", "the third"),
    ));
    let tree = ground.start();
    let environ = tree.result("shop/web.0", "report")["environ"].clone();
    assert_eq!(environ["ONE"], "päss: word");
    assert_eq!(environ["LIST"], "the second");
}

#[test]
fn delivers_the_secrets_of_a_file() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "from a file");
    ground.write(
        "images/probe/config/secrets/prod.yaml",
        format!("PASSWORD: {token}\n"),
    );
    ground.container("arguments: [report, sleep]\nsecret-environ-file: secrets/prod.yaml");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["environ"]["PASSWORD"], "from a file");
}

#[test]
fn a_directory_of_secrets_is_mounted_through_readonly_paths() {
    let Some(ground) = Ground::new() else { return };
    ground.directory("host/secrets/shop", 1000, 0o500);
    let file = ground.write("host/secrets/shop/tls.key", "a private key");
    chown(&file, Some(1000), Some(1000)).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    ground.directory("host/secrets", 0, 0o700);
    ground.sandbox(&format!(
        "readonly-paths: {{ /secrets: {} }}",
        ground.path("host/secrets").display()
    ));
    ground.container(
        "volumes: { /secrets: !Readonly /secrets/shop }\n\
         arguments: [read=/secrets/tls.key, write=/secrets/tls.key, sleep]",
    );
    let tree = ground.start();
    assert_eq!(
        tree.result("shop/web.0", "read=/secrets/tls.key"),
        "a private key"
    );
    assert!(tree.result("shop/web.0", "write=/secrets/tls.key")["error"].is_string());
}

#[test]
fn delivers_secrets_of_the_allowed_namespaces() {
    let Some(ground) = Ground::new() else { return };
    ground.sandbox("secrets-namespaces: ['', shop]\nallow-extra-secrets-namespaces: [shop.db]");
    ground.processes(
        "web: { image: probe, config: /config/web.yaml, extra-secrets-namespaces: [shop.db] }",
    );
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ A: '{}', B: '{}' }}",
        ground.seal("alpha", "shop", "of shop"),
        ground.seal("alpha", "shop.db", "of its db"),
    ));
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["environ"]["A"], "of shop");
    assert_eq!(report["environ"]["B"], "of its db");
}

/// A process that cannot start is named with the reason, while another one of
/// the same sandbox runs.
fn expect_refusal(ground: &Ground, tokens: &str, reasons: &[&str]) {
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         worker: { image: probe, config: /config/worker.yaml }",
    );
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ PASSWORD: {tokens} }}"
    ));
    ground.container_named("worker", "arguments: [report, sleep]");
    let mut tree = ground.start();
    tree.result("shop/worker.0", "report");
    let log = tree.wait_for_log(&[&["shop/web"], reasons].concat());
    assert!(tree.lines("shop/web.0", "report").is_empty());
    tree.stop();
    assert!(!log.contains("hunter2"), "{log}");
    ground.expect_nothing_left();
}

/// The token with one of its columns replaced.
fn with_column(token: &str, column: usize, text: &str) -> String {
    let mut columns: Vec<_> = token.split(':').collect();
    columns[column] = text;
    columns.join(":")
}

#[test]
fn refuses_what_is_no_token_without_showing_it() {
    let Some(ground) = Ground::new() else { return };
    expect_refusal(&ground, "hunter2", &["malformed"]);
}

#[test]
fn refuses_a_token_of_another_version() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "hunter2");
    expect_refusal(
        &ground,
        &with_column(&token, 0, "v1"),
        &["unsupported-version"],
    );
}

#[test]
fn a_token_that_does_not_open_is_repaired_in_the_image_and_opens() {
    let Some(ground) = Ground::new() else { return };
    let with = |key| {
        let token = ground.seal(key, "", "hunter2");
        ground.container(&format!(
            "arguments: [report, sleep]\nrestart-timeout: 0.1\nsecret-environ: {{ P: '{token}' }}"
        ));
    };
    with("beta");
    let tree = ground.start();
    tree.wait_for_log(&["shop/web.0: cannot start", "key-mismatch"]);
    with("alpha");
    tree.result("shop/web.0", "report");
}

#[test]
fn refuses_a_token_for_another_key() {
    let Some(ground) = Ground::new() else { return };
    // The key hashes of beta, whose token it is, and of alpha, which is at hand.
    let reasons = ["ok314Kuk", "k/qSgp/F"];
    expect_refusal(&ground, &ground.seal("beta", "", "hunter2"), &reasons);
}

#[test]
fn refuses_a_token_whose_key_column_was_edited() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("beta", "", "hunter2");
    expect_refusal(
        &ground,
        &with_column(&token, 1, "k/qSgp/F"),
        &["undecryptable"],
    );
}

#[test]
fn refuses_a_token_whose_namespace_column_was_edited() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "other", "hunter2");
    // The column of the empty namespace, which would be allowed.
    expect_refusal(
        &ground,
        &with_column(&token, 2, "3dnEB2f5"),
        &["namespace-hash-mismatch"],
    );
}

#[test]
fn refuses_a_token_whose_secret_column_was_edited() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "hunter2");
    expect_refusal(
        &ground,
        &with_column(&token, 3, "8MtOoWUX"),
        &["secret-hash-mismatch"],
    );
}

#[test]
fn refuses_a_token_of_a_namespace_that_is_not_allowed() {
    let Some(ground) = Ground::new() else { return };
    expect_refusal(
        &ground,
        &ground.seal("alpha", "other", "hunter2"),
        &["namespace"],
    );
}

#[test]
fn refuses_a_secret_that_no_variable_can_hold() {
    let Some(ground) = Ground::new() else { return };
    expect_refusal(
        &ground,
        &ground.seal("alpha", "", "hunter2\0"),
        &["not-env-safe"],
    );
}

#[test]
fn tells_the_outcome_of_every_token_of_a_list() {
    let Some(ground) = Ground::new() else { return };
    let tokens = [
        ground.seal("beta", "", "hunter2"),
        ground.seal("gamma", "", "hunter2"),
    ];
    expect_refusal(&ground, &format!("{tokens:?}"), &["ok314Kuk", "BIDE5hjF"]);
}

#[test]
fn refuses_a_private_key_that_others_can_read() {
    let Some(ground) = Ground::new() else { return };
    ground.key("alpha", 0o640);
    ground.container(&format!(
        "arguments: [report, sleep]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\nsecret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "hunter2")
    ));
    let tree = ground.start();
    tree.wait_for_log(&["shop/web", "keys/alpha", "0600"]);
    ground.key("alpha", 0o600);
    assert_eq!(
        tree.result("shop/web.0", "report")["environ"]["PASSWORD"],
        "hunter2"
    );
}

#[test]
fn refuses_a_private_key_that_is_not_owned_by_root() {
    let Some(ground) = Ground::new() else { return };
    chown(ground.path("keys/alpha"), Some(1000), None).unwrap();
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "hunter2")
    ));
    let tree = ground.start();
    tree.wait_for_log(&["shop/web", "keys/alpha", "root"]);
    assert!(tree.lines("shop/web.0", "report").is_empty());
}

#[test]
fn refuses_a_private_key_with_a_passphrase_and_says_how_to_take_it_off() {
    let Some(ground) = Ground::new() else { return };
    ground.write("keys/alpha", include_bytes!("keys/alpha-with-passphrase"));
    ground.container(&format!(
        "arguments: [report, sleep]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\nsecret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "hunter2")
    ));
    let tree = ground.start();
    tree.wait_for_log(&[
        "shop/web.0",
        "keys/alpha",
        "has a passphrase",
        "ssh-keygen -p",
    ]);
    ground.key("alpha", 0o600);
    assert_eq!(
        tree.result("shop/web.0", "report")["environ"]["PASSWORD"],
        "hunter2"
    );
}

#[test]
fn a_missing_private_key_is_an_error_that_names_it() {
    let Some(ground) = Ground::new() else { return };
    std::fs::remove_file(ground.path("keys/alpha")).unwrap();
    ground.container(&format!(
        "arguments: [report, sleep]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3\nsecret-environ: {{ PASSWORD: {} }}",
        ground.seal("alpha", "", "hunter2")
    ));
    let tree = ground.start();
    tree.wait_for_log(&["shop/web", "keys/alpha", "no such file"]);
    ground.key("alpha", 0o600);
    assert_eq!(
        tree.result("shop/web.0", "report")["environ"]["PASSWORD"],
        "hunter2"
    );
}
