//! Files: what is hidden or read-only, devices, and ways around paths.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::libc;
use rustix::fs::{CWD, FileType, Mode, inotify, makedev, mknodat};
use serde_json::{Value, json};

use super::{Outcome, done, number, text};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "open-to-write" => open_to_write(object),
        "open-first-to-write" => open_first_to_write(object),
        "some-of" => some_of(object),
        "entries" => entries(object),
        "links" => links(object),
        "make-device" => make_device(object),
        "make-file" => done(File::create(object)),
        "make-link" => make_link(object),
        "remove" => done(fs::remove_file(object)),
        "copy-and-execute" => copy_and_execute(object),
        "files-until-full" => files_until_full(object),
        "set-id-of-output" => done(rustix::fs::fchmod(
            std::io::stdout(),
            Mode::from_raw_mode(0o4777),
        )),
        "watchers" => number(object)
            .and_then(watchers)
            .map(|all| json!(all.len())),
        "hold-watchers" => hold_watchers(),
        "terminals" => terminals(object),
        "descriptors" => descriptors(),
        "overwrite" => overwrite(object),
        "touch" => touch(object),
        _ => return None,
    };
    Some(result)
}

/// Writes nothing: that it could is enough.
fn open_to_write(path: &str) -> io::Result<Value> {
    let mut options = OpenOptions::new();
    done(
        options
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path),
    )
}

/// The first of these that there is, of cgroups below one of the two hierarchies.
fn open_first_to_write(names: &str) -> io::Result<Value> {
    let paths = names
        .split(',')
        .map(|name| format!("/sys/fs/cgroup/{name}"));
    let mut there = paths.filter(|path| fs::exists(path).unwrap_or(false));
    open_to_write(&there.next().ok_or(io::ErrorKind::NotFound)?)
}

/// `nothing`, or `something`: the first bytes of files without end are enough.
fn some_of(path: &str) -> io::Result<Value> {
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let got = file.read(&mut [0; 64])?;
    text(if got == 0 { "nothing" } else { "something" })
}

/// The same of a directory.
fn entries(path: &str) -> io::Result<Value> {
    let found = fs::read_dir(path)?.count();
    text(if found == 0 { "nothing" } else { "something" })
}

/// Where each link of a directory leads.
fn links(path: &str) -> io::Result<Value> {
    let links = fs::read_dir(path)?.map(|entry| fs::read_link(entry?.path()));
    let links = links.collect::<io::Result<Vec<_>>>()?;
    Ok(json!(links))
}

/// The null device: what holds for it, holds for disks.
fn make_device(path: &str) -> io::Result<Value> {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, path, FileType::CharacterDevice, mode, makedev(1, 3))?;
    let made = File::open(path);
    let _ = fs::remove_file(path);
    done(made)
}

/// A second name of this program, in a directory that can be written.
fn make_link(path: &str) -> io::Result<Value> {
    done(fs::hard_link("/bin/probe", path))
}

/// A program of one's own, brought in through a volume.
fn copy_and_execute(path: &str) -> io::Result<Value> {
    fs::write(path, fs::read("/proc/self/exe")?)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let status = std::process::Command::new(path).arg("exit=0").status();
    let _ = fs::remove_file(path);
    done(status)
}

/// How the kernel ends it; at most 20,000 files.
fn files_until_full(directory: &str) -> io::Result<Value> {
    for number in 0..20_000 {
        File::create(format!("{directory}/{number}"))?;
    }
    text("never full")
}

/// So many inotify instances.
fn watchers(count: usize) -> io::Result<Vec<OwnedFd>> {
    let make = || inotify::init(inotify::CreateFlags::empty());
    Ok((0..count).map(|_| make()).collect::<Result<_, _>>()?)
}

/// All that can be had, until this process ends; how many.
fn hold_watchers() -> io::Result<Value> {
    let mut count = 0;
    while let Ok(mut one) = watchers(1) {
        count += 1;
        std::mem::forget(one.pop());
    }
    Ok(json!(count))
}

/// So many at a time.
fn terminals(object: &str) -> io::Result<Value> {
    let mut all = Vec::new();
    for _ in 0..number(object)? {
        let mut options = OpenOptions::new();
        let terminal = options.read(true).write(true);
        all.push(terminal.custom_flags(libc::O_NOCTTY).open("/dev/ptmx")?);
    }
    text("opened")
}

/// Whatever is open that is neither the null device nor a log or a pipe as
/// standard output: a list.
fn descriptors() -> io::Result<Value> {
    let mut strange = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        let path = entry.path();
        let (Ok(what), Ok(target)) = (fs::metadata(&path), fs::read_link(&path)) else {
            continue; // the one that reads the directory
        };
        let number: i32 = entry.file_name().to_string_lossy().parse().unwrap_or(-1);
        let ordinary = number <= 2
            && (what.is_file() || what.file_type().is_fifo() || target.starts_with("/dev/null"));
        let own = target.starts_with("/proc");
        if !ordinary && !own {
            strange.push(format!("{number} is {}", target.display()));
        }
    }
    Ok(json!(strange.join(", ")))
}

/// By the way of CVE-2019-5736: the running program through its magic link.
fn overwrite(path: &str) -> io::Result<Value> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    done(file.write_all(b""))
}

fn touch(path: &str) -> io::Result<Value> {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    done(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        rustix::fs::AtFlags::empty(),
    ))
}
