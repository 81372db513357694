//! Between the host's terminal and one of the container's own.
//!
//! The host's terminal is never handed in: what comes from it is copied to the
//! master side of the other, and back. While it is in use it is in raw mode, so
//! that every key, Ctrl-C among them, means what it means in there; it gets its
//! old mode back when [`HostTerminal`] is dropped.

use std::io::{self, IsTerminal, stderr, stdin, stdout};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};
use rustix::termios::{
    OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// While nobody in the container has its terminal open: how long until the next
/// look.
const AGAIN: Duration = Duration::from_millis(100);

/// How long the last output is waited for.
const LAST: Duration = Duration::from_secs(1);

/// A connection over which the knot hands the master over.
pub struct HandOver {
    own: OwnedFd,
    /// The knot's end.
    pub container: OwnedFd,
}

/// Makes the connection.
pub fn hand_over() -> io::Result<HandOver> {
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let (own, container) = socketpair(AddressFamily::UNIX, kind, flags, None)?;
    Ok(HandOver { own, container })
}

impl HandOver {
    /// Waits for the master; none: the knot has failed before, and tells why.
    pub fn receive(self) -> Option<OwnedFd> {
        let Self { own, container } = self;
        drop(container);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut bytes = [rustix::io::IoSliceMut::new(&mut byte)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        rustix::io::retry_on_intr(|| recvmsg(&own, &mut bytes, &mut control, flags)).ok()?;
        control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        })
    }
}

/// Which of 0, 1 and 2 are terminals, and the mode to give back.
pub struct HostTerminal {
    terminals: [bool; 3],
    before: Option<Termios>,
}

impl HostTerminal {
    /// Looks at 0, 1 and 2, and changes nothing.
    pub fn find() -> Self {
        let terminals = [
            stdin().is_terminal(),
            stdout().is_terminal(),
            stderr().is_terminal(),
        ];
        let before = None;
        Self { terminals, before }
    }

    /// Those that are terminals.
    pub fn numbers(&self) -> Vec<RawFd> {
        (0..)
            .zip(self.terminals)
            .filter(|(_, is)| *is)
            .map(|(number, _)| number)
            .collect()
    }

    /// Its size.
    fn size(&self) -> Option<Winsize> {
        let size = |is: bool, fd: BorrowedFd<'_>| is.then(|| tcgetwinsize(fd).ok()).flatten();
        let [zero, one, two] = self.terminals;
        size(one, stdout().as_fd())
            .or_else(|| size(zero, stdin().as_fd()))
            .or_else(|| size(two, stderr().as_fd()))
    }

    /// From here on every key comes as it is; if keys come at all.
    fn make_raw(&mut self) -> io::Result<()> {
        if self.terminals[0] && self.before.is_none() {
            let before = tcgetattr(stdin())?;
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
            self.before = Some(before);
        }
        Ok(())
    }

    /// Back to the mode it had.
    fn give_back(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = tcsetattr(stdin(), OptionalActions::Drain, &before);
        }
    }

    /// Where output of the container's terminal is written to.
    fn write(&self, bytes: &[u8]) -> rustix::io::Result<usize> {
        match self.terminals {
            [_, true, _] => rustix::io::write(stdout(), bytes),
            [_, false, true] => rustix::io::write(stderr(), bytes),
            // Only what is typed is left of it; this shows the echo.
            _ => rustix::io::write(stdin(), bytes),
        }
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What goes to and fro.
pub struct Exchange<'a> {
    host: &'a mut HostTerminal,
    master: OwnedFd,
    /// Typed, and not yet taken by the container.
    typed: Vec<u8>,
    /// Whether more can be typed.
    input: bool,
    /// Nobody in the container has the terminal open just now.
    quiet: bool,
}

impl<'a> Exchange<'a> {
    /// Makes the container's terminal as large as the host's, and that one raw.
    pub fn begin(master: OwnedFd, host: &'a mut HostTerminal) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        host.make_raw()?;
        let exchange = Self {
            master,
            typed: Vec::new(),
            input: host.terminals[0],
            host,
            quiet: false,
        };
        exchange.resize();
        Ok(exchange)
    }

    /// The host's terminal has another size.
    pub fn resize(&self) {
        if let Some(size) = self.host.size() {
            let _ = tcsetwinsize(&self.master, size);
        }
    }

    /// Gives the host's terminal back for a while.
    pub fn give_back(&mut self) {
        self.host.give_back();
    }

    /// Takes it again, whatever size it has now.
    pub fn take_again(&mut self) {
        // Without the terminal there is nothing to be typed or shown.
        let _ = self.host.make_raw();
        self.resize();
    }

    /// What to poll for.
    pub fn awaited(&self) -> Vec<PollFd<'_>> {
        let mut awaited = Vec::new();
        if !self.quiet {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, !self.typed.is_empty());
            awaited.push(PollFd::new(&self.master, flags));
        }
        if self.input && self.typed.is_empty() {
            awaited.push(PollFd::from_borrowed_fd(standard_input(), PollFlags::IN));
        }
        awaited
    }

    /// How long to poll.
    pub fn timeout(&self) -> Option<Timespec> {
        self.quiet.then(|| timespec(AGAIN))
    }

    /// Copies what can be copied without waiting.
    pub fn go_on(&mut self) {
        self.quiet = false;
        self.read_typed();
        if !self.typed.is_empty() {
            match rustix::io::write(&self.master, &self.typed) {
                Ok(written) => drop(self.typed.drain(..written)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => self.quiet = true,
            }
        }
        self.show();
    }

    /// Shows what is left once nobody writes any more.
    pub fn finish(&mut self) {
        let deadline = std::time::Instant::now() + LAST;
        self.quiet = false;
        while !self.quiet && std::time::Instant::now() < deadline {
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            let _ = poll(&mut fds, Some(&timespec(AGAIN)));
            self.show();
        }
    }

    fn read_typed(&mut self) {
        if !self.input || !self.typed.is_empty() {
            return;
        }
        let mut fds = [PollFd::from_borrowed_fd(standard_input(), PollFlags::IN)];
        // Not to wait: others may read the same terminal.
        if !matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1)) {
            return;
        }
        let mut bytes = [0; CHUNK];
        match rustix::io::read(stdin(), &mut bytes) {
            Ok(0) => self.input = false,
            Ok(count) => self.typed.extend(&bytes[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.input = false,
        }
    }

    fn show(&mut self) {
        let mut bytes = [0; CHUNK];
        match rustix::io::read(&self.master, &mut bytes) {
            Ok(0) => self.quiet = true,
            Ok(count) => self.write_all(&bytes[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EIO: nobody has the other side open.
            Err(_) => self.quiet = true,
        }
    }

    /// What nobody can see any more is lost.
    fn write_all(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.host.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return,
            }
        }
    }
}

fn standard_input() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs().cast_signed(),
        tv_nsec: time.subsec_nanos().into(),
    }
}
