//! Whatever the text, reading it ends soon: with a value or with an error.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use super::{source, told};
use crate::config::container::{read_container, read_secrets_file};
use crate::config::file::MAX_SIZE;
use crate::config::master::read_master;
use crate::config::process::read_processes;
use crate::config::sandbox::read_sandbox;
use crate::problem::Problem;

/// Processor time of this thread, which does not grow with what else runs.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// Reads and renders, and checks that it took little time. The tests run
/// without optimisation, so this is far above what it takes.
fn soon(text: &str) -> Vec<Problem> {
    let start = spent();
    let (_, problems) = read_container(&source(text));
    for problem in &problems {
        problem.render(false);
    }
    let took = spent() - start;
    let begin: String = text.chars().take(40).collect();
    assert!(took < Duration::from_secs(20), "{took:?} for {begin:?}");
    problems
}

#[test]
fn refuses_aliases_that_multiply() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for n in 1..20 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(laughs, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    let problems = soon(&format!("metadata:\n  x: 1\n{laughs}"));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("aliases"), "{}", problems[0]);
}

#[test]
fn refuses_a_large_text_that_is_repeated() {
    let text = format!(
        "metadata:\n - &x {}\n - [{}]\n",
        "y".repeat(300_000),
        "*x, ".repeat(1000)
    );
    assert!(soon(&text)[0].message.contains("aliases"));
}

#[test]
fn refuses_an_alias_within_itself() {
    assert_eq!(soon("metadata: &a [*a]\n").len(), 1);
    assert_eq!(soon("metadata: &a { b: *a }\n").len(), 1);
}

#[test]
fn refuses_deep_nesting() {
    let flow = format!("metadata: {}{}", "[".repeat(500), "]".repeat(500));
    assert!(soon(&flow)[0].message.contains("nested"));
    let mut block = String::new();
    for depth in 0..200 {
        writeln!(block, "{}a:", " ".repeat(depth)).unwrap();
    }
    assert!(soon(&block)[0].message.contains("nested"));
    assert_eq!(soon(&format!("metadata: {}x", "- ".repeat(200))).len(), 1);
}

#[test]
fn reads_anything_repeated_soon() {
    for unit in [
        "[a,",
        "{a: ",
        "- a\n",
        "\"",
        "'",
        "a: ",
        "&a ",
        "*a ",
        "!a ",
        "|\n",
        "# \n",
        "\n",
        " ",
        "\t",
        "a",
        ",",
        "%a\n",
        "---\n",
        "[] ",
        "a: &a [*a]\n",
        "\\",
        "\u{2028}",
        "é",
        "[\"]\", ",
        "- [\n",
        "a: [\n",
    ] {
        soon(&unit.repeat((64 << 10) / unit.len()));
    }
}

#[test]
fn reads_a_mebibyte_of_what_is_slow_to_parse_soon() {
    let size = MAX_SIZE as usize;
    for unit in ["[", "{", "- ", "? ", "%TAG ! a\n", "a:\n", "x0: {}\n"] {
        soon(&unit.repeat(size / unit.len()));
    }
    // a quarter of what is let through to the parser
    let open = format!(
        "metadata: {}{}",
        "[".repeat(128),
        "a,".repeat(size / 2 - 100)
    );
    assert!(soon(&open)[0].message.contains("nested"));
    let open = format!(
        "metadata: {}{}",
        "[".repeat(600),
        "a,".repeat(size / 2 - 400)
    );
    assert!(soon(&open)[0].message.contains("too many"));
}

#[test]
fn shows_what_is_deep_below_a_secret_soon() {
    let (open, close) = ("{a: ".repeat(55), "}".repeat(55));
    let mut deep = String::new();
    for n in 0..10 {
        write!(deep, ", y{n}: {open}{{d: 1, d: 1}}{close}").unwrap();
    }
    let items = "aa, ".repeat(25_000);
    let text = format!("secret-environ: {{}}\nmetadata: {{z: [{items}]\n {deep}}}\n");
    assert!(soon(&text).len() > 10);
}

#[test]
fn says_what_there_is_too_much_of() {
    let plain = format!("metadata: [{}]", "1,".repeat(400_000));
    assert!(soon(&plain)[0].message.contains("too many values"));
}

#[test]
fn tells_a_bounded_number_of_problems() {
    let mut many = String::new();
    for n in 0..60_000 {
        writeln!(many, "unknown-{n}: 1").unwrap();
    }
    let problems = soon(&many);
    assert!(problems.len() < 20);
    assert!(problems.last().unwrap().message.contains("more problems"));
}

#[test]
fn tells_every_problem_of_a_usual_document() {
    let problems = soon("executable: x\nmemory-limit: lots\nuser-id: -1\nfoo: 1\n");
    assert_eq!(problems.len(), 4);
}

proptest! {
    #[test]
    fn any_text_is_a_document_or_an_error(text in "\\PC{0,40}|[ a-z:\\-\\[\\]{}\"'&*!|>#%@`,?\n\t]{0,60}") {
        told_by_all(&text);
    }

    #[test]
    fn any_yaml_like_text_is_a_document_or_an_error(
        lines in prop::collection::vec(
            "( {0,4}|- )(executable|volumes|secret-environ|uid-map|tcp-ports|variables|environ|web|image|A|limits|8080)(: |:|)(!Tmpfs |!Choice |&a |\\*a|)(\\{|\\[|\"|'|)[a-z0-9/.-]{0,6}(\\}|\\]|\"|'|)",
            0..8,
        ),
    ) {
        told_by_all(&lines.join("\n"));
    }
}

fn told_by_all(text: &str) {
    let source = source(text);
    told(read_master(&source));
    told(read_sandbox(&source));
    told(read_container(&source));
    told(read_secrets_file(&source));
    let (_, problems) = read_processes(&source);
    for problem in problems {
        problem.render(false);
    }
}
