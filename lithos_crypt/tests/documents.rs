//! Changing secrets in random configs: what is not meant stays, byte by byte.

use lithos_crypt::document::{Change, Document, Section};
use proptest::prelude::*;

/// A token by its number; the box is not opened here.
fn token(number: u8) -> String {
    let sealed = "MV2ZlhsX61yvOSRzqQ/EE6u5Uvts8yFGdqj54DbUIEbi7PTPRMXnFg5ycNyLvPHQCt/HXvnujA==";
    format!(
        "v2:k/qSgp/F:cUBqq0X{}:vmA62CsX:{sealed}",
        char::from(b'A' + number % 26)
    )
}

/// What may stand under a name, from its colon to the end of its last line, at an
/// indent of two.
fn value() -> impl Strategy<Value = String> {
    let comment = prop_oneof![Just(""), Just(" # it's \"mine\""), Just("   ")];
    let one = (0u8..26, 0..3usize, comment.clone()).prop_map(|(number, quote, comment)| {
        let quote = ["", "'", "\""][quote];
        format!("{quote}{}{quote}{comment}", token(number))
    });
    let flow = (0u8..26, 0u8..26, comment.clone())
        .prop_map(|(a, b, comment)| format!("[{}, \"{}\"]{comment}", token(a), token(b)));
    let block = (one.clone(), one.clone(), 0..2usize, comment).prop_map(|(a, b, deep, comment)| {
        let indent = ["  ", "      "][deep];
        format!("{comment}\n{indent}- {a}\n{indent}# between\n{indent}- {b}")
    });
    let plain = prop_oneof![
        one.clone().prop_map(|one| format!(" {one}")),
        flow.clone().prop_map(|flow| format!(" {flow}")),
        block,
    ];
    let map = (one, 0..2).prop_map(|(one, order)| match order {
        0 => format!("\n    value: {one}\n    expires: 2030-01-01 # a day"),
        _ => format!("\n    description: 'of \"x\"'\n\n    value: {one}"),
    });
    let flow_map = flow.prop_map(|flow| {
        let flow = flow.trim_end();
        let (list, comment) = flow.split_once(']').unwrap_or((flow, ""));
        format!(" {{ type: text, value: {list}] }}{comment}")
    });
    prop_oneof![plain, map, flow_map]
}

/// A config with A, B and C somewhere, and what else configs have.
fn config() -> impl Strategy<Value = (Vec<String>, String)> {
    let entries = proptest::collection::vec(value(), 3);
    let between = prop_oneof![Just(""), Just("\n"), Just("  # about the next\n")];
    let tail = prop_oneof![
        Just(""),
        Just("\n# end"),
        Just("volumes: { /a: !Readonly /b }\n"),
        Just("x: |\n  A: v2\n")
    ];
    (entries, between, tail, any::<bool>(), any::<bool>()).prop_map(
        |(entries, between, tail, crlf, bom)| {
            let names = ["A", "B", "C"].iter().zip(entries);
            let parts: Vec<_> = names
                .map(|(name, value)| format!("  {name}:{value}\n"))
                .collect();
            let head = if bom {
                "\u{feff}executable: /x\n"
            } else {
                "# ours\nexecutable: \"/x\" # é\n"
            };
            let text = format!(
                "{head}secret-environ: # all\n{between}{}{tail}",
                parts.join(between)
            );
            let ends = |text: &str| {
                if crlf {
                    text.replace('\n', "\r\n")
                } else {
                    text.to_owned()
                }
            };
            (parts.iter().map(|part| ends(part)).collect(), ends(&text))
        },
    )
}

fn change(name: &str, tokens: &[String]) -> Change {
    Change {
        section: Section::Environ,
        name: name.to_owned(),
        tokens: tokens.to_vec(),
    }
}

fn found(document: &Document, name: &str) -> Vec<String> {
    let entries = document.named(name);
    let values = entries.iter().flat_map(|entry| entry.values());
    values
        .map(|value| value.text.unwrap_or_default().to_owned())
        .collect()
}

proptest! {
    #[test]
    fn a_changed_secret_leaves_all_else(
        (parts, text) in config(), which in 0..3usize, tokens in proptest::collection::vec(0u8..26, 1..3),
    ) {
        let tokens: Vec<_> = tokens.into_iter().map(token).collect();
        let name = ["A", "B", "C"][which];
        let old = Document::parse(text.clone().into_bytes()).unwrap();
        let new = old.edited(&[change(name, &tokens)]).unwrap();
        let (before, after) = text.split_once(&parts[which][..]).unwrap();
        prop_assert!(new.text().starts_with(before), "{}", new.text());
        prop_assert!(new.text().ends_with(after), "{}", new.text());
        prop_assert_eq!(found(&new, name), tokens);
        let comments = |text: &str| text.matches(" # it's \"mine\"").count();
        let part = &new.text()[before.len()..new.text().len() - after.len()];
        prop_assert!(part.ends_with('\n'));
        // A list of two that becomes one may lose the second's comment, and no other.
        prop_assert!(comments(part) + 1 >= comments(&parts[which]), "{}", part);
        prop_assert_eq!(part.contains("expires"), parts[which].contains("expires"));
    }

    #[test]
    fn a_removed_secret_takes_its_lines_with_it((parts, text) in config(), which in 0..3usize) {
        let name = ["A", "B", "C"][which];
        let old = Document::parse(text.clone().into_bytes()).unwrap();
        let new = old.edited(&[change(name, &[])]).unwrap();
        prop_assert_eq!(new.text(), text.replacen(&parts[which][..], "", 1));
    }

    #[test]
    fn a_new_secret_is_a_line_more((_, text) in config(), number in 0u8..26) {
        let old = Document::parse(text.clone().into_bytes()).unwrap();
        let new = old.edited(&[change("NEW", &[token(number)])]).unwrap();
        let newline = if text.contains('\r') { "\r\n" } else { "\n" };
        let line = format!("  NEW: {}{newline}", token(number));
        prop_assert_eq!(new.text().replacen(&line, "", 1), text);
    }

    /// Whatever a file is: it is changed as it was meant or refused.
    #[test]
    fn of_any_text_nothing_is_lost(text in "(secret-environ|A|B| |  |:|: |-|- |\n|\r\n|#|'|\"|&a|\\*a|!t|\\[|\\]|\\{|\\}|,|\\||>|v2:a:b:c:d|~|\t|é){0,24}") {
        let Ok(old) = Document::parse(text.clone().into_bytes()) else {
            return Ok(());
        };
        for tokens in [&[][..], &[token(1)], &[token(1), token(2)]] {
            if let Ok(new) = old.edited(&[change("A", tokens)]) {
                prop_assert_eq!(found(&new, "A"), tokens.to_vec());
                prop_assert_eq!(found(&new, "B"), found(&old, "B"));
                let comments = |text: &str| text.matches('#').count();
                prop_assert!(tokens.is_empty() || comments(new.text()) >= comments(&text), "{text:?} {}", new.text());
            }
        }
    }
}
