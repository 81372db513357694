use crate::repository::{merge, repository};
use crate::support::seal;

/// A container config in which `A`, `B` and so on after `<` are tokens.
struct Config {
    tokens: Vec<String>,
}

impl Config {
    fn new() -> Config {
        let tokens = (b'A'..=b'F').map(|value| seal("", &[value])).collect();
        Config { tokens }
    }

    fn text(&self, short: &str) -> String {
        let letters = ('A'..='F').map(|letter| format!("<{letter}"));
        let mut text = format!("executable: /x\nsecret-environ:\n{short}");
        for (letter, token) in letters.zip(&self.tokens) {
            text = text.replace(&letter, token);
        }
        text
    }

    /// The exit code of a merge, and what comes of it.
    #[track_caller]
    fn merge(&self, versions: [&str; 3]) -> Option<(i32, String)> {
        let desk = repository()?;
        let [base, ours, theirs] = versions.map(|version| self.text(version));
        Some(merge(&desk, [&base, &ours, &theirs]))
    }

    #[track_caller]
    fn merges(&self, versions: [&str; 3], expected: &str) {
        for versions in [versions, [versions[0], versions[2], versions[1]]] {
            let Some((code, text)) = self.merge(versions) else {
                return;
            };
            assert_eq!(code, 0, "{text}");
            // Which side's secrets come first depends on which is ours.
            assert_eq!(sorted(&text), sorted(&self.text(expected)), "{text}");
        }
    }

    /// Nothing of either side goes, and somebody must decide.
    #[track_caller]
    fn conflicts(&self, versions: [&str; 3]) {
        for versions in [versions, [versions[0], versions[2], versions[1]]] {
            let Some((code, text)) = self.merge(versions) else {
                return;
            };
            assert!(code == 1 && text.contains("<<<<<<< ours\n"), "{text}");
            for line in [versions[1], versions[2]].map(|version| self.text(version)) {
                assert!(line.lines().all(|line| text.contains(line)), "{text}");
            }
        }
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_one_side_added_comes_with_all_that_is_said_of_it() {
    let added = "  A: <A\n  PW: { value: <B, transform: yescrypt, type: password } # ask Ben\nsecret-files:\n  k: { value: <C, user: 33, mode: 0o440 }\n";
    Config::new().merges(
        ["  A: <A\n", "  A: <D\n", added],
        &added.replace("<A", "<D"),
    );
}

#[test]
fn what_both_sides_added_in_one_place_too() {
    let config = Config::new();
    config.merges(
        [
            "  A: <A\n",
            "  A: <A\n  B: { value: <B, type: password, expires: 2027-01-31 } # ask Ada\n",
            "  A: <A\n  C:\n    value:\n      - <C # one\n      - <D # two\n    description: of Ben's\n",
        ],
        "  A: <A\n  B: { value: <B, type: password, expires: 2027-01-31 } # ask Ada\n  C:\n    value:\n      - <C # one\n      - <D # two\n    description: of Ben's\n",
    );
    config.merges(
        [
            "  A: <A\n",
            "  A: <A\nsecret-files:\n  k: { value: <B, user: 33 }\n",
            "  A: <A\nsecret-files:\n  l: { value: <C, user: 34 }\n",
        ],
        "  A: <A\nsecret-files:\n  k: { value: <B, user: 33 }\n  l: { value: <C, user: 34 }\n",
    );
}

#[test]
fn what_one_side_says_and_the_other_seals_comes_together() {
    let config = Config::new();
    config.merges(
        [
            "  A: { value: <A, type: text }\n  B: <B\n",
            "  A: { value: <C, type: text }\n  B: <B\n",
            "  A: { value: <A, type: password, group: 33 } # new\n  B: <B # old\n",
        ],
        "  A: { value: <C, type: password, group: 33 } # new\n  B: <B # old\n",
    );
    config.merges(
        [
            "  A: <A # why\n  B: <B\n",
            "  A: <A\n  B: <B\n",
            "  A: <C # why\n  B: <B\n",
        ],
        "  A: <C\n  B: <B\n",
    );
}

#[test]
fn what_cannot_be_kept_whole_is_a_conflict() {
    let config = Config::new();
    for versions in [
        // Removed here, and spoken of there.
        [
            "  A: <A\n  B: <B\n",
            "  A: <A\n",
            "  A: <A\n  B: <B # why\n",
        ],
        // A comment that would stay behind.
        [
            "  A: <A\n",
            "  A: <A\n  # b\n  B: <B\n",
            "  A: <A\n  # c\n  C: <C\n",
        ],
        // Lines that would stand elsewhere.
        [
            "  A: <A\n",
            "  A: <A\nsecret-files:\n    k:\n        value: <B\n        user: 33\n",
            "  A: <A\nsecret-files:\n  l:\n    value: <C\n    user: 34\n",
        ],
        // Two opinions.
        [
            "  A: { value: <A }\n",
            "  A: { value: <A, type: text }\n",
            "  A: { value: <A, type: binary }\n",
        ],
        [
            "  A:\n    value: <A\n    user: 1\n    group: 2\n    mode: 3\n",
            "  A:\n    type: text\n    value: <A\n    user: 1\n    group: 2\n    mode: 3\n",
            "  A:\n    value: <A\n    user: 1\n    group: 2\n    mode: 3\n    type: binary\n",
        ],
    ] {
        config.conflicts(versions);
    }
}

#[test]
fn a_conflict_shows_all_that_is_said() {
    let config = Config::new();
    config.conflicts([
        "  A: <A\n  B: { value: <B, type: text } # why\n",
        "  A: <A\n",
        "  A: <A\n  B: { value: <C, type: text } # why\n",
    ]);
}
