use std::cell::Cell;
use std::fs;
use std::sync::OnceLock;

use crate::desk::{Desk, tokens};
use crate::killing::{self, can_kill};
use crate::repository;
use crate::support::{Run, key, seal};

const FILES: [&str; 3] = ["a/r.yaml", "a/s.yaml", "b/web.yaml"];

/// Three files, sealed to alpha; made once, since they are needed often.
fn desk() -> Desk {
    static TEXTS: OnceLock<[String; 3]> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let [r, s, web] = ["first", "second", "third"].map(|value| seal("shop", value.as_bytes()));
        [
            format!("R: {r}\n"),
            format!("S: {s}\n"),
            format!("secret-environ:\n  B: {web} # ours\n"),
        ]
    });
    let desk = Desk::new();
    for (file, text) in FILES.into_iter().zip(texts) {
        desk.write(file, text);
    }
    desk
}

fn rekey() -> Vec<String> {
    ["rekey", "-i", &key("alpha"), "-k", &key("beta.pub")]
        .map(String::from)
        .into()
}

/// The desk as a kill at this rename leaves it.
fn killed_at_rename(count: usize) -> Desk {
    let desk = desk();
    let arguments = rekey();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    killing::inject(
        &desk,
        &arguments,
        "rename",
        &format!("signal=KILL:when={count}"),
    );
    desk
}

/// Which files are sealed to alpha alone; the others are to beta alone.
fn old(desk: &Desk) -> Vec<&'static str> {
    let is_old = |file: &&str| {
        let found = tokens(&desk.read(file));
        let keys: Vec<_> = found.iter().map(|token| &token[3..11]).collect();
        assert!(
            keys == ["k/qSgp/F"] || keys == ["ok314Kuk"],
            "{file}: {keys:?}"
        );
        keys == ["k/qSgp/F"]
    };
    FILES.into_iter().filter(is_old).collect()
}

fn ls(desk: &Desk, paths: &[&str]) -> Run {
    desk.run(&[&["ls"], paths].concat(), b"")
}

fn assert_nothing_is_left(desk: &Desk, when: &str) {
    assert_eq!(desk.names_in("a"), ["r.yaml", "s.yaml"], "{when}");
    assert_eq!(desk.names_in("b"), ["web.yaml"], "{when}");
}

#[test]
fn of_rekey_at_any_point() {
    if !can_kill() {
        return;
    }
    let arguments = rekey();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (forward, back, mixed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |counter: &Cell<usize>| counter.set(counter.get() + 1);
    killing::at_each_call(&arguments, desk, |desk, when| {
        // Whichever of the files is looked at first, and by whom.
        let before = FILES.map(|file| desk.read(file));
        let first = FILES[forward.get() % FILES.len()];
        ls(desk, &[first]).expect_code(0);
        let after = FILES.map(|file| desk.read(file));
        ls(desk, &[]).expect_code(0);
        assert!(
            after == FILES.map(|file| desk.read(file)),
            "{when}: at once"
        );
        match old(desk).len() {
            0 => count(&forward),
            3 => count(&back),
            _ => panic!("{when}: {:?}", old(desk)),
        }
        if before != FILES.map(|file| desk.read(file)) {
            count(&mixed);
        }
        assert_nothing_is_left(desk, when);
    });
    assert!(
        forward.get() > 5 && back.get() > 10 && mixed.get() == 2,
        "{forward:?} {back:?} {mixed:?}"
    );
}

#[test]
fn of_grant_with_the_recipients_file() {
    if !can_kill() {
        return;
    }
    let made = Desk::with_recipients();
    made.set("s.yaml", "A", "first");
    made.set("t.yaml", "B", "second");
    let fresh = || {
        let desk = Desk::new();
        for name in made.names() {
            desk.write(&name, &made.read(&name));
        }
        desk
    };
    let alpha = key("alpha");
    let arguments = ["grant", "-i", &alpha, "gamma", "s.yaml"];
    let kills = killing::at_each_call(&arguments, fresh, |desk, when| {
        let run = desk.run(&["check"], b"").expect_code(0);
        assert!(run.text().contains("no problems"), "{when}: {}", run.text());
        let is_listed = desk.read("lithos-keys.yaml").contains("[prod, gamma]");
        let number = if is_listed { 3 } else { 2 };
        for file in ["s.yaml", "t.yaml"] {
            assert_eq!(tokens(&desk.read(file)).len(), number, "{when}: {file}");
        }
        assert_eq!(
            desk.names(),
            ["lithos-keys.yaml", "s.yaml", "t.yaml"],
            "{when}"
        );
    });
    assert!(kills > 15, "only {kills} points were seen");
}

#[test]
fn and_so_does_a_disk_that_fails() {
    if !can_kill() {
        return;
    }
    let arguments = rekey();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    for count in 1..=3 {
        let desk = desk();
        let output = killing::inject(
            &desk,
            &arguments,
            "rename",
            &format!("error=EIO:when={count}"),
        );
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(old(&desk), FILES);
        assert_nothing_is_left(&desk, "EIO");
        // One that goes on failing leaves what the next one needs.
        let output = killing::inject(
            &desk,
            &arguments,
            "rename",
            &format!("error=EIO:when={}+", count),
        );
        assert_eq!(output.status.code(), Some(1));
        let said = ls(&desk, &["b"]).expect_code(0).stderr;
        assert_eq!(said.contains("now it is done"), count > 1, "{said}");
        assert_eq!(old(&desk).len(), if count > 1 { 0 } else { 3 });
        assert_nothing_is_left(&desk, "EIO for good");
    }
}

#[test]
fn and_says_what_became_of_it() {
    if !can_kill() {
        return;
    }
    let desk = killed_at_rename(1);
    let said = ls(&desk, &["b"]).expect_code(0).stderr;
    assert_eq!(
        said,
        "note: the change of 3 files was interrupted: none of them is changed\n"
    );
    let desk = killed_at_rename(3);
    let said = ls(&desk, &["b"]).expect_code(0).stderr;
    assert_eq!(
        said,
        "note: the change of 3 files was interrupted: now it is done\n"
    );
}

#[test]
fn even_if_the_tree_was_moved() {
    if !can_kill() {
        return;
    }
    let desk = killed_at_rename(2);
    let moved = Desk::new();
    fs::rename(desk.path("a"), moved.path("a")).unwrap();
    fs::rename(desk.path("b"), moved.path("b")).unwrap();
    ls(&moved, &["b"]).expect_code(0);
    assert!(old(&moved).is_empty());
    assert_nothing_is_left(&moved, "moved");
}

#[test]
fn but_nothing_of_what_others_wrote_meanwhile() {
    if !can_kill() {
        return;
    }
    let desk = killed_at_rename(2);
    let before = seal("shop", b"put back");
    desk.write("a/s.yaml", &format!("S: {before}\n"));
    let run = ls(&desk, &["a"]).expect_code(1);
    assert!(
        run.stderr
            .contains("a/s.yaml` was changed by somebody else"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("changed already: `"), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("a/r.yaml`\nhint: all are left as they are"),
        "{}",
        run.stderr
    );
    assert_eq!(desk.read("a/s.yaml"), format!("S: {before}\n"));
    // Said once; then it is theirs.
    assert_nothing_is_left(&desk, "torn");
    assert_eq!(old(&desk), ["a/s.yaml", "b/web.yaml"]);
}

#[test]
fn and_none_if_all_were_put_back() {
    if !can_kill() {
        return;
    }
    let desk = desk();
    let before = desk.read(FILES[0]);
    let arguments = rekey();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    killing::inject(&desk, &arguments, "rename", "signal=KILL:when=2");
    assert_ne!(desk.read(FILES[0]), before);
    desk.write(FILES[0], &before);
    let said = ls(&desk, &[]).expect_code(0).stderr;
    assert!(said.contains("none of them is changed"), "{said}");
    assert_eq!(old(&desk), FILES);
    assert_nothing_is_left(&desk, "put back");
}

#[test]
fn and_a_note_that_came_with_a_repository_is_refused() {
    if !can_kill() {
        return;
    }
    let desk = killed_at_rename(2);
    let copy = Desk::new();
    for directory in ["a", "b"] {
        fs::create_dir(copy.path(directory)).unwrap();
        for name in desk.names_in(directory) {
            let name = format!("{directory}/{name}");
            fs::copy(desk.path(&name), copy.path(&name)).unwrap();
        }
    }
    let before = copy.names_in("a");
    for arguments in [
        &["ls"][..],
        &["check", "b/web.yaml"],
        &["rm", "a/r.yaml", "R"],
    ] {
        let run = copy.run(arguments, b"").expect_code(1);
        assert!(
            run.stderr.contains("it was not made in this place\nhint: "),
            "{}",
            run.stderr
        );
    }
    assert_eq!(copy.names_in("a"), before);
    for nonsense in ["", "lithos_crypt journal 1, inode 5\0see /etc\0"] {
        let desk = self::desk();
        desk.write("a/.lithos_crypt-journal", nonsense);
        ls(&desk, &[]).expect_code(1);
    }
}

#[test]
fn whoever_may_not_write_is_told() {
    if !can_kill() {
        return;
    }
    let desk = killed_at_rename(2);
    let output = killing::inject(&desk, &["ls"], "rename", "error=EROFS");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot finish the change of `"), "{said}");
    assert!(
        said.contains("hint: run this as somebody who may write there"),
        "{said}"
    );
    ls(&desk, &[]).expect_code(0);
    assert!(old(&desk).is_empty());
}

#[test]
fn and_who_is_still_at_work_is_waited_for() {
    if !can_kill() {
        return;
    }
    let desk = desk();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let arguments = rekey();
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            killing::inject(&desk, &arguments, "rename", "delay_enter=1500000:when=2")
        });
        let before = desk.read(FILES[0]);
        while desk.read(FILES[0]) == before {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let run = ls(&desk, &["b"]).expect_code(0);
        assert_eq!(run.stderr, "");
        assert!(old(&desk).is_empty());
        assert!(slow.join().unwrap().status.success());
    });
    assert_nothing_is_left(&desk, "slow");
}

#[test]
fn and_half_of_a_change_is_not_committed() {
    let Some(desk) = repository::repository().filter(|_| can_kill()) else {
        return;
    };
    desk.set("s.yaml", "A", "first");
    desk.set("t.yaml", "B", "second");
    repository::commit(&desk, "secrets");
    let arguments = ["grant", "-i", &key("alpha"), "gamma", "s.yaml"];
    killing::inject(&desk, &arguments, "rename", "signal=KILL:when=2");
    desk.call("git", &["add", "-u"]);
    let run = desk.run(&["check", "--staged"], b"").expect_code(1);
    assert!(
        run.stderr.contains("it was half of a change"),
        "{}",
        run.stderr
    );
    desk.call("git", &["add", "-u"]);
    desk.run(&["check", "--staged"], b"").expect_code(0);
    assert_eq!(
        desk.call("git", &["status", "--short"]),
        "M  lithos-keys.yaml\nM  s.yaml\nM  t.yaml\n"
    );
}
