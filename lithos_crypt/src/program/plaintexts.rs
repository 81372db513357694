//! A file's secrets as a text that people edit: values where a key opens them,
//! placeholders where none does.

use zeroize::Zeroizing;

use super::types;
use super::versions::{self, Texts};
use crate::document::{Document, Entry, Section};
use crate::{Allowed, Delivery, Label, Namespace, PrivateKey, SecretType, Token};

/// A secret as it is shown.
pub struct Shown {
    pub section: Section,
    pub name: String,
    /// The value, or what stands for it.
    pub text: Zeroizing<String>,
    /// The tokens that it was made of.
    pub tokens: Texts,
    /// What its value must be, if that is noted.
    pub kind: Option<SecretType>,
    /// Something is said of it beside its value.
    pub has_extras: bool,
    /// The namespaces of those that a key opens.
    pub namespaces: Vec<Namespace>,
    is_opened: bool,
}

impl Shown {
    /// The value if a key opens it and all its tokens say the same.
    pub fn of(entry: &Entry<'_>, keys: &[PrivateKey]) -> Shown {
        let texts = versions::texts(entry);
        let (value, namespaces) = opened(&texts, keys);
        Shown {
            section: entry.section().clone(),
            name: entry.name().to_owned(),
            is_opened: value.is_some(),
            text: value.unwrap_or_else(|| placeholder(&texts)),
            tokens: texts,
            kind: types::of_entry(entry).ok().flatten(),
            has_extras: entry.has_extras(),
            namespaces,
        }
    }

    /// The labels of its tokens.
    pub fn labels(&self) -> Vec<Label> {
        let tokens = self.tokens.iter();
        let tokens = tokens.filter_map(|text| text.parse::<Token>().ok());
        tokens.map(|token| token.label()).collect()
    }
}

/// The value, if it is a text and all tokens say the same, and the namespaces of
/// the tokens that are opened.
fn opened(texts: &Texts, keys: &[PrivateKey]) -> (Option<Zeroizing<String>>, Vec<Namespace>) {
    let (mut value, mut namespaces) = (None, Vec::<Namespace>::new());
    let tokens = texts.iter().map(|text| text.parse::<Token>().ok());
    let tokens: Vec<_> = tokens.collect();
    for token in tokens.iter().flatten() {
        let Ok(secret) = token.open(keys, Allowed::Any, Delivery::File) else {
            continue;
        };
        value = std::str::from_utf8(secret.expose())
            .ok()
            .map(|text| Zeroizing::new(text.to_owned()));
        if !namespaces.contains(secret.namespace()) {
            namespaces.push(secret.namespace().clone());
        }
    }
    let label = |token: &Option<Token>| token.as_ref().map(Token::label);
    let first = tokens.first().and_then(label);
    let is_whole = tokens.iter().map(label).all(|found| {
        found.zip(first).is_some_and(|(label, first)| {
            let mut known = namespaces.iter();
            label.secret == first.secret && known.any(|known| known.hash() == label.namespace)
        })
    });
    (value.filter(|_| is_whole), namespaces)
}

/// What stands for tokens that are not opened: their labels. Of a plaintext in
/// the wrong place nothing is shown.
fn placeholder(texts: &Texts) -> Zeroizing<String> {
    let label = |text: &String| match text.parse::<Token>() {
        Ok(token) => token.label().to_string(),
        Err(_) => "…".to_owned(),
    };
    let labels: Vec<_> = texts.iter().map(label).collect();
    Zeroizing::new(format!("<sealed {}>", labels.join(" ")))
}

/// Whether a text can only be a placeholder.
pub fn is_placeholder(text: &str) -> bool {
    text.starts_with("<sealed ") && text.ends_with('>')
}

/// The text to edit; `None` if it could not be read back exactly.
pub fn render(file: &str, secrets: &[Shown]) -> Option<Zeroizing<String>> {
    [true, false].into_iter().find_map(|with_blocks| {
        let text = render_as(file, secrets, with_blocks);
        let whole = secrets
            .iter()
            .all(|secret| secret.section == Section::Whole);
        let back = parse(text.as_bytes(), whole).ok()?;
        let same = |(shown, found): (&Shown, &Found)| {
            shown.section == found.section && shown.name == found.name && shown.text == found.text
        };
        (back.len() == secrets.len() && secrets.iter().zip(&back).all(same)).then_some(text)
    })
}

fn render_as(file: &str, secrets: &[Shown], with_blocks: bool) -> Zeroizing<String> {
    let mut text = Zeroizing::new(format!(
        "# The secrets of {}. What is changed is sealed anew, what is removed is\n\
         # removed, and lines can be added. <sealed …> stands for what no key opened.\n",
        file.replace(char::is_control, " ")
    ));
    let mut above: Vec<&str> = Vec::new();
    for secret in secrets {
        let path = secret.section.path();
        for (depth, key) in path.iter().enumerate() {
            if above.get(depth) != Some(key) {
                *text += &format!("{}{key}:\n", "  ".repeat(depth));
            }
        }
        let indent = "  ".repeat(path.len());
        above = path;
        *text += &format!("{indent}{}: ", name(&secret.name));
        let is_block = with_blocks && secret.is_opened;
        match block(&secret.text, &indent).filter(|_| is_block) {
            Some(block) => *text += &block,
            None if secret.is_opened => *text += &quoted(&secret.text),
            None => *text += &secret.text,
        }
        text.push('\n');
    }
    text
}

fn name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let begins_plain = name.starts_with(|c: char| c.is_ascii_alphanumeric() || "_/".contains(c));
    if begins_plain && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        quoted(name).to_string()
    }
}

/// Several lines as they are, below the name.
fn block(value: &str, indent: &str) -> Option<Zeroizing<String>> {
    let is_strange = |c: char| c != '\n' && is_escaped(c);
    let is_strange =
        value.contains(is_strange) || value.starts_with([' ', '\n']) || value.ends_with("\n\n");
    let lines = value.strip_suffix('\n').unwrap_or(value);
    if is_strange || !value.contains('\n') || lines.is_empty() {
        return None;
    }
    let mut text = Zeroizing::new(if value.ends_with('\n') { "|" } else { "|-" }.to_owned());
    for line in lines.split('\n') {
        text.push('\n');
        if !line.is_empty() {
            *text += indent;
            *text += "  ";
            *text += line;
        }
    }
    Some(text)
}

fn quoted(value: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * value.len() + 2));
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => *text += "\\n",
            '\t' => *text += "\\t",
            c if is_escaped(c) => *text += &format!("\\U{:08x}", u32::from(c)),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// What YAML does not take, or editors do not show.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A secret of the edited text.
pub struct Found {
    pub section: Section,
    pub name: String,
    pub text: Zeroizing<String>,
}

/// What the edited text says; why it cannot be taken, without any of it.
pub fn parse(bytes: &[u8], is_secrets_file: bool) -> Result<Vec<Found>, String> {
    let document = Document::parse(bytes.to_vec()).map_err(|cause| cause.to_string())?;
    let document = if is_secrets_file {
        document.as_secrets_file()
    } else {
        document
    };
    let mut found: Vec<Found> = Vec::new();
    for entry in document.entries() {
        let line = entry.place().line;
        let values = entry.values();
        let text = match &values[..] {
            [value] if entry.extra("value").is_none() => value.text,
            _ => None,
        };
        let text = text.ok_or_else(|| {
            format!("line {line}: no value in one piece stands there; \"\" is the empty one")
        })?;
        let secret = Found {
            section: entry.section().clone(),
            name: entry.name().to_owned(),
            text: Zeroizing::new(text.to_owned()),
        };
        let same = |known: &Found| known.name == secret.name && known.section == secret.section;
        if found.iter().any(same) {
            return Err(format!("line {line}: the name is there twice"));
        }
        found.push(secret);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(name: &str, section: Section, text: String) -> Shown {
        Shown {
            section,
            name: name.to_owned(),
            text: Zeroizing::new(text),
            tokens: Vec::new(),
            kind: None,
            has_extras: false,
            namespaces: vec![Namespace::default()],
            is_opened: true,
        }
    }

    proptest! {
        #[test]
        fn every_value_is_read_back_exactly(
            a in "\\PC*|(?s).*|([ -~]{0,9}\n){1,3}[ -~]{0,9}",
            b in "(?s).*",
        ) {
            let secrets = [
                shown("A", Section::Defaults(None), a.clone()),
                shown("/b.key", Section::Defaults(Some("files".to_owned())), b),
            ];
            prop_assert!(render("x.yaml", &secrets).is_some());
            let secrets = [shown("A", Section::Whole, a)];
            prop_assert!(render("x.yaml", &secrets).is_some());
        }
    }
}
