//! The filter against the table it is made of, and against the kernel.

use std::collections::HashSet;
use std::process::Command;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::sys;
use crate::sys::forked::in_child;

const BOTH: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

const fn errno(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Runs a program as the kernel would, and returns its verdict.
fn run(program: &[u8], audit: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(audit.to_le_bytes());
    data.extend([0; 8]);
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    let word = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let code = &program[8 * at..8 * at + 8];
        let k = u32::from_ne_bytes(code[4..].try_into().unwrap());
        at += 1;
        let holds = match u16::from_ne_bytes(code[..2].try_into().unwrap()) {
            0x20 => {
                accumulator = word(k as usize);
                continue;
            }
            0x06 => return k,
            0x05 => {
                at += k as usize;
                continue;
            }
            0x15 => accumulator == k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            other => panic!("instruction {other:#x}"),
        };
        at += usize::from(if holds { code[2] } else { code[3] });
    }
}

fn verdict(filter: &Filter, number: u32, arguments: [u64; 6]) -> u32 {
    let audit = Architecture::NATIVE.audit();
    run(&filter.bytes(), audit, number, arguments)
}

fn number(name: &str) -> u32 {
    syscall_number(name).unwrap()
}

/// What the lists say about a number, however the call is called.
fn expected(architecture: Architecture, allowed: &[&str], number: u32) -> Option<u32> {
    if number >= X32 {
        return Some(errno(libc::EPERM));
    }
    let Some(call) = syscalls::all().find(|call| call.number(architecture) == Some(number)) else {
        return Some(errno(libc::ENOSYS));
    };
    if allowed.contains(&call.name) || ORDINARY.contains(&call) {
        Some(ALLOWED)
    } else if REFUSED.contains(&call) {
        Some(errno(libc::EPERM))
    } else if call.name == "clone3" {
        Some(errno(libc::ENOSYS))
    } else {
        None // by its arguments: tested one by one
    }
}

fn agrees(architecture: Architecture, allowed: &[&str]) {
    let program = Filter::build(architecture, allowed).bytes();
    let edges = [X32 - 1, X32, X32 + 1, i32::MAX as u32, 1 << 31, u32::MAX];
    for number in (0..1024).chain(edges) {
        let verdict = run(&program, architecture.audit(), number, [0; 6]);
        if let Some(expected) = expected(architecture, allowed, number) {
            assert_eq!(verdict, expected, "{architecture:?} {number}");
        }
    }
}

#[test]
fn the_tree_says_what_the_lists_say() {
    for architecture in BOTH {
        agrees(architecture, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_tree_says_what_the_lists_say_with_any_calls_allowed(
        choice in proptest::collection::vec(any::<bool>(), 512),
    ) {
        let chosen = syscalls::all().zip(choice).filter(|(_, chosen)| *chosen);
        let names: Vec<_> = chosen.map(|(call, _)| call.name).collect();
        for architecture in BOTH {
            agrees(architecture, &names);
        }
    }

    #[test]
    fn a_tree_with_a_rule_for_every_number_reaches_every_rule(
        rules in proptest::collection::vec(0..5_usize, 2000),
    ) {
        let kinds = [ALLOW, REFUSE, ABSENT, checked("socket"), checked("unshare")];
        let ranges: Vec<_> = (0..).zip(rules.iter().map(|kind| kinds[*kind])).collect();
        let program = compile(Architecture::X86_64, &ranges, Answer::Allow);
        let program: Vec<u8> = program.iter().flat_map(|one| one.bytes()).collect();
        let verdicts = [ALLOWED, errno(1), errno(38), errno(97), errno(1)];
        for (number, kind) in rules.iter().enumerate() {
            let arguments = [1 << 40; 6]; // of no family, and a high flag of unshare
            let verdict = run(&program, Architecture::X86_64.audit(), number as u32, arguments);
            prop_assert_eq!(verdict, verdicts[*kind]);
        }
    }
}

#[test]
fn refuses_calls_of_every_other_architecture() {
    let (i386, arm, riscv) = (0x4000_0003, 0x4000_0028, 0xc000_00f3);
    for architecture in BOTH {
        let program = Filter::build(architecture, &[]).bytes();
        let others = BOTH.iter().filter(|other| **other != architecture);
        let others = others.map(|other| other.audit());
        for audit in others.chain([i386, arm, riscv, 0, u32::MAX]) {
            for number in 0..1024 {
                let verdict = run(&program, audit, number, [0; 6]);
                assert_eq!(verdict, errno(libc::EPERM), "{audit:#x} {number}");
            }
        }
    }
}

#[test]
fn refuses_what_escapes_are_made_of() {
    let escapes = "mount umount2 open_tree open_tree_attr move_mount fsopen fsconfig fsmount \
        fspick mount_setattr pivot_root chroot setns bpf perf_event_open userfaultfd keyctl \
        add_key request_key kexec_load kexec_file_load init_module finit_module delete_module \
        open_by_handle_at ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd \
        io_uring_setup io_uring_enter io_uring_register swapon swapoff reboot acct syslog \
        quotactl settimeofday clock_settime sethostname fanotify_init mbind vhangup";
    for architecture in BOTH {
        let program = Filter::build(architecture, &[]).bytes();
        for name in escapes.split_whitespace() {
            let number = syscalls::named(name).unwrap().number(architecture).unwrap();
            let verdict = run(&program, architecture.audit(), number, [0; 6]);
            assert_eq!(verdict, errno(libc::EPERM), "{architecture:?} {name}");
        }
    }
}

#[test]
fn the_default_filter_is_short() {
    for architecture in BOTH {
        let instructions = Filter::build(architecture, &[]).program.len();
        assert!(instructions <= 150, "{architecture:?}: {instructions}");
    }
}

#[test]
fn every_checked_call_has_its_check() {
    for call in CHECKED {
        assert_ne!(checked(call.name), REFUSE, "{}", call.name);
    }
}

#[test]
fn refuses_names_that_no_architecture_has() {
    let refusal = Filter::with_allowed(&["read", "moutn"]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "unknown system call `moutn`, did you mean `mount`?"
    );
    assert_eq!(
        Filter::with_allowed(&["NR_read_the_manual"])
            .unwrap_err()
            .to_string(),
        "unknown system call `NR_read_the_manual`"
    );
}

#[test]
fn takes_names_of_the_other_architecture() {
    assert!(Filter::with_allowed(&["open", "renameat", "modify_ldt"]).is_ok());
    assert_eq!(
        syscalls::named("open")
            .unwrap()
            .number(Architecture::Aarch64),
        None
    );
}

#[test]
fn an_allowed_call_is_allowed_whatever_its_arguments() {
    let filter = Filter::with_allowed(&["clone3", "socket", "mount"]).unwrap();
    for name in ["clone3", "socket", "mount"] {
        assert_eq!(
            verdict(&filter, number(name), [u64::MAX; 6]),
            ALLOWED,
            "{name}"
        );
    }
    assert_ne!(verdict(&filter, number("umount2"), [0; 6]), ALLOWED);
}

#[test]
fn refuses_each_flag_of_a_new_namespace() {
    let filter = Filter::default_profile();
    let namespaces = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let refused = errno(libc::EPERM);
    for flag in namespaces {
        for extra in [0, libc::SIGCHLD as u64, 0xffff_ffff_0000_0000] {
            let flags = [flag as u64 | extra, 0, 0, 0, 0, 0];
            assert_eq!(
                verdict(&filter, number("clone"), flags),
                refused,
                "{flag:#x}"
            );
            assert_eq!(
                verdict(&filter, number("unshare"), flags),
                refused,
                "{flag:#x}"
            );
        }
    }
    let new_time = [libc::CLONE_NEWTIME as u64, 0, 0, 0, 0, 0];
    assert_eq!(verdict(&filter, number("unshare"), new_time), refused);
    let later = [1 << 35, 0, 0, 0, 0, 0];
    assert_eq!(verdict(&filter, number("unshare"), later), refused);
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_SETTLS;
    for flags in [libc::SIGCHLD, thread, libc::CLONE_VFORK | libc::CLONE_VM] {
        let arguments = [flags as u64, 0, 0, 0, 0, 0];
        assert_eq!(verdict(&filter, number("clone"), arguments), ALLOWED);
    }
    let files = [libc::CLONE_FILES as u64, 0, 0, 0, 0, 0];
    assert_eq!(verdict(&filter, number("unshare"), files), ALLOWED);
}

#[test]
fn the_upper_half_of_a_32_bit_argument_changes_nothing() {
    let filter = Filter::default_profile();
    for upper in [0, 1 << 32, 0xffff_ffff_0000_0000_u64] {
        let with = |name: &str, at: usize, value: u32| {
            let mut arguments = [1 | upper; 6];
            arguments[at] = u64::from(value) | upper;
            verdict(&filter, number(name), arguments)
        };
        let refused = errno(libc::EPERM);
        assert_eq!(with("ioctl", 1, 0x5412), refused);
        assert_eq!(with("ioctl", 1, 0x541c), refused);
        assert_eq!(with("ioctl", 1, 0x5413), ALLOWED);
        for harmless in [0, 8, 0x20000, 0x20008, u32::MAX] {
            assert_eq!(with("personality", 0, harmless), ALLOWED);
        }
        for other in [1, 0x0004_0000, 0x0010_0000, 0x0040_0000, u32::MAX - 1] {
            assert_eq!(with("personality", 0, other), refused);
        }
        for family in [1, 2, 10, 16, 17] {
            assert_eq!(with("socket", 0, family), ALLOWED, "{family}");
        }
        for family in [0, 3, 9, 15, 21, 29, 31, 38, 40, 43, 44, 45, 100] {
            assert_eq!(
                with("socket", 0, family),
                errno(libc::EAFNOSUPPORT),
                "{family}"
            );
            assert_eq!(
                with("socketpair", 0, family),
                errno(libc::EAFNOSUPPORT),
                "{family}"
            );
        }
        let socket = |family: i32, kind: u32, protocol: u32| {
            let arguments = [family as u32, kind, protocol, 0, 0, 0];
            let arguments = arguments.map(|argument| u64::from(argument) | upper);
            verdict(&filter, number("socket"), arguments)
        };
        for family in [libc::AF_INET, libc::AF_INET6] {
            for protocol in [33, 115, 132, 256, 262] {
                assert_eq!(socket(family, 1, protocol), errno(libc::EPROTONOSUPPORT));
            }
            for protocol in [0, 1, 6, 17, 58, 136] {
                assert_eq!(socket(family, 1, protocol), ALLOWED, "{protocol}");
            }
            for flags in [0, 0o4000, 0o200_0000, 0o200_4000] {
                // DCCP's and SCTP's.
                for kind in [6, 5] {
                    let refused = errno(libc::ESOCKTNOSUPPORT);
                    assert_eq!(socket(family, kind | flags, 0), refused, "{kind}");
                }
                for kind in [1, 2, 3] {
                    assert_eq!(socket(family, kind | flags, 0), ALLOWED, "{kind}");
                }
            }
        }
        for kind in [1, 2, 5] {
            assert_eq!(socket(libc::AF_UNIX, kind, 0), ALLOWED, "{kind}");
        }
    }
}

/// What `act` returns in a child that has the default filter.
fn confined(act: impl FnOnce() -> String) -> String {
    confined_by(&Filter::default_profile(), act)
}

fn confined_by(filter: &Filter, act: impl FnOnce() -> String) -> String {
    in_child(|| {
        rustix::thread::set_no_new_privs(true).unwrap();
        sys::seccomp::install(&filter.bytes()).unwrap();
        act()
    })
}

/// The errno of a call with these arguments; 0 if it succeeds.
fn attempt(name: &str, arguments: [u64; 6]) -> i32 {
    attempt_number(number(name), arguments)
}

#[allow(unsafe_code)]
fn attempt_number(number: u32, arguments: [u64; 6]) -> i32 {
    // SAFETY: in these tests pointers are null or point to the end of the
    // address space, where nothing is.
    match unsafe { sys::forked::system_call(number, arguments) } {
        Ok(_) => 0,
        Err(err) => err.raw_os_error().unwrap(),
    }
}

#[test]
fn the_kernel_refuses_every_refused_call() {
    let native = REFUSED
        .iter()
        .filter(|call| call.number(Architecture::NATIVE).is_some());
    let names: Vec<_> = native.map(|call| call.name).collect();
    assert!(names.len() > 60);
    let report = confined(|| {
        let wrong = names
            .iter()
            .filter(|name| attempt(name, [u64::MAX; 6]) != libc::EPERM);
        format!("{:?}", wrong.collect::<Vec<_>>())
    });
    assert_eq!(report, "[]");
}

#[test]
fn without_the_filter_other_answers_come() {
    // Calls that fail by their arguments alone, so that EPERM above was ours.
    let report = in_child(|| {
        let calls = [
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "setns",
            "bpf",
            "kcmp",
        ];
        let answers = calls.map(|name| attempt(name, [u64::MAX; 6]));
        format!("{}", answers.contains(&libc::EPERM))
    });
    assert_eq!(report, "false");
}

#[test]
fn the_kernel_checks_arguments() {
    let user = libc::CLONE_NEWUSER as u64;
    let attempts: [(&str, &[u64], i32); 16] = [
        ("clone", &[user | libc::SIGCHLD as u64], libc::EPERM),
        ("unshare", &[user], libc::EPERM),
        ("unshare", &[0x80], libc::EPERM),
        ("unshare", &[libc::CLONE_FS as u64], 0),
        ("clone3", &[0, 0], libc::ENOSYS),
        ("ioctl", &[0, 0x5412, 0], libc::EPERM),
        ("ioctl", &[0, 0xffff_ffff_0000_5412, 0], libc::EPERM),
        ("personality", &[0x40000], libc::EPERM),
        ("personality", &[0xffff_ffff], 0),
        ("socket", &[40, 1, 0], libc::EAFNOSUPPORT),
        ("socket", &[2, 1, 262], libc::EPROTONOSUPPORT),
        ("socket", &[2, 1, 132], libc::EPROTONOSUPPORT),
        ("socket", &[2, 5, 0], libc::ESOCKTNOSUPPORT),
        ("socketpair", &[1, 5, 0], libc::EFAULT),
        (
            "socket",
            &[2, 0xffff_ffff_0000_0006, 0],
            libc::ESOCKTNOSUPPORT,
        ),
        ("socket", &[2, 1, 6], 0),
    ];
    for (name, given, answer) in attempts {
        let mut arguments = [0; 6];
        arguments[..given.len()].copy_from_slice(given);
        let report = confined(|| attempt(name, arguments).to_string());
        assert_eq!(report, answer.to_string(), "{name} {given:x?}");
    }
}

#[test]
fn numbers_without_a_name_are_absent_and_x32_is_refused() {
    let report = confined(|| {
        let numbers = [472, 500, 1000, 100_000, X32 | 39];
        format!("{:?}", numbers.map(|number| attempt_number(number, [0; 6])))
    });
    assert_eq!(report, "[38, 38, 38, 38, 1]");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn refuses_the_entry_of_32_bit_programs() {
    let report = confined(|| sys::forked::getpid_of_i386().to_string());
    assert_eq!(report, (-libc::EPERM).to_string());
}

#[test]
fn programs_threads_and_pipes_work() {
    let report = confined(|| {
        let thread = thread::spawn(|| 40 + 2).join().unwrap();
        let script = "umask 022; echo $(ls / | wc -l) > /dev/null && (exit 7) | cat; uname";
        let output = Command::new("/bin/sh")
            .args(["-c", script])
            .output()
            .unwrap();
        format!(
            "{thread} {}",
            String::from_utf8_lossy(&output.stdout).trim()
        )
    });
    assert_eq!(report, "42 Linux");
}

#[test]
fn a_loosened_filter_lets_the_kernel_answer() {
    let filter = Filter::with_allowed(&["mount", "unshare"]).unwrap();
    let report = confined_by(&filter, || attempt("mount", [u64::MAX; 6]).to_string());
    assert_eq!(report, libc::EFAULT.to_string());
}

#[test]
fn no_name_is_both_allowed_and_refused() {
    let ordinary: HashSet<_> = ORDINARY.iter().map(|call| call.name).collect();
    let both = REFUSED
        .iter()
        .chain(CHECKED)
        .filter(|call| ordinary.contains(call.name));
    assert_eq!(both.count(), 0);
}
