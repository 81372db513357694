//! Secrets that a sandbox has for every container of it, and which containers a
//! changed one restarts.

use std::fs;

use nix::sys::signal::Signal;

use crate::ground::Ground;
use crate::tree::Tree;

/// `web` takes the defaults, `own` has a variable of its own, `none` wants none.
fn ground(environ: &str, file: &str) -> Option<Ground> {
    let ground = Ground::new()?;
    fs::create_dir_all(ground.path("images/probe/run/secrets")).unwrap();
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         own: { image: probe, config: /config/own.yaml }\n\
         none: { image: probe, config: /config/none.yaml }",
    );
    let rest = "arguments: [report, list=/run/secrets, sleep]\nrestart-timeout: 0.1";
    let mine = ground.seal("alpha", "", "my own");
    ground.container(rest);
    ground.container_named("own", &format!("{rest}\nsecret-environ: {{ DSN: {mine} }}"));
    ground.container_named("none", &format!("{rest}\nno-default-secrets: true"));
    defaults(&ground, environ, file);
    Some(ground)
}

fn defaults(ground: &Ground, environ: &str, file: &str) {
    ground.sandbox(&format!(
        "default-secrets: {{ environ: {{ DSN: {environ} }}, files: {{ ca.pem: {file} }} }}"
    ));
}

fn reload(tree: &Tree<'_>) {
    let loads = |tree: &Tree<'_>| tree.log().matches("loaded; supervising").count();
    tree.listens();
    let before = loads(tree);
    tree.signal(Signal::SIGHUP);
    tree.wait("a reload", || (loads(tree) > before).then_some(()));
}

fn sealed(secret: &str) -> String {
    let ground = Ground::new().expect("it is root's already");
    ground.seal("alpha", "", secret)
}

#[test]
fn every_container_gets_them_but_for_what_it_has_itself_or_does_not_want() {
    if !Ground::possible() {
        return;
    }
    let Some(ground) = ground(&sealed("of all"), &sealed("a file")) else {
        return;
    };
    let tree = ground.start();
    let dsn = |name: &str| {
        let report = tree.result(&format!("shop/{name}.0"), "report");
        report["environ"]["DSN"].clone()
    };
    assert_eq!(dsn("web"), "of all");
    assert_eq!(dsn("own"), "my own");
    assert!(dsn("none").is_null());
    for (name, has) in [("web", true), ("own", true), ("none", false)] {
        let list = tree.result(&format!("shop/{name}.0"), "list=/run/secrets");
        assert_eq!(list["ca.pem"]["mode"] == "100400", has, "{name}: {list}");
    }
}

#[test]
fn one_that_does_not_open_keeps_those_that_use_it_and_no_others() {
    if !Ground::possible() {
        return;
    }
    let wrong = {
        let ground = Ground::new().unwrap();
        ground.seal("beta", "", "hunter2")
    };
    let Some(ground) = ground(&wrong, &sealed("a file")) else {
        return;
    };
    let mut tree = ground.start();
    for name in ["own", "none"] {
        tree.result(&format!("shop/{name}.0"), "report");
    }
    let log = tree.wait_for_log(&["shop/web", "the secret DSN", "key-mismatch", "ok314Kuk"]);
    assert!(tree.lines("shop/web.0", "report").is_empty());
    tree.stop();
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_changed_one_restarts_exactly_the_containers_that_use_it() {
    if !Ground::possible() {
        return;
    }
    let file = sealed("a file");
    let Some(ground) = ground(&sealed("of all"), &file) else {
        return;
    };
    let tree = ground.start();
    let names = ["web", "own", "none"].map(|name| format!("shop/{name}.0"));
    names
        .iter()
        .for_each(|name| _ = tree.result(name, "report"));
    let before = names.clone().map(|name| tree.knot(&name));
    // Sealed anew, it is the same.
    defaults(&ground, &sealed("of all"), &sealed("a file"));
    reload(&tree);
    assert_eq!(names.clone().map(|name| tree.knot(&name)), before);
    defaults(&ground, &sealed("of all, changed"), &file);
    reload(&tree);
    let changed = tree.results("shop/web.0", "report", 2);
    assert_eq!(changed[1]["environ"]["DSN"], "of all, changed");
    let after = names.map(|name| tree.knot(&name));
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1..], before[1..]);
}
