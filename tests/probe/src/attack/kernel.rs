//! Doors of the kernel that no service needs.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use nix::libc;
use nix::sys::personality::{self, Persona};
use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

use super::raw::Argument::{Memory, Number};
use super::raw::{self, call};
use super::{Outcome, done};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "bpf" => bpf(),
        "perf-event" => perf_event(),
        "userfaultfd" => userfaultfd(),
        "io-uring" => io_uring(),
        "read-keyring" => keyctl(),
        "add-key" => done(add_key("probe", PROCESS_KEYRING)),
        "add-key-to-user" => done(add_key(object, USER_KEYRING)),
        "request-key" => done(request_key(object)),
        "revoke-key" => revoke_key(object),
        "kexec" => plain(libc::SYS_kexec_load, [0, 0, 0, 0]),
        "load-module" => load_module(),
        "load-module-file" => load_module_file(),
        "delete-module" => with_text(libc::SYS_delete_module, "no such module", &[0]),
        "open-by-handle" => open_by_handle(),
        "personality" => done(personality::set(Persona::ADDR_NO_RANDOMIZE)),
        "seize-terminal" => seize(object),
        "type-into-terminal" => terminal(libc::TIOCSTI),
        "paste-into-console" => terminal(0x541c), // TIOCLINUX
        #[cfg(target_arch = "x86_64")]
        "enter-as-i386" => done(raw::getpid_of_i386()),
        // The number of getpid with the bit of x32.
        #[cfg(target_arch = "x86_64")]
        "enter-as-x32" => done(call(0x4000_0000 | libc::SYS_getpid, &mut [])),
        #[cfg(target_arch = "x86_64")]
        "modify-ldt" => done(call(
            libc::SYS_modify_ldt,
            &mut [Number(0), Memory(&mut [0; 64]), Number(64)],
        )),
        #[cfg(target_arch = "x86_64")]
        "raise-io-privilege" => plain(libc::SYS_iopl, [3, 0, 0, 0]),
        "read-kernel-log" => done(call(
            libc::SYS_syslog,
            &mut [Number(3), Memory(&mut [0; 64]), Number(64)],
        )),
        // Each of the following would be refused as invalid after the check of rights.
        "reboot" => plain(libc::SYS_reboot, [1, 1, 1, 0]),
        "swap-on" => with_text(libc::SYS_swapon, "/no such file", &[0]),
        "account" => with_text(libc::SYS_acct, "/no such file", &[]),
        "set-time" => set_time(),
        _ => return None,
    };
    Some(result)
}

fn plain(number: libc::c_long, arguments: [u64; 4]) -> io::Result<Value> {
    done(call(number, &mut arguments.map(Number)))
}

/// A call whose first argument is a text.
fn with_text(number: libc::c_long, text: &str, more: &[u64]) -> io::Result<Value> {
    let mut text = format!("{text}\0").into_bytes();
    let mut arguments = vec![Memory(&mut text)];
    arguments.extend(more.iter().map(|word| Number(*word)));
    done(call(number, &mut arguments))
}

/// An array of one element: BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY.
fn bpf() -> io::Result<Value> {
    let mut attributes: Vec<u8> = [2_u32, 4, 4, 1]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    attributes.resize(128, 0);
    let mut arguments = [Number(0), Memory(&mut attributes), Number(128)];
    done(call(libc::SYS_bpf, &mut arguments))
}

/// The context switches of this process, PERF_TYPE_SOFTWARE: no hardware needed.
fn perf_event() -> io::Result<Value> {
    let mut attributes = [1_u32, 112, 3, 0]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect::<Vec<_>>();
    attributes.resize(112, 0);
    let all = u64::MAX;
    let mut arguments = [
        Memory(&mut attributes),
        Number(0),
        Number(all),
        Number(all),
        Number(0),
    ];
    done(call(libc::SYS_perf_event_open, &mut arguments))
}

/// For faults of the kernel too, which is what exploits stop it with.
fn userfaultfd() -> io::Result<Value> {
    plain(libc::SYS_userfaultfd, [libc::O_CLOEXEC as u64, 0, 0, 0])
}

fn io_uring() -> io::Result<Value> {
    let mut arguments = [Number(1), Memory(&mut [0; 120])];
    done(call(libc::SYS_io_uring_setup, &mut arguments))
}

const PROCESS_KEYRING: u64 = -2_i64 as u64;
const SESSION_KEYRING: u64 = -3_i64 as u64;
/// Which usual sessions have a link to.
const USER_KEYRING: u64 = -4_i64 as u64;

/// KEYCTL_DESCRIBE of the session keyring.
fn keyctl() -> io::Result<Value> {
    let mut described = vec![0; 256];
    let mut arguments = [
        Number(6),
        Number(SESSION_KEYRING),
        Memory(&mut described),
        Number(256),
    ];
    let length = call(libc::SYS_keyctl, &mut arguments)?;
    described.truncate(length as usize - 1);
    Ok(json!(String::from_utf8_lossy(&described)))
}

fn add_key(name: &str, keyring: u64) -> io::Result<i64> {
    let (mut kind, mut name) = (*b"user\0", format!("{name}\0").into_bytes());
    let mut arguments = [
        Memory(&mut kind),
        Memory(&mut name),
        Memory(&mut [7]),
        Number(1),
        Number(keyring),
    ];
    call(libc::SYS_add_key, &mut arguments)
}

fn request_key(name: &str) -> io::Result<i64> {
    let (mut kind, mut name) = (*b"user\0", format!("{name}\0").into_bytes());
    let mut arguments = [Memory(&mut kind), Memory(&mut name), Number(0), Number(0)];
    call(libc::SYS_request_key, &mut arguments)
}

/// KEYCTL_REVOKE.
fn revoke_key(name: &str) -> io::Result<Value> {
    let key = request_key(name)? as u64;
    done(call(libc::SYS_keyctl, &mut [3, key].map(Number)))
}

/// It is none, which the kernel only sees if it may look at it.
fn load_module() -> io::Result<Value> {
    let (mut image, mut none) = ([0; 64], [0]);
    let mut arguments = [Memory(&mut image), Number(64), Memory(&mut none)];
    done(call(libc::SYS_init_module, &mut arguments))
}

fn load_module_file() -> io::Result<Value> {
    let file = File::open("/proc/self/exe")?;
    let mut none = [0];
    let mut arguments = [
        Number(file.as_raw_fd() as u64),
        Memory(&mut none),
        Number(0),
    ];
    done(call(libc::SYS_finit_module, &mut arguments))
}

/// The handle of the root directory, opened past every path. With the numbers of
/// other inodes it opens any file of the file system that the image lies on.
fn open_by_handle() -> io::Result<Value> {
    let root = File::open("/")?;
    // struct file_handle: size, type, bytes.
    let mut handle = vec![0; 8 + 128];
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let (mut path, mut mount) = (*b"/\0", [0; 8]);
    let here = libc::AT_FDCWD as i64 as u64;
    let mut arguments = [
        Number(here),
        Memory(&mut path),
        Memory(&mut handle),
        Memory(&mut mount),
        Number(0),
    ];
    call(libc::SYS_name_to_handle_at, &mut arguments)?;
    let mut arguments = [
        Number(root.as_raw_fd() as u64),
        Memory(&mut handle),
        Number(0),
    ];
    done(call(libc::SYS_open_by_handle_at, &mut arguments))
}

/// The kernel's time zone, which needs the right to set the clock.
fn set_time() -> io::Result<Value> {
    let mut zone = [0; 8];
    let mut arguments = [Number(0), Memory(&mut zone)];
    done(call(libc::SYS_settimeofday, &mut arguments))
}

/// Types a letter into a terminal that whoever started this could be sitting at.
fn terminal(request: libc::c_ulong) -> io::Result<Value> {
    let terminal = nix::pty::openpty(None, None)?;
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(&terminal.slave)?;
    let mut arguments = [
        Number(terminal.slave.as_raw_fd() as u64),
        Number(request),
        Memory(&mut [b'x'; 8]),
    ];
    let result = call(libc::SYS_ioctl, &mut arguments);
    // Its end would be a hangup of this session.
    std::mem::forget(terminal);
    done(result)
}

/// Opens a terminal over and over, which makes it that of this session if it is nobody's.
fn seize(path: &str) -> ! {
    // What comes of it when it ends.
    let mut hangup = SigSet::empty();
    hangup.add(Signal::SIGHUP);
    let _ = hangup.thread_block();
    loop {
        let _ = std::fs::set_permissions(path, PermissionsExt::from_mode(0o666));
        let _ = File::options().read(true).write(true).open(path);
    }
}
