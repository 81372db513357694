//! A cheap estimate of how hard a secret is to guess.
//!
//! A token's third column is a fast hash of the secret, and tokens are made to
//! be published: whoever guesses a weak secret can tell that the guess is
//! right. This warns of the obvious cases in microseconds. It is no proof of
//! strength: a famous quotation passes.

/// Below this, a secret can be guessed from its published hash: 2^64 guesses
/// take a graphics card (about 2^33 a second) 68 years.
pub const SAFE_GUESS_BITS: u32 = 64;

/// Words that begin many passwords; each is worth [`WORD_BITS`].
const COMMON: &[&str] = &[
    "abc",
    "access",
    "admin",
    "apple",
    "asdf",
    "asdfgh",
    "azerty",
    "baseball",
    "batman",
    "change",
    "changeme",
    "database",
    "default",
    "demo",
    "docker",
    "dragon",
    "example",
    "foo",
    "foobar",
    "football",
    "geheim",
    "guest",
    "hallo",
    "hello",
    "hunter",
    "iloveyou",
    "key",
    "letmein",
    "login",
    "love",
    "master",
    "monkey",
    "mysql",
    "oracle",
    "pass",
    "passwd",
    "password",
    "passwort",
    "postgres",
    "princess",
    "qwerty",
    "qwertz",
    "qwertyuiop",
    "redis",
    "root",
    "schatz",
    "secret",
    "server",
    "shadow",
    "spring",
    "summer",
    "sunshine",
    "superman",
    "temp",
    "test",
    "the",
    "token",
    "trustno",
    "user",
    "welcome",
    "winter",
    "autumn",
    "yxcv",
    "zxcv",
];

/// About a thousand common words, with a capital here or there.
const WORD_BITS: f64 = 10.0;
/// One letter of a word in some language.
const WORD_LETTER_BITS: f64 = 2.0;
/// One punctuation mark or space between two runs of letters.
const SEPARATOR_BITS: f64 = 3.0;
/// One character that continues a repetition or a sequence.
const FOLLOWING_BITS: f64 = 0.5;

/// Roughly how many guesses find this secret, as a power of two.
///
/// ```
/// use lithos_crypt::{SAFE_GUESS_BITS, guess_bits};
/// assert!(guess_bits(b"P@ssw0rd123!") < SAFE_GUESS_BITS);
/// assert!(guess_bits(b"mGv7Qk2xWz9LrTb4") >= SAFE_GUESS_BITS);
/// ```
pub fn guess_bits(secret: &[u8]) -> u32 {
    // Long values are safe or hopeless by their first part already.
    let secret = &secret[..secret.len().min(512)];
    let secret = password_of_url(secret).unwrap_or(secret);
    let period = period(secret);
    let bits = decorated_word_bits(period).unwrap_or_else(|| mixed_bits(period));
    let repeats = secret.len().checked_div(period.len()).unwrap_or(1);
    (bits + (repeats as f64).log2()) as u32
}

/// The password in `scheme://user:password@host…`; the rest is easily known.
fn password_of_url(secret: &[u8]) -> Option<&[u8]> {
    let start = secret.windows(3).position(|window| window == b"://")? + 3;
    let authority = secret[start..].split(|byte| *byte == b'/').next()?;
    let end = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..end].iter().position(|byte| *byte == b':')?;
    Some(&authority[colon + 1..end])
}

/// The shortest start whose repetition makes up the whole.
fn period(secret: &[u8]) -> &[u8] {
    let repeats = |length: usize| secret.iter().zip(&secret[length..]).all(|(a, b)| a == b);
    let length = (1..=secret.len() / 2).find(|length| repeats(*length));
    &secret[..length.unwrap_or(secret.len())]
}

/// The bits of a common word in leet spelling with something around it.
fn decorated_word_bits(secret: &[u8]) -> Option<f64> {
    let plain: String = secret.iter().copied().map(unleet).collect();
    let found = COMMON
        .iter()
        .filter(|word| word.len() >= 4 && plain.contains(**word));
    let word = found.max_by_key(|word| word.len())?;
    let around = secret.len() - word.len();
    (around <= 6).then_some(WORD_BITS + 3.0 * around as f64)
}

fn unleet(byte: u8) -> char {
    match byte {
        b'0' => 'o',
        b'1' | b'!' => 'i',
        b'3' => 'e',
        b'4' | b'@' => 'a',
        b'5' | b'$' => 's',
        b'7' => 't',
        _ => char::from(byte.to_ascii_lowercase()),
    }
}

/// The bits of a mixture of words, numbers, and characters at random.
fn mixed_bits(secret: &[u8]) -> f64 {
    let each = bits_of_one(secret);
    runs_of_letters(secret)
        .map(|run| {
            if run[0].is_ascii_alphabetic() {
                letters_bits(run, each)
            } else {
                others_bits(run, each)
            }
        })
        .sum()
}

/// Runs of letters, and the runs of anything else between them.
fn runs_of_letters(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    secret.chunk_by(|a, b| a.is_ascii_alphabetic() == b.is_ascii_alphabetic())
}

/// The bits of one character at random from the alphabet that is in use.
fn bits_of_one(secret: &[u8]) -> f64 {
    let any = |test: fn(&u8) -> bool| secret.iter().any(test);
    if secret
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f' | b'-'))
    {
        return if any(u8::is_ascii_lowercase) {
            4.0
        } else {
            10f64.log2()
        };
    }
    type IsOf = fn(&u8) -> bool;
    let classes: [(IsOf, f64); 5] = [
        (u8::is_ascii_lowercase, 26.0),
        (u8::is_ascii_uppercase, 26.0),
        (u8::is_ascii_digit, 10.0),
        (
            |byte| byte.is_ascii_punctuation() || byte.is_ascii_whitespace(),
            20.0,
        ),
        (
            |byte| !byte.is_ascii() || byte.is_ascii_control() && !byte.is_ascii_whitespace(),
            100.0,
        ),
    ];
    classes
        .iter()
        .filter(|(test, _)| any(*test))
        .map(|(_, size)| size)
        .sum::<f64>()
        .log2()
}

fn letters_bits(run: &[u8], each: f64) -> f64 {
    let lower = run.to_ascii_lowercase();
    if COMMON.iter().any(|word| word.as_bytes() == lower) {
        WORD_BITS
    } else if run.len() >= 4 && looks_like_a_word(run, &lower) {
        WORD_LETTER_BITS * run.len() as f64
    } else {
        others_bits(run, each)
    }
}

/// Regular case, and vowels where a language would have them.
fn looks_like_a_word(run: &[u8], lower: &[u8]) -> bool {
    let regular =
        run[1..].iter().all(u8::is_ascii_lowercase) || run.iter().all(u8::is_ascii_uppercase);
    let vowels = lower.iter().filter(|byte| b"aeiouy".contains(byte)).count();
    let clusters = lower
        .split(|byte| b"aeiouy".contains(byte))
        .map(<[u8]>::len);
    regular && (0.2..=0.7).contains(&(vowels as f64 / run.len() as f64)) && clusters.max() < Some(5)
}

/// Characters at random, but for those that continue a sequence such as `789`,
/// `dcba` or `aaa`.
fn others_bits(run: &[u8], each: f64) -> f64 {
    if let [lone] = run
        && (lone.is_ascii_punctuation() || *lone == b' ')
    {
        return SEPARATOR_BITS;
    }
    let steps: Vec<i16> = run
        .windows(2)
        .map(|pair| i16::from(pair[1]) - i16::from(pair[0]))
        .collect();
    let following = steps.iter().filter(|step| step.abs() <= 1).count();
    let fresh = run.len() - following;
    fresh as f64 * each + following as f64 * FOLLOWING_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_people_choose_are_guessable() {
        for value in [
            "",
            "x",
            "hunter2",
            "the_secret",
            "password",
            "P@ssw0rd123!",
            "Summer2026!",
            "correct horse",
            "correct horse battery staple",
            "12345678901234567890",
            "qwertyuiop",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabcabcabcabcabc",
            "2026-11-22",
            "my-app-database",
            "0123456789abcdef0123456789abcdef",
            "postgres123456",
            "s3cr3t",
            "postgres://application:hunter2@database.example.org:5432/orders",
        ] {
            let bits = guess_bits(value.as_bytes());
            assert!(bits < SAFE_GUESS_BITS, "{value}: {bits}");
        }
    }

    #[test]
    fn values_made_at_random_are_not() {
        for value in [
            "mGv7Qk2xWz9LrTb4",
            "wq8Zk3!xP0#v",
            "9f86d081884c7d659a2feaa0c55ad015",
            "b7c1d2f0-3e5a-4b9c-8d17-6f2e0a9b4c35",
            "uzsptnwnqkrjxqvd",
            "kR3/9aVdW1+0uYtZpQnCeg==",
            "AKIA5QXWZL3N7PRT2VHD",
            "postgres://app:mGv7Qk2xWz9LrTb4@db:5432/app",
        ] {
            let bits = guess_bits(value.as_bytes());
            assert!(bits >= SAFE_GUESS_BITS, "{value}: {bits}");
        }
    }

    #[test]
    fn bytes_at_random_are_not_guessable() {
        let bytes: Vec<u8> = (0..16u8).map(|n| n.wrapping_mul(151) ^ 0xa5).collect();
        assert!(guess_bits(&bytes) >= SAFE_GUESS_BITS);
    }

    #[test]
    fn a_longer_prefix_never_makes_the_estimate_slow() {
        assert!(guess_bits(&vec![b'x'; 1 << 20]) < SAFE_GUESS_BITS);
    }
}
