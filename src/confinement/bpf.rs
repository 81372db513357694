//! A generator of classic BPF for seccomp: a decision tree over ranges of system
//! call numbers.
//!
//! Engines commonly emit a comparison for each call, so that the last call of
//! 300 passes 300 of them. Here a range of numbers with the same rule is one
//! leaf of a binary tree: under a hundred instructions, and seven comparisons
//! for any call. Code is emitted from its end to its beginning, since BPF jumps
//! only forward: whoever jumps knows where to.
//!
//! Which calls have which rule is no business of this module: see
//! [`super::seccomp`].

/// What the kernel does about a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Lets it through.
    Allow,
    /// Gives this errno back.
    Errno(i32),
}

impl Answer {
    fn code(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
        }
    }
}

/// A test that one argument of a call must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    /// Which argument, from 0.
    pub(super) argument: u32,
    /// What it must be.
    pub(super) pass: Pass,
    /// The answer if it is not.
    pub(super) otherwise: Answer,
}

/// What an argument must be. The kernel hands over 64 bits, of which many calls
/// use 32: a test that looked at all 64 of those could be walked around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// None of these bits, of all 64, is set.
    NoBits(u64),
    /// The lower 32 bits are one of these.
    OneOf(&'static [u32]),
    /// The lower 32 bits are none of these.
    NoneOf(&'static [u32]),
    /// Anything; where its lower 32 bits are this, nothing that follows is asked.
    AtOnce(u32),
}

/// What is done about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Always this.
    Answer(Answer),
    /// Allowed if it passes all of these.
    Tests(&'static [Test]),
}

/// The architectures there are filters for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("there are system call numbers for x86-64 and aarch64 only");

impl Architecture {
    /// The one this program is compiled for.
    pub(super) const NATIVE: Self = if cfg!(target_arch = "x86_64") {
        Self::X86_64
    } else {
        Self::Aarch64
    };

    /// `AUDIT_ARCH_…` of `linux/audit.h`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}

/// One instruction: `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

impl Instruction {
    /// As the kernel reads it.
    pub(super) fn bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&self.code.to_ne_bytes());
        bytes[2..4].copy_from_slice(&[self.jt, self.jf]);
        bytes[4..].copy_from_slice(&self.k.to_ne_bytes());
        bytes
    }
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;

/// Offsets in `struct seccomp_data`. Both architectures are little-endian, so
/// the lower half of an argument comes first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The program for `architecture` that does about each number what the last of
/// `ranges` which begins at or below it says, and gives `foreign` to calls of
/// every other architecture.
///
/// `ranges` are in ascending order, and the first begins at 0.
pub(super) fn compile(
    architecture: Architecture,
    ranges: &[(u32, Rule)],
    foreign: Answer,
) -> Vec<Instruction> {
    let mut code = Backwards::default();
    code.tree(ranges);
    let native = code.load(NUMBER);
    let foreign = code.answer(foreign);
    code.branch(IF_EQUAL, architecture.audit(), native, foreign);
    code.load(ARCHITECTURE);
    code.instructions.reverse();
    code.instructions
}

/// A place in the program, counted from its end: the instructions from it on.
type Place = usize;

/// A conditional jump skips at most 255 instructions; the two places of a branch
/// may each need an instruction of their own to be reached.
const NEAR: usize = 253;

/// The program, its last instruction first.
#[derive(Default)]
struct Backwards {
    instructions: Vec<Instruction>,
    /// Where each rule's code is that was emitted last.
    known: Vec<(Rule, Place)>,
}

impl Backwards {
    fn emit(&mut self, code: u16, jt: usize, jf: usize, k: u32) -> Place {
        let byte = |skip: usize| u8::try_from(skip).expect("branch() keeps jumps short");
        self.instructions.push(Instruction {
            code,
            jt: byte(jt),
            jf: byte(jf),
            k,
        });
        self.instructions.len()
    }

    /// Loads a word, and goes on with what was emitted last.
    fn load(&mut self, offset: u32) -> Place {
        self.emit(LOAD, 0, 0, offset)
    }

    /// The place itself, or a jump to it from nearer by.
    fn near(&mut self, place: Place) -> Place {
        match self.instructions.len() - place {
            skip if skip <= NEAR => place,
            skip => self.emit(JUMP, 0, 0, skip as u32),
        }
    }

    fn branch(&mut self, condition: u16, k: u32, yes: Place, no: Place) -> Place {
        let (yes, no) = (self.near(yes), self.near(no));
        let end = self.instructions.len();
        self.emit(condition, end - yes, end - no, k)
    }

    /// Code for the ranges, of which there is at least one.
    fn tree(&mut self, ranges: &[(u32, Rule)]) -> Place {
        if let [(_, rule)] = ranges {
            return self.rule(*rule);
        }
        let (below, from) = ranges.split_at(ranges.len() / 2);
        let first = from[0].0;
        let from = self.tree(from);
        let below = self.tree(below);
        self.branch(IF_AT_LEAST, first, from, below)
    }

    fn answer(&mut self, answer: Answer) -> Place {
        self.rule(Rule::Answer(answer))
    }

    /// Code for a rule: what is there already, if it is near.
    fn rule(&mut self, rule: Rule) -> Place {
        let known = self.known.iter().position(|(known, _)| *known == rule);
        if let Some(index) = known {
            let place = self.known[index].1;
            if self.instructions.len() - place <= NEAR {
                return place;
            }
            self.known.swap_remove(index);
        }
        let place = match rule {
            Rule::Answer(answer) => self.emit(RETURN, 0, 0, answer.code()),
            Rule::Tests(tests) => {
                let allow = self.answer(Answer::Allow);
                tests
                    .iter()
                    .rev()
                    .fold(allow, |next, test| self.test(*test, next))
            }
        };
        self.known.push((rule, place));
        place
    }

    fn test(&mut self, test: Test, next: Place) -> Place {
        let low = ARGUMENTS + 8 * test.argument;
        let no = self.answer(test.otherwise);
        match test.pass {
            Pass::NoBits(mask) => {
                let halves = [(low + 4, (mask >> 32) as u32), (low, mask as u32)];
                halves.into_iter().filter(|(_, mask)| *mask != 0).fold(
                    next,
                    |next, (offset, mask)| {
                        self.branch(IF_ANY_BIT, mask, no, next);
                        self.load(offset)
                    },
                )
            }
            Pass::OneOf(values) => self.compare(low, values, next, no),
            Pass::NoneOf(values) => self.compare(low, values, no, next),
            Pass::AtOnce(value) => {
                let allow = self.answer(Answer::Allow);
                self.compare(low, &[value], allow, next)
            }
        }
    }

    /// Goes on at `equal` if the word at `offset` is one of `values`.
    fn compare(&mut self, offset: u32, values: &[u32], equal: Place, other: Place) -> Place {
        values.iter().rev().fold(other, |next, value| {
            self.branch(IF_EQUAL, *value, equal, next)
        });
        self.load(offset)
    }
}
