//! Configs that ask for what their sandbox does not allow, in every field.
//!
//! Each row is an entry of its own in one process config. `lithos_check` must
//! refuse it for the reason given, the supervisor must start none of them, and
//! its opposite, in a sandbox that allows it, must be without a problem.

use std::collections::BTreeSet;
use std::process::Command;

use super::asks::Allowed::{By, Instead};
use super::asks::{Ask, CLOSED, CONTAINER, HARMLESS, LOOSENINGS, PROCESS, Row, container, process};
use crate::ground::Ground;

/// One entry, as a process config and its container config.
struct Entry {
    name: String,
    ask: Ask,
}

impl Entry {
    fn lay(&self, ground: &Ground, tokens: &[String; 2]) -> String {
        let lines = self.ask.container.replace("{own-token}", &tokens[0]);
        let lines = lines.replace("{others-token}", &tokens[1]);
        ground.container_named(&self.name, &lines);
        let mut lines = self.ask.process.to_owned();
        if !lines.contains("image:") {
            lines += "\nimage: probe";
        }
        if !lines.contains("config:") {
            lines += &format!("\nconfig: /config/{}.yaml", self.name);
        }
        let lines = lines.trim().replace('\n', "\n  ");
        format!("{}:\n  {lines}\n", self.name)
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    CONTAINER.iter().chain(PROCESS)
}

/// The hostile ones, and what must be said of each.
fn hostile() -> Vec<(Entry, &'static str)> {
    let asks = rows().map(|row| (row.asks, row.refused));
    let keys = LOOSENINGS.iter().flat_map(|line| {
        [
            (container(line), "unknown key"),
            (process(line), "unknown key"),
        ]
    });
    let numbered = asks.chain(keys).enumerate();
    numbered
        .map(|(number, (ask, refused))| {
            let name = format!("hostile{number}");
            (Entry { name, ask }, refused)
        })
        .collect()
}

/// A ground with things to reach for.
fn ground() -> Option<(Ground, [String; 2])> {
    let ground = Ground::new()?;
    let tokens = ["own", "others"].map(|space| ground.seal("alpha", space, "hunter2"));
    ground.directory("host/read", 1000, 0o755);
    ground.directory("images/probe/run/secrets", 0, 0o755);
    let outside = ground.write("host/secrets.yaml", format!("A: {}\n", tokens[0]));
    ground.write(
        "images/probe/config/secrets.yaml",
        format!("A: {}\n", tokens[0]),
    );
    let link = |to: &std::path::Path, from: &str| {
        std::os::unix::fs::symlink(to, ground.path(from)).unwrap();
    };
    link(&outside, "images/probe/config/way-out.yaml");
    link(&ground.path("host"), "images/probe/way-out");
    link("/bin/sh".as_ref(), "images/probe/bin/way-out");
    link(&ground.path("host"), "host/read/way-out");
    Some((ground, tokens))
}

fn sandbox(ground: &Ground, name: &str, lines: &str) {
    let host = ground.path("host/read").display().to_string();
    let mut text = lines.replace("{host}", &host);
    for line in CLOSED.lines() {
        let (key, _) = line.split_once(':').unwrap();
        if !lines.contains(key) {
            text += &format!("\n{line}");
        }
    }
    ground.sandbox_named(
        name,
        &format!("{text}\nreadonly-paths: {{ /only-read: {host} }}"),
    );
}

/// What `lithos_check` says, a problem an item.
fn problems(ground: &Ground) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_lithos_check"))
        .arg("--config")
        .arg(ground.path("master.yaml"))
        .output()
        .unwrap();
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8(said).unwrap();
    said.split("\n\n").map(str::to_owned).collect()
}

#[test]
fn whatever_the_sandbox_does_not_allow_is_refused_in_every_field() {
    let Some((ground, tokens)) = ground() else {
        return;
    };
    sandbox(&ground, "shop", "");
    let hostile = hostile();
    let entries = hostile.iter().map(|(entry, _)| entry.lay(&ground, &tokens));
    let honest = "honest: { image: probe, config: /config/web.yaml }\n";
    ground.processes(&(entries.collect::<String>() + honest));
    ground.container("arguments: [report, sleep]");
    let problems = problems(&ground);
    for (Entry { name, ask }, refused) in &hostile {
        let marks = [
            format!("shop/{name}:"),
            format!("/{name}.yaml"),
            format!("shop/{name}."),
        ];
        let of_it = problems.iter().filter(|problem| {
            problem.trim_start().starts_with("error: ")
                && (marks.iter().any(|mark| problem.contains(mark))
                    || ask
                        .process
                        .lines()
                        .any(|line| !line.is_empty() && problem.contains(line)))
        });
        let of_it: Vec<_> = of_it.collect();
        assert!(
            of_it.iter().any(|problem| problem.contains(refused)),
            "nothing about `{refused}` for {:?}, {:?} in {of_it:#?} of {problems:#?}",
            ask.container,
            ask.process
        );
    }
    let tree = ground.start();
    tree.result("shop/honest.0", "report");
    let knots = ground.knots();
    assert_eq!(knots, [tree.knot("shop/honest.0")], "a hostile one runs");
}

#[test]
fn what_is_refused_is_allowed_where_the_sandbox_or_the_config_says_otherwise() {
    let Some((ground, tokens)) = ground() else {
        return;
    };
    sandbox(&ground, "shop", "");
    ground.processes("{}");
    for (number, row) in rows().enumerate() {
        let (lines, ask) = match row.allowed {
            By(lines) => (lines, row.asks),
            Instead(ask) => ("", ask),
        };
        let name = format!("open{number}");
        sandbox(&ground, &name, lines);
        let entry = Entry {
            name: name.clone(),
            ask,
        };
        let process = entry.lay(&ground, &tokens);
        ground.write(&format!("processes/{name}.yaml"), process);
    }
    let problems = problems(&ground);
    let errors: Vec<_> = problems
        .iter()
        .filter(|problem| problem.trim_start().starts_with("error: "))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The keys that a function of the readers asks for.
fn keys(source: &str, function: &str) -> BTreeSet<String> {
    let (_, rest) = source.split_once(function).expect("the reader is there");
    let (body, _) = rest.split_once("\n}\n").unwrap();
    let calls = ["map.or(", "map.optional(", "map.required(", "map.get("];
    let found = calls.iter().flat_map(|call| body.split(call).skip(1));
    found
        .map(|rest| {
            rest.trim_start()
                .trim_start_matches('"')
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn the_tables_have_every_field_that_there_is() {
    let container = include_str!("../../../src/config/container/reading.rs");
    let process = include_str!("../../../src/config/process.rs");
    for (source, function, table) in [
        (container, "fn container(", CONTAINER),
        (process, "fn process(", PROCESS),
    ] {
        let keys = keys(source, function);
        assert!(keys.len() >= 7, "{keys:?}");
        let rows = table.iter().map(|row| row.field);
        let mut known: BTreeSet<_> = rows.map(str::to_owned).collect();
        known.extend(HARMLESS.map(str::to_owned));
        let missing: Vec<_> = keys.difference(&known).collect();
        assert!(missing.is_empty(), "{missing:?} are not attacked");
    }
}
