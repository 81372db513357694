//! Where a value is in a text: looked up only when a problem is shown.
//!
//! The reader keeps no positions. To find one, the text is read again along the
//! steps, and an error is raised at the target, to which the parser then adds
//! its position.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{Place, Step};

/// Line and column, both from 1, of a byte of `text`; the column in characters.
pub(crate) fn position_of(text: &str, index: usize) -> (usize, usize) {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    let before = &text[..index];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before[start..].chars().count() + 1)
}

/// Line and column, both from 1, of a place; of what surrounds it, if it is not
/// there. None for the whole document.
///
/// A list or mapping that begins below its key is found at its key.
pub fn locate(text: &str, place: &Place) -> Option<(usize, usize)> {
    match place {
        Place::Whole => None,
        Place::Position { line, column } => Some((*line, *column)),
        Place::Key(steps) => key(text, steps, 0).or_else(|| surrounding(text, steps)),
        Place::SecondKey(steps) => key(text, steps, 1).or_else(|| surrounding(text, steps)),
        Place::Value(steps) => value(text, steps).or_else(|| surrounding(text, steps)),
    }
}

/// How deep what surrounds a place is looked for.
const MOST_SURROUNDING: usize = 8;

fn surrounding(text: &str, steps: &[Step]) -> Option<(usize, usize)> {
    let (_, outer) = steps.split_last()?;
    // The text is read again for each level.
    let outer = &outer[..outer.len().min(MOST_SURROUNDING)];
    value(text, outer).or_else(|| surrounding(text, outer))
}

fn value(text: &str, steps: &[Step]) -> Option<(usize, usize)> {
    let value = find(text, steps, None)?;
    match key(text, steps, 0) {
        Some(key) if key.0 < value.0 => Some(key),
        _ => Some(value),
    }
}

/// The position of the key that `steps` end with, if they end with one, after
/// `skip` like it.
pub(crate) fn key(text: &str, steps: &[Step], skip: usize) -> Option<(usize, usize)> {
    matches!(steps.last(), Some(Step::Key(_))).then(|| find(text, steps, Some(skip)))?
}

/// Whether a key as written is the one of a step.
type Same = fn(&str, &str) -> bool;

fn exact(written: &str, step: &str) -> bool {
    written == step
}

fn in_either_spelling(written: &str, step: &str) -> bool {
    written.replace('_', "-") == step.replace('_', "-")
}

/// Finds a value, or a key of which `skip` like ones come before it.
fn find(text: &str, steps: &[Step], skip: Option<usize>) -> Option<(usize, usize)> {
    [exact as Same, in_either_spelling]
        .into_iter()
        .find_map(|same| {
            let found = Cell::new(false);
            let descent = Descend {
                steps,
                skip,
                same,
                found: &found,
            };
            let document = serde_yaml::Deserializer::from_str(text).next()?;
            let error = descent.deserialize(document).err()?;
            let index = found.get().then(|| error.location())??.index();
            Some(position_of(text, index))
        })
}

#[derive(Clone, Copy)]
struct Descend<'a> {
    steps: &'a [Step],
    skip: Option<usize>,
    same: Same,
    found: &'a Cell<bool>,
}

impl Descend<'_> {
    fn here<E: Error>(&self) -> E {
        self.found.set(true);
        E::custom("here")
    }

    fn scalar<E: Error>(self) -> Result<(), E> {
        match self.steps {
            [] => Err(self.here()),
            _ => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Descend<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descend<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let wanted = match self.steps {
            [] => return Err(self.here()),
            [Step::Item(wanted), ..] => Some(*wanted),
            [Step::Key(_), ..] => None,
        };
        for item in 0.. {
            let more = if wanted == Some(item) {
                let steps = &self.steps[1..];
                access.next_element_seed(Descend { steps, ..self })?
            } else {
                access.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let wanted = match self.steps {
            [] => return Err(self.here()),
            [Step::Key(wanted), ..] => Some(wanted.as_str()),
            [Step::Item(_), ..] => None,
        };
        let steps = self.steps.get(1..).unwrap_or_default();
        let target = self.skip.filter(|_| steps.is_empty());
        let key = Key {
            wanted,
            raise_after: target.map(Cell::new),
            descent: self,
        };
        while let Some(here) = access.next_key_seed(&key)? {
            if here && target.is_none() {
                access.next_value_seed(Descend { steps, ..self })?;
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        if self.steps.is_empty() {
            return Err(self.here());
        }
        let (IgnoredAny, value) = access.variant()?;
        value.newtype_variant_seed(self)
    }
}

/// A key: whether it is the wanted one; raises the error at it if it is the
/// target and enough like it have passed.
struct Key<'a> {
    wanted: Option<&'a str>,
    raise_after: Option<Cell<usize>>,
    descent: Descend<'a>,
}

impl<'de> DeserializeSeed<'de> for &Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for &Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, written: &str) -> Result<bool, E> {
        let here = self
            .wanted
            .is_some_and(|wanted| (self.descent.same)(written, wanted));
        match &self.raise_after {
            Some(left) if here && left.get() == 0 => Err(self.descent.here()),
            Some(left) if here => {
                left.set(left.get() - 1);
                Ok(true)
            }
            _ => Ok(here),
        }
    }
}
