//! SECURITY.md names tests: each of them is there.

use std::fs;
use std::path::Path;

/// The text of every source file below a directory.
fn sources(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(path).unwrap();
        }
    }
}

/// Whether this is a test, written as a function or in a table of attempts.
fn is_test(name: &str, sources: &str) -> bool {
    let function = format!("fn {name}(");
    let attempt = format!("    {name}:");
    sources.contains(&function) || sources.lines().any(|line| line.starts_with(&attempt))
}

/// The last column of the table of holes.
fn named(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.contains("CVE-"));
    rows.map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap())
        .map(|cell| cell.trim().trim_matches('`'))
        .collect()
}

#[test]
fn every_test_that_security_md_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut found = String::new();
    for directory in ["src", "tests", "lithos_crypt"] {
        sources(&root.join(directory), &mut found);
    }
    let named = named(&text);
    assert!(named.len() >= 20, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !is_test(name, &found)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!is_test("a_test_that_nobody_has_written", &found));
}
