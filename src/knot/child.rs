//! The process's own side of its start: it takes on what the plan gives it,
//! gives up everything else, opens the secrets, and executes the program.
//!
//! It never returns. The exec, or its exit, destroys every trace of the knot,
//! the private keys and the plaintexts in its memory.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::Path;

use lithos_crypt::Label;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::setsid;
use rustix::fs::{FileType, Mode, OFlags, fstat, makedev};
use rustix::process::{Resource, fchdir, getcwd, getrlimit};

use super::cgroup::Doors;
use super::confine;
use super::environment;
use super::executable::Executable;
use super::failure::{Attempt, Failure};
use super::process::Start;
use crate::sys::beneath::open_in_root;
use crate::sys::{descriptor, disposition, memory, mount};

/// Becomes the container's process, or tells `tell` why it cannot.
pub fn run(start: &Start<'_>, doors: &Doors, ready: OwnedFd, tell: OwnedFd) -> ! {
    disposition::reset_all();
    let _ = SigSet::empty().thread_set_mask();
    let begun = begin_session(start);
    if wait_for_go(ready).is_err() {
        // The knot has failed, and tells it itself.
        std::process::exit(125);
    }
    // Out of the way of every number that the process is to have.
    let above = start.plan.sockets.iter().map(|socket| socket.fd + 1).max();
    let above = above.unwrap_or(0).max(3) as RawFd;
    let tell = rustix::io::fcntl_dupfd_cloexec(&tell, above).unwrap_or(tell);
    let Err(failure) = begun.and_then(|()| become_process(start, doors, &tell));
    let line = serde_json::to_vec(&failure.report()).expect("a report is always JSON");
    let _ = File::from(tell).write_all(&line);
    std::process::exit(failure.status().into());
}

/// Before anybody else may open the terminal: then it could be another session's.
fn begin_session(start: &Start<'_>) -> Result<(), Failure> {
    setsid().cannot("begin", "a session")?;
    match &start.terminal {
        Some(terminal) => terminal.control(),
        None => Ok(()),
    }
}

/// Lets the knot know that the session has begun, and waits for it.
fn wait_for_go(ready: OwnedFd) -> io::Result<()> {
    let mut ready = File::from(ready);
    ready.write_all(b"!")?;
    ready.read_exact(&mut [0])
}

fn become_process(start: &Start<'_>, doors: &Doors, tell: &OwnedFd) -> Result<Infallible, Failure> {
    let plan = start.plan;
    if !plan.secrets.is_empty() {
        // Best effort: without the right to, secrets may reach the swap of a machine
        // whose memory runs out just now. As early as there is least to lock.
        let _ = memory::lock_all(getrlimit(Resource::Memlock).current.is_none());
    }
    doors.enter()?;
    match &start.joined {
        Some(joined) => joined.enter()?,
        // From here on its own cgroup is the root of those it sees.
        None => unshare(CloneFlags::CLONE_NEWCGROUP).cannot("make", "a cgroup namespace")?,
    }
    start.confinement.apply()?;
    if let Some(joined) = &start.joined {
        joined.end_with_parent()?;
    }
    let root = mount::open_directory(Path::new("/")).cannot("open", "/")?;
    let descriptors = descriptors(start, &root)?;
    enter_workdir(&root, &plan.process.workdir)?;
    let executable = Executable::find(&root, &plan.process)?;
    let arguments = environment::arguments(&plan.process)?;
    let mut variables = environment::plain(plan)?;
    if !plan.secrets.is_empty() {
        let files = start.secret_files.iter().zip(&plan.secrets.files);
        let opened = start.keys.open_secrets(&plan.secrets)?;
        if plan.secrets.is_open() {
            tell_opened(tell, &opened.labels).cannot("tell", "which tokens were opened")?;
        }
        environment::add_secrets(&mut variables, opened.environ)?;
        for ((fd, file), content) in files.zip(opened.files) {
            fill(fd, &content).cannot_at("write the secret", &file.path)?;
        }
    }
    let variables = variables.into_values().collect::<Vec<_>>();
    descriptor::close_all_on_exec().cannot("close", "what is not the process's")?;
    descriptor::place(descriptors).cannot("place", "the file descriptors")?;
    confine::limit(&plan.limits, start.memlock).cannot("set", "the resource limits")?;
    executable.execute(&arguments, &variables)
}

/// A line before any other, for the audit log.
fn tell_opened(tell: &OwnedFd, labels: &[Label]) -> io::Result<()> {
    let labels = labels.iter().map(Label::to_string);
    let mut line = serde_json::to_vec(&labels.collect::<Vec<_>>())?;
    line.push(b'\n');
    File::from(tell.try_clone()?).write_all(&line)
}

/// The kernel has seen to the file's owner and mode; its mount is read-only, but
/// not where it was opened from.
fn fill(file: &OwnedFd, content: &[u8]) -> io::Result<()> {
    File::from(file.try_clone()?).write_all(content)
}

/// Every descriptor of the process and its number.
fn descriptors(start: &Start<'_>, root: &OwnedFd) -> Result<Vec<(RawFd, OwnedFd)>, Failure> {
    let plan = start.plan;
    let mut descriptors = Vec::new();
    for (socket, fd) in plan.sockets.iter().zip(start.sockets) {
        let fd = fd.try_clone().cannot("pass the socket", socket.address)?;
        descriptors.push((socket.fd as RawFd, fd));
    }
    let [stdin, stdout, stderr] = standard(start, root)?;
    if !plan.sockets.iter().any(|socket| socket.fd == 0) {
        descriptors.push((0, stdin));
    }
    descriptors.extend([(1, stdout), (2, stderr)]);
    Ok(descriptors)
}

fn standard(start: &Start<'_>, root: &OwnedFd) -> Result<[OwnedFd; 3], Failure> {
    let stdio = &start.plan.stdio;
    if stdio.interactive {
        let given = [
            (0, io::stdin().as_fd().try_clone_to_owned()),
            (1, io::stdout().as_fd().try_clone_to_owned()),
            (2, io::stderr().as_fd().try_clone_to_owned()),
        ];
        let [stdin, stdout, stderr] = given.map(|(number, fd)| {
            let terminal = start.terminal.as_ref();
            match terminal.and_then(|terminal| terminal.instead_of(number)) {
                Some(terminal) => terminal,
                None => fd.cannot("keep", "standard input and output"),
            }
        });
        return Ok([stdin?, stdout?, stderr?]);
    }
    let output = match &stdio.file {
        Some(path) => open_output(root, path)?,
        None => start.stdio.try_clone().cannot("pass", "the stdio log")?,
    };
    let again = output.try_clone().cannot("pass", "the output")?;
    Ok([open_null(root)?, output, again])
}

/// The container's own null device, and nothing that is only called so.
pub fn open_null(root: &OwnedFd) -> Result<OwnedFd, Failure> {
    let fd = open_in_root(
        root,
        Path::new("/dev/null"),
        OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK,
        Mode::empty(),
    );
    let fd = fd.cannot("open", "/dev/null in the container")?;
    let found = fstat(&fd).cannot("look at", "/dev/null in the container")?;
    let device = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
    if device && found.st_rdev == makedev(1, 3) {
        rustix::fs::fcntl_setfl(&fd, OFlags::empty())
            .cannot("open", "/dev/null in the container")?;
        return Ok(fd);
    }
    Err(Failure::Kind {
        action: "use",
        object: "/dev/null in the container".to_owned(),
        fault: "it is not the null device",
        hint: "the devfs-dir needs the usual devices",
    })
}

/// `stdout-stderr-file`, opened with the process's own ids.
fn open_output(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Failure> {
    // Non-blocking, since whoever can write the volume may have put a FIFO there.
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = open_in_root(root, path, flags, Mode::from_raw_mode(0o644))
        .cannot_at("open the stdout-stderr-file", path)?;
    let found = fstat(&fd).cannot_at("look at the stdout-stderr-file", path)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Failure::Kind {
            action: "use the stdout-stderr-file",
            object: path.display().to_string(),
            fault: "it is not a regular file",
            hint: "it must be a regular file, or not be there",
        });
    }
    rustix::fs::fcntl_setfl(&fd, OFlags::APPEND).cannot_at("use the stdout-stderr-file", path)?;
    Ok(fd)
}

/// The working directory, opened with the process's own ids.
fn enter_workdir(root: &OwnedFd, path: &Path) -> Result<(), Failure> {
    let directory = open_in_root(root, path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
        .cannot_at("open the workdir", path)?;
    fchdir(&directory).cannot_at("enter the workdir", path)?;
    let inside = getcwd(Vec::new()).cannot_at("look at the workdir", path)?;
    if inside.to_bytes().starts_with(b"/") {
        return Ok(());
    }
    Err(Failure::Kind {
        action: "enter the workdir",
        object: path.display().to_string(),
        fault: "it is outside the container",
        hint: "`workdir` is a directory inside the image",
    })
}
