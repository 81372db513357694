//! The way from the root of a document to a value in it.
//!
//! It is shared by all that lie below: a document may have a hundred thousand
//! values below a key of a hundred thousand letters.

use std::rc::Rc;

use crate::problem::Step;

/// The steps to a value; none: it is the root.
#[derive(Clone, Default)]
pub(super) struct Way(Option<Rc<Last>>);

struct Last {
    step: Step,
    above: Way,
}

impl Way {
    /// One step further.
    pub fn step(&self, step: Step) -> Self {
        let above = self.clone();
        Self(Some(Rc::new(Last { step, above })))
    }

    /// The last step.
    pub fn last(&self) -> Option<&Step> {
        self.0.as_deref().map(|last| &last.step)
    }

    /// All of them.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut here = self;
        while let Some(last) = &here.0 {
            steps.push(last.step.clone());
            here = &last.above;
        }
        steps.reverse();
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_the_root_on() {
        let root = Way::default();
        let (first, second) = (Step::from("web"), Step::from(3));
        let way = root.step(first.clone()).step(second.clone());
        assert_eq!(way.last(), Some(&second));
        assert_eq!(way.steps(), [first, second]);
        assert_eq!(root.steps(), []);
    }
}
