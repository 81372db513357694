//! Tokens: by their labels where only the public key is at hand, and opened
//! where the private key is.

use std::fs;

use crate::stage::{PLAINTEXT, Stage};

fn secret(stage: &Stage, token: &str) {
    stage.container(&format!("secret-environ: {{ PASSWORD: '{token}' }}\n"));
}

#[test]
fn labels_are_checked_with_the_public_key_alone() {
    let stage = Stage::new();
    stage.key("alpha", false);
    secret(&stage, &stage.token("alpha", ""));
    let outcome = stage.accepted();
    assert!(
        outcome.stderr.contains("only labels are checked"),
        "{}",
        outcome.stderr
    );
    secret(&stage, &stage.token("beta", ""));
    stage.refused("no token for `PASSWORD` can be opened");
    secret(&stage, &stage.token("alpha", "other"));
    stage.refused("no token for `PASSWORD` can be opened");
}

#[test]
fn tokens_are_opened_where_the_private_key_can_be_read() {
    let stage = Stage::new();
    stage.key("alpha", true);
    let token = stage.token("alpha", "");
    secret(&stage, &token);
    let outcome = stage.accepted();
    assert_eq!(outcome.stderr, "");
    // The label is right, so only opening shows that it is damaged.
    secret(&stage, &damaged(&token));
    let outcome = stage.refused("the secret `PASSWORD` cannot be delivered");
    assert!(
        !outcome.stderr.contains("cannot open"),
        "{}",
        outcome.stderr
    );
}

/// The token with another sealed part: its label is right, but it does not open.
fn damaged(token: &str) -> String {
    let (label, sealed) = token.rsplit_once(':').unwrap();
    let first = if sealed.starts_with('A') { 'B' } else { 'A' };
    format!("{label}:{first}{}", &sealed[1..])
}

#[test]
fn a_secret_that_does_not_open_is_told_where_it_stands() {
    let stage = Stage::new();
    stage.key("alpha", true);
    fs::create_dir_all(stage.path("images/web/run/secrets")).unwrap();
    let token = damaged(&stage.token("alpha", ""));
    stage.write(
        "images/web/config/secrets.yaml",
        &format!("# of shop\nA: {token}\n"),
    );
    stage.container(&format!(
        "secret-environ-file: secrets.yaml\nsecret-files:\n  db-password: {token}\n  \
         /etc/password: {token}\nsecret-templates:\n  db.conf: '@{{secret:db-password}}'\n"
    ));
    fs::write(stage.path("images/web/etc/password"), "").unwrap();
    let key = stage.path("shop.key");
    stage.add_to_sandbox(&format!(
        "secrets-private-key: {}\ndefault-secrets:\n  environ:\n    B: {token}",
        key.display()
    ));
    let line = stage.sandbox().lines().count() + 4;
    let told = stage.refused("the secret `A` cannot be delivered").stderr;
    for (name, place) in [
        ("A", "secrets.yaml:2:4".to_owned()),
        ("B", format!("sandboxes/shop.yaml:{line}:8")),
        ("/run/secrets/db-password", "web.yaml:6:16".to_owned()),
        ("db-password", "web.yaml:6:16".to_owned()),
        ("/etc/password", "web.yaml:7:18".to_owned()),
    ] {
        let (_, problem) = told
            .split_once(&format!("`{name}` cannot be delivered"))
            .unwrap();
        let shown = problem.split("\n\n").next().unwrap();
        assert!(shown.contains(&place), "no {place} for {name} in {told}");
    }
}

#[test]
fn a_plaintext_in_place_of_a_token_is_never_shown() {
    let stage = Stage::new();
    stage.key("alpha", true);
    secret(&stage, PLAINTEXT);
    stage.refused("this is no token that can be read");
    for line in [
        "secret-environ: [",
        "secret_environ: { A: ",
        "secret-environ: ",
    ] {
        stage.container(&format!("{line}{PLAINTEXT}\n"));
        stage.refused("");
    }
}

#[test]
fn extra_namespaces_must_be_allowed() {
    let stage = Stage::new();
    stage.key("alpha", true);
    secret(&stage, &stage.token("alpha", "extra"));
    stage.write(
        "etc/processes/shop.yaml",
        "web: { image: web, config: /config/web.yaml, extra-secrets-namespaces: [extra] }\n",
    );
    let outcome = stage.refused("`allow-extra-secrets-namespaces`");
    assert!(
        outcome.stderr.contains("extra-secrets-namespaces: [extra]"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_list_needs_one_token_that_opens() {
    let stage = Stage::new();
    stage.key("alpha", true);
    let (ours, other) = (stage.token("alpha", ""), stage.token("beta", ""));
    stage.container(&format!(
        "secret-environ: {{ PASSWORD: ['{other}', '{ours}'] }}\n"
    ));
    stage.accepted();
    stage.container(&format!(
        "secret-environ: {{ PASSWORD: ['{other}', '{other}'] }}\n"
    ));
    stage.refused("the secret `PASSWORD` cannot be delivered");
}

#[test]
fn every_key_of_a_private_key_file_counts_whatever_lies_beside_it() {
    let stage = Stage::new();
    stage.key("beta", true);
    let beta = fs::read(stage.path("shop.key")).unwrap();
    stage.key("alpha", true);
    let alpha = fs::read(stage.path("shop.key")).unwrap();
    fs::write(stage.path("shop.key"), [beta, alpha].concat()).unwrap();
    secret(&stage, &stage.token("beta", ""));
    stage.accepted();
    secret(&stage, &stage.token("gamma", ""));
    stage.refused("key-mismatch");
}
