//! Warnings of values that are probably not what was meant, or not safe.

use zxcvbn::matching::Match;
use zxcvbn::matching::patterns::MatchPattern;

use super::report;
use crate::{SAFE_GUESS_BITS, Token, guess_bits};

/// Warns of what can be seen at once, and, if `thorough`, of what `zxcvbn`
/// finds: it knows more words, and takes some milliseconds.
pub fn warn(value: &[u8], thorough: bool) {
    if let Some(text) = of_form(value) {
        return report::warning(text);
    }
    if value.last() == Some(&b'\r') {
        report::warning("the value ends in a carriage return");
    }
    let bits = if thorough {
        thorough_bits(value)
    } else {
        guess_bits(value)
    };
    if bits < SAFE_GUESS_BITS {
        report::warning(format_args!(
            "the value can be guessed from the token, \
             with about 2^{bits} tries, where 2^{SAFE_GUESS_BITS} would be safe",
        ));
        report::hint("`lithos_crypt set … --generate 24` makes a value that cannot be guessed");
    }
}

fn of_form(value: &[u8]) -> Option<&'static str> {
    if value.is_empty() {
        return Some("the value is empty");
    }
    let text = std::str::from_utf8(value).ok()?;
    text.trim()
        .parse::<Token>()
        .is_ok()
        .then_some("the value is itself a token")
}

/// The lower of both estimates, as a power of two.
pub fn thorough_bits(value: &[u8]) -> u32 {
    let cheap = guess_bits(value);
    // Longer values are estimated by their first part, and texts in several
    // lines are keys or certificates, of which it knows nothing.
    let text = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.len() <= 100);
    match text {
        Some(text) => {
            let parts = zxcvbn::zxcvbn(text, &[]);
            let bits = parts.sequence().iter().map(part_bits).sum::<f64>();
            cheap.min(bits as u32)
        }
        None => cheap,
    }
}

/// Of what it knows nothing, `zxcvbn` takes each character for one of ten, so a
/// value made at random would have to be twice as long.
fn part_bits(part: &Match) -> f64 {
    match (&part.pattern, part.guesses) {
        (MatchPattern::BruteForce, _) | (_, None) => f64::from(guess_bits(part.token.as_bytes())),
        (_, Some(guesses)) => (guesses.max(1) as f64).log2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_random_are_not_doubted_and_words_are_known() {
        for value in [
            "mGv7Qk2xWz9LrTb4",
            "uzsptnwnqkrjxqvd",
            "9f86d081884c7d659a2feaa0c55ad015",
        ] {
            assert!(
                thorough_bits(value.as_bytes()) >= SAFE_GUESS_BITS,
                "{value}"
            );
        }
        for value in [
            "hunter2",
            "Tr0ub4dour&3",
            "zebra!dynamite!porcupine",
            "qwertzuiop1990-05-06",
        ] {
            assert!(thorough_bits(value.as_bytes()) < SAFE_GUESS_BITS, "{value}");
        }
    }
}
