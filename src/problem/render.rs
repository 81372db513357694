//! A problem for a terminal: the message, the line it is about, the hint.

use std::env;
use std::ffi::OsStr;
use std::io::IsTerminal;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::redact::{self, Shown};
use super::{Problem, Severity, legible};

pub(super) fn render(problem: &Problem, colour: bool) -> String {
    let message = legible(&problem.message, 4096);
    let title = match problem.subject.is_empty() {
        true => message,
        false => format!("{}: {message}", legible(&problem.subject, 1024)),
    };
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(title));
    if let Some(source) = &problem.source {
        let path = legible(&source.path.to_string_lossy(), 4096);
        group = match problem.position() {
            None => group.element(Origin::path(path)),
            Some((line, column)) => {
                let Shown { text, mark } = redact::line(source, &problem.place, (line, column));
                let as_in_file = text[..mark.start].chars().count() + 1 == column;
                let snippet = Snippet::source(text)
                    .line_start(line)
                    .annotation(AnnotationKind::Primary.span(mark));
                match as_in_file {
                    true => group.element(snippet.path(path)),
                    false => group
                        .element(Origin::path(path).line(line).char_column(column))
                        .element(snippet),
                }
            }
        };
    }
    if let Some(hint) = &problem.hint {
        let hint = legible(hint, 1024);
        group = group.element(Level::HELP.with_name("hint").message(hint));
    }
    let renderer = match colour {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// Whether problems are shown in colour there: on a terminal that knows colours,
/// unless `NO_COLOR` says otherwise.
pub fn in_colour(stream: &impl IsTerminal) -> bool {
    let (no_color, term) = (env::var_os("NO_COLOR"), env::var_os("TERM"));
    stream.is_terminal() && allows_colour(no_color.as_deref(), term.as_deref())
}

fn allows_colour(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && term != Some(OsStr::new("dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_a_dumb_terminal_turn_colours_off() {
        let allowed = |no_color: Option<&str>, term: &str| {
            allows_colour(no_color.map(OsStr::new), Some(OsStr::new(term)))
        };
        assert!(allowed(None, "xterm"));
        assert!(allowed(Some(""), "xterm"));
        assert!(!allowed(Some("1"), "xterm"));
        assert!(!allowed(None, "dumb"));
    }
}
