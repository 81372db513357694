//! What the probe tries to do.

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, raise};
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

use crate::sight;

/// One deed that may fail.
pub fn attempt(verb: &str, object: &str) -> io::Result<Value> {
    match verb {
        "read" => Ok(json!(String::from_utf8_lossy(&fs::read(object)?))),
        "list" => list(object),
        "write" => write(object),
        "fill" => fill(object),
        "execute" => execute(object),
        "unmount" => done(unmount(object, UnmountFlags::DETACH)),
        "remount" => done(mount_remount(object, MountFlags::empty(), "")),
        "output" => output(object),
        "chroot" => done(rustix::process::chroot(object)),
        "grab" => grab(object),
        "bind" => bind(object),
        "connect" => connect(object),
        "become" => done(rustix::thread::set_thread_uid(uid(object)?)),
        "kill" => kill(object),
        "orphan" => orphan(),
        "ignore-term" => ignore_term(),
        _ => Err(io::Error::other(format!("the probe knows no {verb}"))),
    }
}

fn done(result: rustix::io::Result<()>) -> io::Result<Value> {
    Ok(result.map(|()| json!("done"))?)
}

fn uid(text: &str) -> io::Result<rustix::process::Uid> {
    let number = text.parse().map_err(io::Error::other)?;
    Ok(rustix::process::Uid::from_raw(number))
}

fn list(path: &str) -> io::Result<Value> {
    let mut entries = serde_json::Map::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let about = entry.metadata()?;
        entries.insert(
            entry.file_name().to_string_lossy().into_owned(),
            json!({
                "mode": format!("{:o}", about.mode()),
                "uid": about.uid(),
                "gid": about.gid(),
                "size": about.size(),
            }),
        );
    }
    Ok(entries.into())
}

fn write(path: &str) -> io::Result<Value> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    file.write_all(b"the probe was here\n")?;
    Ok(json!("done"))
}

/// The bytes that fit, up to 64 MiB.
fn fill(path: &str) -> io::Result<Value> {
    let mut file = fs::File::create(path)?;
    let chunk = vec![0; 1 << 16];
    for written in 0..1024 {
        if file.write_all(&chunk).is_err() {
            return Ok(json!({ "full-after": written << 16 }));
        }
    }
    Ok(json!("never full"))
}

fn execute(path: &str) -> io::Result<Value> {
    let status = Command::new(path).arg("exit=0").status()?;
    Ok(json!(status.to_string()))
}

/// What the program reports, being this one.
fn output(path: &str) -> io::Result<Value> {
    let output = Command::new(path).arg("report").output()?;
    let line: Value = serde_json::from_slice(&output.stdout)?;
    Ok(line["result"].clone())
}

/// One of its own descriptors, in the way that a debugger takes another's.
fn grab(fd: &str) -> io::Result<Value> {
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    let fd = fd.parse().map_err(io::Error::other)?;
    pidfd_getfd(this, fd, PidfdGetfdFlags::empty())?;
    Ok(json!("done"))
}

fn bind(port: &str) -> io::Result<Value> {
    let port: u16 = port.parse().map_err(io::Error::other)?;
    TcpListener::bind(("127.0.0.1", port))?;
    Ok(json!("done"))
}

/// To an abstract Unix socket of this name.
fn connect(name: &str) -> io::Result<Value> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    Ok(json!("done"))
}

fn kill(signal: &str) -> io::Result<Value> {
    let number: i32 = signal.parse().map_err(io::Error::other)?;
    raise(Signal::try_from(number)?)?;
    Ok(json!("survived"))
}

/// Leaves a sleeping grandchild whose parent has ended, and tells its pid.
fn orphan() -> io::Result<Value> {
    if std::env::var_os("PROBE_MIDDLE").is_none() {
        let this = std::env::current_exe()?;
        let mut middle = Command::new(this);
        let output = middle
            .arg("orphan")
            .env("PROBE_MIDDLE", "1")
            .stderr(Stdio::null())
            .output()?;
        let line: Value = serde_json::from_slice(&output.stdout)?;
        return Ok(line["result"].clone());
    }
    let mut child = Command::new(std::env::current_exe()?);
    let child = child.arg("sleep").stdout(Stdio::null()).spawn()?;
    Ok(json!({ "orphan": child.id() }))
}

/// Blocks SIGTERM, which comes to the same as ignoring it.
fn ignore_term() -> io::Result<Value> {
    SigSet::from_iter([Signal::SIGTERM]).thread_block()?;
    Ok(json!("done"))
}

/// For ever.
pub fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Answers every client with this container's name and pid.
pub fn serve(fd: i32) -> ! {
    let socket = sight::own(fd).expect("an inherited socket");
    let listener = TcpListener::from(socket);
    let name = std::env::var("LITHOS_NAME").unwrap_or_default();
    for client in listener.incoming() {
        match client {
            Ok(mut client) => drop(writeln!(client, "{name} {}", std::process::id())),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    sleep()
}
