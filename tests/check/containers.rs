//! `--check-container`: a container config alone, away from any server.

use crate::stage::{PLAINTEXT, Stage, run};

fn check(stage: &Stage, text: &str) -> crate::stage::Outcome {
    stage.write("web.yaml", text);
    run(&[
        "--check-container",
        stage.path("web.yaml").to_str().unwrap(),
    ])
}

#[test]
fn needs_no_server() {
    let stage = Stage::new();
    let outcome = check(
        &stage,
        "executable: /no/such/program\ntcp-ports: { 80: { fd: 3 } }\n",
    );
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "1 container config: no problems\n");
}

#[test]
fn applies_the_rules_within_the_document() {
    let stage = Stage::new();
    for (text, message) in [
        (
            "arguments: ['@{port}']\n",
            "the variable `port` is not declared",
        ),
        (
            "volumes: { /proc/self: !Tmpfs {} }\n",
            "no volume can be mounted at /proc/self",
        ),
        (
            "environ: { LITHOS_NAME: x }\n",
            "`LITHOS_NAME` is set by lithos itself",
        ),
        ("interactive: true\n", "only a command can be interactive"),
        ("memroy-limit: 1\n", "memory-limit"),
    ] {
        let outcome = check(&stage, &format!("executable: /bin/web\n{text}"));
        assert_eq!(outcome.status, 1, "{text}");
        assert!(
            outcome.stderr.contains(message),
            "no {message:?} in {}",
            outcome.stderr
        );
    }
}

#[test]
fn checks_several_and_lists_the_good_ones_if_asked() {
    let stage = Stage::new();
    stage.write("good.yaml", "executable: /bin/web\n");
    stage.write("bad.yaml", "executable: bin/web\n");
    let paths = [stage.path("good.yaml"), stage.path("bad.yaml")];
    let [good, bad] = paths.each_ref().map(|path| path.to_str().unwrap());
    let outcome = run(&["-v", "--check-container", good, bad]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.stdout.contains(&format!("{good}: fine\n")),
        "{}",
        outcome.stdout
    );
    assert!(
        !outcome.stdout.contains(&format!("{bad}: fine\n")),
        "{}",
        outcome.stdout
    );
}

#[test]
fn reads_the_secrets_file_beside_it_without_showing_it() {
    let stage = Stage::new();
    stage.write("secrets.yaml", &format!("DB_PASSWORD: {PLAINTEXT}\n"));
    let outcome = check(
        &stage,
        "executable: /bin/web\nsecret-environ-file: secrets.yaml\n",
    );
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.stderr.contains("this is no token"),
        "{}",
        outcome.stderr
    );
}
