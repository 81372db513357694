use std::os::unix::fs::symlink;

use crate::desk::{Desk, tokens};
use crate::support::{key, seal};

/// Where secrets are: open, hidden, and in a file that is only linked to.
const FILES: [&str; 4] = [
    "t/a.yaml",
    "t/.b.yaml",
    "t/.hid/.deep/c.yml",
    "t/linked.conf",
];

fn desk() -> Desk {
    let desk = Desk::new();
    let token = seal("", b"value");
    for file in FILES {
        desk.write(file, &format!("A: {token}\n"));
    }
    symlink("linked.conf", desk.path("t/e.yaml")).unwrap();
    symlink("../t/e.yaml", desk.path("t/f.yaml")).unwrap();
    symlink(".b.yaml", desk.path("t/.a-link.yaml")).unwrap();
    desk
}

#[test]
fn each_once_and_links_only_for_what_is_not_found_otherwise() {
    let run = desk().run(&["ls", "t"], b"").expect_code(0);
    let files = run.text().lines().skip(1);
    let files: Vec<_> = files.map(|line| line.split_whitespace().nth(1)).collect();
    let expected = ["t/.b.yaml", "t/.hid/.deep/c.yml", "t/a.yaml", "t/e.yaml"];
    assert_eq!(files, expected.map(Some));
}

#[test]
fn by_check() {
    for place in [".deploy/p.yaml", ".p.yaml"] {
        let desk = Desk::new();
        desk.write(place, "secret-environ: { A: hunter2 }\n");
        let run = desk.run(&["check"], b"").expect_code(1);
        let found = format!("{place}:1:22: error: A: a plaintext");
        assert!(run.text().starts_with(&found), "{}", run.text());
    }
}

#[test]
fn by_rekey() {
    let desk = desk();
    let rekey = ["rekey", "-i", &key("alpha"), "-k", &key("beta.pub"), "t"];
    desk.run(&rekey, b"").expect_code(0);
    for file in FILES {
        assert_eq!(
            desk.get("beta", file, "A").expect_code(0).text(),
            "value",
            "{file}"
        );
        desk.get("alpha", file, "A").expect_code(1);
    }
    assert!(desk.path("t/e.yaml").is_symlink());
}

#[test]
fn by_revoke() {
    let desk = Desk::with_recipients();
    let rules = desk.read("lithos-keys.yaml").replace("*.yaml", "**/*.yaml");
    desk.write("lithos-keys.yaml", &rules);
    desk.set(".hid/s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    desk.run(&["revoke", "beta"], b"").expect_code(0);
    assert_eq!(tokens(&desk.read(".hid/s.yaml")).len(), 1);
}

#[test]
fn but_not_what_leads_nowhere_or_in_circles() {
    let desk = desk();
    symlink("ada@host.1234", desk.path("t/.#a.yaml")).unwrap();
    symlink("circle.yaml", desk.path("t/circle.yaml")).unwrap();
    symlink(".", desk.path("t/here.yaml")).unwrap();
    symlink("..", desk.path("t/.hid/up")).unwrap();
    desk.call("mkfifo", &["t/pipe.yaml"]);
    symlink("pipe.yaml", desk.path("t/to-pipe.yaml")).unwrap();
    let run = desk.run(&["check", "t"], b"").expect_code(0);
    assert_eq!(run.text(), "4 secrets, 4 files: no problems\n");
}

#[test]
fn but_not_what_is_outside() {
    let desk = desk();
    let outside = format!("A: {}\n", seal("", b"value"));
    desk.write("else.yaml", &outside);
    symlink("../else.yaml", desk.path("t/z.yaml")).unwrap();
    let rekey = ["rekey", "-i", &key("alpha"), "-k", &key("beta.pub"), "t"];
    desk.run(&rekey, b"").expect_code(0);
    assert_eq!(desk.read("else.yaml"), outside);
}

#[test]
fn and_a_link_does_not_say_whose_recipients_count_for_its_neighbours() {
    let desk = Desk::with_recipients();
    desk.set("z.yaml", "A", "mGv7Qk2xWz9LrTb4");
    let elsewhere = Desk::new();
    elsewhere.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    symlink(elsewhere.path("s.yaml"), desk.path("a.yaml")).unwrap();
    for paths in [["a.yaml", "z.yaml"], ["z.yaml", "a.yaml"]] {
        let run = desk
            .run(&[&["ls"], &paths[..]].concat(), b"")
            .expect_code(0);
        let recipients = |file: &str| {
            let line = run.text().lines().find(|line| line.contains(file));
            line.unwrap().split_whitespace().last().map(str::to_owned)
        };
        assert_eq!(recipients("z.yaml").as_deref(), Some("alpha,beta"));
        assert_eq!(recipients("a.yaml").as_deref(), Some("k/qSgp/F"));
    }
}
