//! The lists against each other and against the kernel's headers.

use super::*;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::RangeInclusive;

#[test]
fn every_call_has_one_name_and_one_number() {
    let mut names = HashSet::new();
    let mut numbers = HashSet::new();
    for call in all() {
        assert!(names.insert(call.name), "{} stands twice", call.name);
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            if let Some(number) = call.number(architecture) {
                assert!(numbers.insert((architecture, number)), "{}", call.name);
            }
        }
    }
}

#[test]
fn new_calls_have_the_same_number_everywhere() {
    for call in all().filter(|call| call.x86_64 != NONE && call.x86_64 >= 424) {
        assert_eq!(call.x86_64, call.aarch64, "{}", call.name);
    }
}

#[test]
fn has_every_call_of_the_kernel_headers_by_its_number() {
    let headers = [
        (
            Architecture::X86_64,
            "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        ),
        (Architecture::Aarch64, "/usr/include/asm-generic/unistd.h"),
    ];
    for (architecture, header) in headers {
        let Ok(text) = fs::read_to_string(header) else {
            eprintln!("SKIP {header}: not on this machine");
            continue;
        };
        let mine: BTreeMap<_, _> = all()
            .filter_map(|call| Some((call.name, call.number(architecture)?)))
            .collect();
        let theirs = defined(&text);
        assert!(theirs.len() > 300, "{header}: only {} calls", theirs.len());
        for (name, number) in theirs {
            assert_eq!(mine.get(name), Some(&number), "{name} in {header}");
        }
    }
}

/// The calls that a header defines on a 64-bit architecture.
fn defined(header: &str) -> Vec<(&str, u32)> {
    let defines = header.lines().filter_map(|line| {
        let mut words = line.strip_prefix("#define __NR")?.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    let defines: BTreeMap<_, _> = defines.collect();
    let number = |name: &str| -> Option<u32> {
        // `__NR_fcntl` and, with 32 bits, `__NR_fcntl64` are `__NR3264_fcntl`.
        let both = defines.get(format!("3264_{name}").as_str());
        both.or(defines.get(format!("_{name}").as_str()))?
            .parse()
            .ok()
    };
    let names = defines.keys().filter_map(|name| name.strip_prefix('_'));
    names
        .filter_map(|name| Some((name, number(name)?)))
        .filter(|(name, _)| !NOT_HERE.contains(name))
        .filter(|(_, number)| !ONLY_32_BITS.contains(number))
        .collect()
}

/// Marks that are no calls, and the name that `sync_file_range` has on PowerPC.
const NOT_HERE: [&str; 3] = ["syscalls", "arch_specific_syscall", "sync_file_range2"];

/// Calls with 64-bit times, which 64-bit architectures have had always.
const ONLY_32_BITS: RangeInclusive<u32> = 403..=423;
