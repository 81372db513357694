//! Units and small value types that several documents share, and how they are
//! written.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use quick_error::quick_error;
use serde::{Deserialize, Serialize};

use super::ip_network::IpNetwork;

quick_error! {
    /// Why a text is not the number, duration, range or network it should be.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum UnitError {
        /// Not of this form at all.
        Form {
            display("it is not written as one")
        }
        /// Digits, and then something else.
        Unit {
            display("its unit is unknown")
        }
        /// `1.5Gi`.
        Fraction {
            display("it is not a whole number")
        }
        /// `0755`.
        LeadingZero {
            display("a leading zero may or may not mean octal")
        }
        /// `755` for a mode.
        Octal {
            display("a mode is an octal number")
        }
        /// Below zero.
        Negative {
            display("it is negative")
        }
        /// Beyond what fits.
        Overflow {
            display("it is too large")
        }
        /// `9-3`.
        Backwards {
            display("its first is greater than its last")
        }
        /// A prefix length of more bits than an address has.
        Prefix {
            display("its prefix is longer than the address")
        }
        /// A network's address with bits beyond its prefix.
        HostBits {
            display("its address has bits set beyond the prefix")
        }
    }
}

impl UnitError {
    /// The one thing to do, if there is one.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Unit => Some(
                "sizes take k, M, G, T (powers of 1000), Ki, Mi, Gi, Ti (powers of 1024); \
                 durations ms, s, m, h, d",
            ),
            Self::Fraction => Some("take a smaller unit: 1536Mi is 1.5Gi"),
            Self::LeadingZero | Self::Octal => Some("write octal numbers as 0o755"),
            Self::HostBits => Some("write the network's own address, as in 10.1.0.0/16"),
            _ => None,
        }
    }
}

/// Reads an integer: `7`, `10_000`, `64Ki`, `0o755`, `0x1f`.
pub fn integer(text: &str) -> Result<u64, UnitError> {
    if text.starts_with('-') {
        return Err(UnitError::Negative);
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return digits(rest, radix);
        }
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '_'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    if number.len() > 1 && number.starts_with('0') {
        return Err(UnitError::LeadingZero);
    }
    let number = digits(number, 10)?;
    let factor = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u64.pow(2),
        "G" => 1000_u64.pow(3),
        "T" => 1000_u64.pow(4),
        "Ki" | "ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ if unit.starts_with('.') => return Err(UnitError::Fraction),
        _ => return Err(UnitError::Unit),
    };
    number.checked_mul(factor).ok_or(UnitError::Overflow)
}

/// Digits, with `_` only between them.
fn digits(text: &str, radix: u32) -> Result<u64, UnitError> {
    if text.is_empty() || text.starts_with('_') || text.ends_with('_') {
        return Err(UnitError::Form);
    }
    let mut digits = text.chars().filter(|&c| c != '_');
    digits.try_fold(0_u64, |sum, c| {
        let digit = c.to_digit(radix).ok_or(UnitError::Form)?;
        let sum = sum.checked_mul(radix.into());
        sum.and_then(|sum| sum.checked_add(digit.into()))
            .ok_or(UnitError::Overflow)
    })
}

/// Reads a duration: a number of seconds such as `0.5`, or `1m30s`, `250ms`;
/// units in falling order, each once.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    if text.starts_with('-') {
        return Err(UnitError::Negative);
    }
    let (number, unit, mut rest) = number_and_unit(text);
    if unit.is_empty() {
        return nanoseconds(number, NANOSECONDS);
    }
    let mut sum = Duration::ZERO;
    let (mut number, mut unit, mut larger) = (number, unit, u64::MAX);
    loop {
        let factor = match unit {
            "ms" => NANOSECONDS / 1000,
            "s" => NANOSECONDS,
            "m" => NANOSECONDS * 60,
            "h" => NANOSECONDS * 3600,
            "d" => NANOSECONDS * 86400,
            _ => return Err(UnitError::Unit),
        };
        if factor >= larger {
            return Err(UnitError::Form);
        }
        let part = nanoseconds(number, factor)?;
        sum = sum.checked_add(part).ok_or(UnitError::Overflow)?;
        if rest.is_empty() {
            return Ok(sum);
        }
        larger = factor;
        (number, unit, rest) = number_and_unit(rest);
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

fn number_and_unit(text: &str) -> (&str, &str, &str) {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_');
    let (number, rest) = text.split_at(text.find(|c| !numeric(c)).unwrap_or(text.len()));
    let (unit, rest) = rest.split_at(rest.find(numeric).unwrap_or(rest.len()));
    (number, unit, rest)
}

fn nanoseconds(number: &str, factor: u64) -> Result<Duration, UnitError> {
    times(number, factor).map(Duration::from_nanos)
}

/// `number`, which may have a fraction, times `factor`, rounded down.
fn times(number: &str, factor: u64) -> Result<u64, UnitError> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let whole = u128::from(digits(whole, 10)?) * u128::from(factor);
    let fraction = match fraction {
        None => 0,
        Some(text) if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
            return Err(UnitError::Form);
        }
        Some(text) => {
            let text = &text[..text.len().min(18)];
            let scale = 10_u128.pow(text.len() as u32);
            u128::from(digits(text, 10)?) * u128::from(factor) / scale
        }
    };
    u64::try_from(whole + fraction).map_err(|_| UnitError::Overflow)
}

/// Reads a number of processor cores such as `1.5`.
pub fn cores(text: &str) -> Result<Cores, UnitError> {
    if text.starts_with('-') {
        return Err(UnitError::Negative);
    }
    match number_and_unit(text) {
        (number, "", _) => times(number, 1000).map(Cores),
        _ => Err(UnitError::Form),
    }
}

/// Processor cores, in thousandths of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cores(pub u64);

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Reads a range: `7` or `1000-2000`.
pub fn range(text: &str) -> Result<Range, UnitError> {
    if text.starts_with('-') {
        return Err(UnitError::Negative);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let bound = |text| u32::try_from(integer(text)?).map_err(|_| UnitError::Overflow);
    let (first, last) = (bound(first)?, bound(last)?);
    match first <= last {
        true => Ok(Range { first, last }),
        false => Err(UnitError::Backwards),
    }
}

/// Reads the permission bits of a directory: `0o755`.
pub fn mode(text: &str) -> Result<u32, UnitError> {
    let bits = integer(text)?;
    if !text.starts_with("0o") && bits != 0 {
        return Err(UnitError::Octal);
    }
    match bits <= 0o7777 {
        true => Ok(bits as u32),
        false => Err(UnitError::Overflow),
    }
}

/// Reads a network in CIDR notation: `10.1.0.0/16`.
pub fn network(text: &str) -> Result<IpNetwork, UnitError> {
    let (address, prefix) = text.split_once('/').ok_or(UnitError::Form)?;
    let address: IpAddr = address.parse().map_err(|_| UnitError::Form)?;
    let prefix = integer(prefix)?;
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    if prefix > width {
        return Err(UnitError::Prefix);
    }
    match bits.checked_shl(prefix as u32) {
        Some(host) if host != 0 => Err(UnitError::HostBits),
        _ => Ok(IpNetwork {
            address,
            prefix: prefix as u8,
        }),
    }
}

/// An inclusive range of ids or ports: `7` or `1000-2000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first of them.
    pub first: u32,
    /// The last of them, itself included.
    pub last: u32,
}

impl Range {
    /// Whether `value` lies in the range.
    pub fn contains(&self, value: u32) -> bool {
        (self.first..=self.last).contains(&value)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// One line of a user namespace's map: `count` ids from `inside` on are the
/// ids from `outside` on, on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// The first id inside the container.
    pub inside: u32,
    /// The first id on the host.
    pub outside: u32,
    /// How many ids: `inside <= id < inside + count`.
    pub count: u32,
}

/// How much a log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// Failures and what may become one.
    #[default]
    Warn,
    /// Starts and ends too.
    Info,
    /// What the supervisor decides and why.
    Debug,
    /// Everything.
    Trace,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_take_units_octal_hex_and_separators() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("10_000", 10_000),
            ("3k", 3000),
            ("3M", 3_000_000),
            ("3G", 3_000_000_000),
            ("3T", 3_000_000_000_000),
            ("3Ki", 3 << 10),
            ("3ki", 3 << 10),
            ("3Mi", 3 << 20),
            ("3Gi", 3 << 30),
            ("3Ti", 3 << 40),
            ("0o755", 0o755),
            ("0x1f", 31),
            ("0xFF_FF", 0xffff),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn refuses_integers_of_another_form() {
        for (text, error) in [
            ("", UnitError::Form),
            ("-1", UnitError::Negative),
            ("_1", UnitError::Form),
            ("1_", UnitError::Form),
            ("0755", UnitError::LeadingZero),
            ("0o", UnitError::Form),
            ("0o8", UnitError::Form),
            ("0xg", UnitError::Form),
            ("0x-1", UnitError::Form),
            ("1.5G", UnitError::Fraction),
            ("1e3", UnitError::Unit),
            ("1K", UnitError::Unit),
            ("1KB", UnitError::Unit),
            ("1 k", UnitError::Unit),
            ("k", UnitError::Form),
            ("18446744073709551616", UnitError::Overflow),
            ("99999999T", UnitError::Overflow),
            ("0x10000000000000000", UnitError::Overflow),
        ] {
            assert_eq!(integer(text), Err(error), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_units() {
        for (text, millis) in [
            ("0", 0),
            ("5", 5000),
            ("0.25", 250),
            ("1.5", 1500),
            ("5s", 5000),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("1.5m", 90_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_durations_of_another_form() {
        for (text, error) in [
            ("", UnitError::Form),
            ("-1", UnitError::Negative),
            ("-1s", UnitError::Negative),
            ("s", UnitError::Form),
            ("1.", UnitError::Form),
            (".5", UnitError::Form),
            ("1.2.3", UnitError::Form),
            ("1e3", UnitError::Unit),
            ("5 s", UnitError::Unit),
            ("30s1m", UnitError::Form),
            ("1s1s", UnitError::Form),
            ("1m30", UnitError::Unit),
            ("1y", UnitError::Unit),
            ("99999999999999999999", UnitError::Overflow),
            ("18446744074", UnitError::Overflow),
            (".inf", UnitError::Unit),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn cores_have_up_to_three_places() {
        for (text, expected, shown) in [
            ("1", 1000, "1"),
            ("1.5", 1500, "1.5"),
            ("0.010", 10, "0.01"),
            ("20", 20_000, "20"),
            ("2.0009", 2000, "2"),
        ] {
            let cores = cores(text).unwrap();
            assert_eq!(
                (cores, cores.to_string()),
                (Cores(expected), shown.to_owned())
            );
        }
        for text in ["", ".", "1.", ".5", "1s", "1Ki", "1.5.2", "-1", "one"] {
            assert!(cores(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_are_one_number_or_two() {
        let of = |first, last| Ok(Range { first, last });
        assert_eq!(range("7"), of(7, 7));
        assert_eq!(range("1000-2000"), of(1000, 2000));
        assert_eq!(range("1k-2k"), of(1000, 2000));
        assert_eq!(range("2000-1000"), Err(UnitError::Backwards));
        assert_eq!(range("-7"), Err(UnitError::Negative));
        assert_eq!(range("1-"), Err(UnitError::Form));
        assert_eq!(range("1-2-3"), Err(UnitError::Unit));
        assert_eq!(range("4294967296"), Err(UnitError::Overflow));
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0o755"), Ok(0o755));
        assert_eq!(mode("0"), Ok(0));
        assert_eq!(mode("755"), Err(UnitError::Octal));
        assert_eq!(mode("0755"), Err(UnitError::LeadingZero));
        assert_eq!(mode("0o10000"), Err(UnitError::Overflow));
    }

    #[test]
    fn networks_have_a_prefix_and_no_host_bits() {
        let of = |address: &str, prefix| {
            let address = address.parse().unwrap();
            Ok(IpNetwork { address, prefix })
        };
        assert_eq!(network("10.1.0.0/16"), of("10.1.0.0", 16));
        assert_eq!(network("0.0.0.0/0"), of("0.0.0.0", 0));
        assert_eq!(network("10.1.2.3/32"), of("10.1.2.3", 32));
        assert_eq!(network("fd00::/8"), of("fd00::", 8));
        assert_eq!(network("fd00::1/128"), of("fd00::1", 128));
        assert_eq!(network("10.1.0.1/16"), Err(UnitError::HostBits));
        assert_eq!(network("fd00::1/64"), Err(UnitError::HostBits));
        assert_eq!(network("10.1.0.0/33"), Err(UnitError::Prefix));
        assert_eq!(network("fd00::/129"), Err(UnitError::Prefix));
        assert_eq!(network("10.1.0.0"), Err(UnitError::Form));
        assert_eq!(network("10.1.0/16"), Err(UnitError::Form));
        assert_eq!(network("10.1.0.0/-1"), Err(UnitError::Negative));
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC{0,20}|[0-9a-zA-Z._-]{0,30}") {
            let _ = (integer(&text), duration(&text), range(&text), mode(&text), network(&text));
        }

        #[test]
        fn integers_survive_a_round_trip(number: u64) {
            prop_assert_eq!(integer(&number.to_string()), Ok(number));
            prop_assert_eq!(integer(&format!("{number:#x}")), Ok(number));
            prop_assert_eq!(integer(&format!("{number:#o}")), Ok(number));
        }

        #[test]
        fn durations_survive_a_round_trip(nanoseconds in 0..u64::MAX) {
            let text = format!("{}.{:09}", nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS);
            prop_assert_eq!(duration(&text), Ok(Duration::from_nanos(nanoseconds)));
        }

        #[test]
        fn ranges_survive_a_round_trip(a: u32, b: u32) {
            let written = Range { first: a.min(b), last: a.max(b) };
            prop_assert_eq!(range(&written.to_string()), Ok(written));
        }
    }
}
