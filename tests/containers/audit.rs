//! The audit log of a real supervisor: what it says of which start, and what
//! becomes of it where it cannot be written.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;
use crate::tree::Tree;

/// Every line of the log so far.
fn audited(ground: &Ground) -> Vec<Value> {
    let text = fs::read_to_string(ground.path("log/audit.log")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The lines, once there are so many.
fn lines(tree: &Tree<'_>, ground: &Ground, count: usize) -> Vec<Value> {
    let found = tree.wait(&format!("{count} lines of the audit log"), || {
        let lines = audited(ground);
        (lines.len() >= count).then_some(lines)
    });
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

/// These fields of each line, `-` for one that is not there.
fn fields<const N: usize>(lines: &[Value], names: [&str; N]) -> Vec<[String; N]> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |line: &Value| names.map(|name| text(&line[name]));
    lines.iter().map(row).collect()
}

fn with_password(actions: &str, lines: &str) -> Option<Ground> {
    let ground = Ground::new()?;
    let token = ground.seal("alpha", "", "a secret");
    ground.container(&format!(
        "arguments: [{actions}]\n{lines}\nsecret-environ: {{ PASSWORD: {token} }}"
    ));
    Some(ground)
}

#[test]
fn each_secret_of_a_start_has_a_line_with_its_labels_and_never_its_value() {
    let Some(ground) = Ground::new() else { return };
    fs::create_dir_all(ground.path("images/probe/run/secrets")).unwrap();
    ground.sandbox("secrets-namespaces: [shop]");
    let mine = |secret| ground.seal("alpha", "shop", secret);
    // What the first token is sealed to is not at hand.
    let (wrong, right) = (ground.seal("beta", "shop", "not shown"), mine("not shown"));
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ PASSWORD: ['{wrong}', '{right}'] }}\n\
         secret-files: {{ key: '{}' }}\nsecret-templates: {{ app.conf: 'p=@{{secret:PASSWORD}}' }}",
        mine("a file")
    ));
    let tree = ground.start();
    let lines = lines(&tree, &ground, 3);
    let found = fields(
        &lines,
        ["secret", "delivery", "path", "outcome", "namespace"],
    );
    let expected = [
        ["PASSWORD", "variable", "-", "delivered", "shop"],
        ["/run/secrets/key", "file", "-", "delivered", "shop"],
        [
            "PASSWORD",
            "template",
            "/run/secrets/app.conf",
            "delivered",
            "shop",
        ],
    ];
    assert_eq!(found, expected);
    for line in &lines {
        assert_eq!(
            (&line["container"], &line["occasion"]),
            (&"shop/web.0".into(), &"start".into())
        );
        assert_eq!(line["start"], lines[0]["start"]);
    }
    let label = right.split(':').skip(1).take(3).collect::<Vec<_>>();
    let told = fields(&lines[..1], ["key-hash", "namespace-hash", "secret-hash"]);
    assert_eq!(told, [[label[0], label[1], label[2]]]);
    let path = ground.path("log/audit.log");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let text = fs::read_to_string(path).unwrap();
    let sealed = right.rsplit(':').next().unwrap();
    for never in ["not shown", "a file", sealed] {
        assert!(!text.contains(never), "{never}: {text}");
    }
}

#[test]
fn a_refused_secret_has_its_outcome_and_the_others_are_withheld() {
    let Some(ground) = Ground::new() else { return };
    let right = ground.seal("alpha", "", "a secret");
    let (label, _) = right.rsplit_once(':').unwrap();
    let other = ground.seal("alpha", "", "another");
    // Its label is right, so only who opens it can tell.
    let damaged = format!("{label}:{}", other.rsplit(':').next().unwrap());
    ground.container(&format!(
        "arguments: [report, sleep]\nrestart-timeout: 3600\n\
         secret-environ: {{ A: '{damaged}', B: '{right}' }}"
    ));
    let tree = ground.start();
    let lines = lines(&tree, &ground, 2);
    let found = fields(&lines, ["secret", "outcome"]);
    assert_eq!(found, [["A", "secret-hash-mismatch"], ["B", "withheld"]]);
    assert!(tree.lines("shop/web.0", "report").is_empty());
}

#[test]
fn of_a_thousand_refused_secrets_every_token_has_a_line_and_the_log_says_why() {
    let Some(ground) = Ground::new() else { return };
    ground.container(&format!(
        "arguments: [report, sleep]\nrestart-timeout: 3600\n{}",
        ground.thousand_secrets()
    ));
    ground.replace_key();
    let tree = ground.start();
    let log = tree.wait_for_log(&["cannot deliver 990 more of the secrets"]);
    assert!(!log.contains("its knot was killed"), "{log}");
    let lines = lines(&tree, &ground, 2000);
    assert!(lines.iter().all(|line| line["outcome"] == "key-mismatch"));
}

#[test]
fn each_restart_has_lines_of_its_own_in_a_kept_container_too() {
    for kept in [false, true] {
        let lines_of = format!("restart-process-only: {kept}\nrestart-timeout: 0.05");
        let Some(ground) = with_password("report, exit=0", &lines_of) else {
            return;
        };
        let mut tree = ground.start();
        tree.results("shop/web.0", "report", 4);
        assert!(tree.stop().success());
        let stdio = fs::read_to_string(ground.path("log/stdio/shop.log")).unwrap();
        let starts = stdio.matches("lithos: shop/web.0 started").count();
        let lines = audited(&ground);
        let delivered = lines.iter().filter(|line| line["outcome"] == "delivered");
        let ids: BTreeSet<_> = delivered.map(|line| line["start"].to_string()).collect();
        assert_eq!(ids.len(), starts, "{lines:#?}");
    }
}

/// The user 0 may have set the limits of every process that has his ids.
#[test]
fn no_container_keeps_its_knot_from_telling_of_what_was_delivered() {
    let Some(ground) = with_password(
        "report, 'do=starve:1', exit=0",
        "restart-process-only: true\nrestart-timeout: 0.05",
    ) else {
        return;
    };
    ground.sandbox("allow-users: [0]\ndefault-user: 0\ndefault-group: 0");
    let mut tree = ground.start();
    tree.results("shop/web.0", "report", 4);
    assert!(tree.stop().success());
    let lines = audited(&ground);
    let delivered = lines.iter().filter(|line| line["outcome"] == "delivered");
    assert!(delivered.count() >= 4, "{lines:#?}");
}

#[test]
fn a_container_that_runs_without_a_line_gets_it_from_the_next_supervisor() {
    let Some(ground) = with_password("report, sleep", "") else {
        return;
    };
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    lines(&tree, &ground, 1);
    let knot = tree.knot("shop/web.0");
    tree.abandon();
    fs::remove_file(ground.path("log/audit.log")).unwrap();
    let record = ground.path("run/state/shop/web.0/record.json");
    // As if it had been killed before it heard of the start.
    let mut json: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    for (key, value) in [
        ("starts", 0.into()),
        ("bytes", 0.into()),
        ("runs", false.into()),
    ] {
        json["audit"][key] = value;
    }
    fs::write(&record, json.to_string()).unwrap();
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let lines = lines(&tree, &ground, 1);
    assert_eq!(fields(&lines, ["outcome"]), [["delivered"]]);
    assert_eq!(tree.knot("shop/web.0"), knot);
}

#[test]
fn a_lost_record_is_a_gap_that_is_told() {
    let Some(ground) = with_password("report, sleep", "") else {
        return;
    };
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    lines(&tree, &ground, 1);
    tree.abandon();
    fs::write(ground.path("run/state/shop/web.0/record.json"), "{").unwrap();
    let tree = ground.start();
    let lines = lines(&tree, &ground, 3);
    let expected = [
        ["delivered", "-"],
        ["-", "its record was lost"],
        ["delivered", "-"],
    ];
    assert_eq!(fields(&lines, ["outcome", "gap"]), expected);
}

#[test]
fn a_full_disk_stops_no_start_and_its_lines_are_written_later_even_by_another() {
    let Some(ground) = with_password("report, sleep", "restart-timeout: 0.05") else {
        return;
    };
    let log = ground.path("log/audit.log");
    symlink("/dev/full", &log).unwrap();
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let owed = || fs::read_to_string(ground.path("run/audit.owed")).unwrap_or_default();
    let wait = |tree: &Tree<'_>, count| {
        tree.wait("lines that wait", || {
            (owed().lines().count() == count).then_some(())
        })
    };
    wait(&tree, 1);
    kill(Pid::from_raw(tree.knot("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "report", 2);
    wait(&tree, 2);
    tree.wait_for_log(&["audit.log, its lines are kept until that can be done"]);
    tree.abandon();
    fs::remove_file(&log).unwrap();
    let tree = ground.start();
    let lines = lines(&tree, &ground, 2);
    assert_eq!(fields(&lines, ["outcome"]), [["delivered"], ["delivered"]]);
    assert_ne!(lines[0]["start"], lines[1]["start"]);
    tree.wait_for_log(&["the audit log is complete again"]);
    assert_eq!(owed(), "");
}

#[test]
fn the_log_may_be_moved_away_at_any_moment() {
    let Some(ground) = with_password("report, sleep", "restart-timeout: 0.05") else {
        return;
    };
    let tree = ground.start();
    lines(&tree, &ground, 1);
    let (log, moved) = (ground.path("log/audit.log"), ground.path("log/audit.log.1"));
    fs::rename(&log, &moved).unwrap();
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGKILL).unwrap();
    lines(&tree, &ground, 1);
    assert_eq!(fs::read_to_string(moved).unwrap().lines().count(), 1);
}
