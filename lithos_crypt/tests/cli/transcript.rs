//! What a page shows of a terminal: who typed what, and what came of it.

/// One command and what it printed.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// Who typed it, before the prompt's sign.
    pub who: String,
    /// Several lines, if those after the first begin with `> `.
    pub command: String,
    pub output: Vec<String>,
    /// The page's line that it begins in, from 0.
    pub line: usize,
}

/// The steps of all `console` blocks of a page whose prompts name one of `users`.
pub fn steps(page: &str, users: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut is_inside, mut is_typed) = (false, false);
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            is_inside = line == "```console";
            is_typed = false;
        } else if let Some((who, command)) = prompt(line, users).filter(|_| is_inside) {
            steps.push(Step {
                who: who.to_owned(),
                command: command.to_owned(),
                output: Vec::new(),
                line: number,
            });
            is_typed = true;
        } else if let Some(step) = steps.last_mut().filter(|_| is_inside) {
            match line.strip_prefix("> ").filter(|_| is_typed) {
                Some(more) => step.command += &format!("\n{more}"),
                None => {
                    is_typed = false;
                    step.output.push(line.to_owned());
                }
            }
        }
    }
    steps
}

fn prompt<'a>(line: &'a str, users: &[&str]) -> Option<(&'a str, &'a str)> {
    let (who, command) = line.split_once("$ ")?;
    users.contains(&who).then_some((who, command))
}

/// Whether a line is what the page shows, but for what is another at each run:
/// hashes, commits, dates, and what `…` stands for. `known` makes sure that the
/// same hash of the page is always the same one of the run.
pub fn matches(shown: &str, real: &str, known: &mut Vec<(String, String)>) -> bool {
    let (mut shown, mut real) = (shown.trim_end(), real.trim_end());
    while !shown.is_empty() {
        if let Some(rest) = shown.strip_prefix('…') {
            let sealed = real.find(|c| !is_base64(c)).unwrap_or(real.len());
            real = real.strip_prefix('…').unwrap_or(&real[sealed..]);
            shown = rest;
            continue;
        }
        let word = word(shown);
        let Some((found, rest)) = real.split_at_checked(word.len()) else {
            return false;
        };
        if is_random(word) {
            if !found
                .bytes()
                .zip(word.bytes())
                .all(|(a, b)| same_kind(a, b, word))
            {
                return false;
            }
            let pairs = known.iter().find(|(a, b)| a == word || b == found);
            match pairs {
                Some((a, b)) if a != word || b != found => return false,
                Some(_) => {}
                None => known.push((word.to_owned(), found.to_owned())),
            }
        } else if found != word {
            return false;
        }
        (shown, real) = (&shown[word.len()..], rest);
    }
    real.is_empty()
}

/// The longest beginning that is of one kind.
fn word(text: &str) -> &str {
    let is_of_hash = |c: char| is_base64(c) && c != '=';
    let is_date = |c: char| c.is_ascii_digit() || c == '-';
    let length = |is_part: &dyn Fn(char) -> bool| text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (of_date, of_hash) = (length(&is_date), length(&is_of_hash));
    let first = text.chars().next().map_or(0, char::len_utf8);
    &text[..if of_date == 10 {
        of_date
    } else {
        of_hash.max(first)
    }]
}

fn is_random(word: &str) -> bool {
    let has = |is_part: fn(&char) -> bool| word.chars().filter(is_part).count();
    let (small, large) = (has(char::is_ascii_lowercase), has(char::is_ascii_uppercase));
    let digits = has(char::is_ascii_digit);
    match word.len() {
        7 | 12 => word.bytes().all(|b| b.is_ascii_hexdigit()) && digits > 0,
        8 => word.len() - small > 1 && word.len() - large > 1,
        10 => word.as_bytes()[4] == b'-' && digits == 8,
        _ => false,
    }
}

fn same_kind(found: u8, shown: u8, word: &str) -> bool {
    match word.len() {
        10 => {
            found.is_ascii_digit() == shown.is_ascii_digit() && (found == b'-') == (shown == b'-')
        }
        8 => is_base64(char::from(found)),
        _ => found.is_ascii_hexdigit(),
    }
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}

#[test]
fn only_what_is_random_may_differ() {
    let one = |shown: &str, real: &str| matches(shown, real, &mut Vec::new());
    assert!(one("A Ab3defgh:i4kL4SF3 web1", "A 00000000:zzzzzzzz web1"));
    assert!(one("v2:Ab3defgh:…", "v2:zzzzzzzz:+/ab=="));
    assert!(one("`set … -g`", "`set … -g`"));
    assert!(one(
        "index a14a2d7..a315876 100644",
        "index 0000000..fffffff 100644"
    ));
    assert!(one("2026-11-28  Ada", "2030-01-01  Ada"));
    for (shown, real) in [
        ("required", "demanded"),
        ("PASSWORD", "PASSWORT"),
        ("Ab3defgh x", "Ab3defgh y"),
        ("Ab3defgh", "Ab3defg"),
        ("Ab3defgh", "Ab3defgh "[..8].trim_end_matches('h')),
        ("2 secrets", "3 secrets"),
        ("x", "x y"),
        ("x y", "x"),
        ("Ab3defgh:Ab3defgh", "00000000:11111111"),
        ("Ab3defgh:i4kL4SF3", "00000000:00000000"),
        ("2026-11-28", "2026-11-2x"),
    ] {
        assert!(!one(shown, real), "{shown}: {real}");
    }
}
