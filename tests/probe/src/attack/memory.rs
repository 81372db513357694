//! Other processes: their memory, descriptors and registers.

use std::fs::{self, File};
use std::io;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

use super::raw::Argument::Number;
use super::raw::call;
use super::{Outcome, done, number};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "trace" => trace(object),
        "trace-child" => with_child(|child| trace(&child.to_string())),
        "read-memory" => read_memory(object),
        "read-child-memory" => with_child(|child| read_memory(&child.to_string())),
        "write-child-memory" => with_child(write_memory),
        "take-descriptor" => take_descriptor(object),
        "compare" => compare(object),
        "environment-of" => environment_of(object),
        _ => return None,
    };
    Some(result)
}

fn pid(object: &str) -> io::Result<Pid> {
    Ok(Pid::from_raw(number(object)?))
}

/// A child of this program that waits, killed afterwards.
pub fn with_child(act: impl FnOnce(i32) -> io::Result<Value>) -> io::Result<Value> {
    struct Killed(Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut child = Command::new("/proc/self/exe");
    let child = Killed(child.arg("sleep").stdout(Stdio::null()).spawn()?);
    act(child.0.id().cast_signed())
}

fn trace(object: &str) -> io::Result<Value> {
    done(ptrace::attach(pid(object)?))
}

/// A page in which the stack of whoever it is lies, if its maps can be read; else
/// any address, since being allowed comes first.
fn address_in(pid: Pid) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let stack = maps.lines().find(|line| line.ends_with("[stack]"));
    let end = stack.and_then(|line| line.split(['-', ' ']).nth(1));
    let end = end.and_then(|hex| usize::from_str_radix(hex, 16).ok());
    end.unwrap_or(1 << 22) - 64
}

fn read_memory(object: &str) -> io::Result<Value> {
    let pid = pid(object)?;
    let mut bytes = [0; 8];
    let there = RemoteIoVec {
        base: address_in(pid),
        len: bytes.len(),
    };
    done(process_vm_readv(
        pid,
        &mut [io::IoSliceMut::new(&mut bytes)],
        &[there],
    ))
}

fn write_memory(child: i32) -> io::Result<Value> {
    let pid = Pid::from_raw(child);
    let there = RemoteIoVec {
        base: address_in(pid),
        len: 8,
    };
    done(process_vm_writev(
        pid,
        &[io::IoSlice::new(&[0; 8])],
        &[there],
    ))
}

/// Its standard input.
fn take_descriptor(object: &str) -> io::Result<Value> {
    let pid = rustix::process::Pid::from_raw(number(object)?);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    let there = pidfd_open(pid, PidfdFlags::empty())?;
    done(pidfd_getfd(there, 0, PidfdGetfdFlags::empty()))
}

/// Whether it has the same memory (`KCMP_VM`), which tells where the kernel keeps it.
fn compare(object: &str) -> io::Result<Value> {
    let mut arguments = [number(object)?, std::process::id().into(), 1, 0, 0].map(Number);
    done(call(libc::SYS_kcmp, &mut arguments))
}

/// The variables that a process was started with.
fn environment_of(object: &str) -> io::Result<Value> {
    let mut text = String::new();
    io::Read::read_to_string(
        &mut File::open(format!("/proc/{object}/environ"))?,
        &mut text,
    )?;
    Ok(json!(text.replace('\0', "\n")))
}
