//! What `resolve` must know of the host and of the image, and how it is found out.
//!
//! [`resolve::questions`](crate::resolve::questions) says what is needed,
//! [`Answers`] looks, and [`resolve`](crate::resolve::resolve) decides. What is
//! found is a snapshot: the knot checks again what can change under it. Nothing
//! here opens a private key, or follows a path that an image or a container can
//! influence except beneath a descriptor (see [`view`]).

pub mod image;
pub mod program;
pub mod view;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lithos_crypt::{Day, PublicKey, ShortHash};
use rustix::fs::{Access, CWD, FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;

use crate::cause::Cause;
use crate::resolve::paths;
use crate::resolve::plan::MountSource;
use crate::sys::procfs;
use program::Program;
use view::View;

/// What must be known to resolve one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// The image's directory on the host.
    pub image: PathBuf,
    /// The mounts to come, in their order.
    pub mounts: Vec<Planned>,
    /// Paths inside the container, once everything is mounted.
    pub paths: BTreeSet<PathBuf>,
    /// What is to be executed, inside the container.
    pub executable: PathBuf,
    /// Files and directories on the host; trusted paths.
    pub host_paths: BTreeSet<PathBuf>,
    /// Private key files on the host; trusted paths.
    pub key_files: BTreeSet<PathBuf>,
    /// Whether the host's public name and address matter.
    pub public_host: bool,
    /// The bridge whose addresses matter.
    pub bridge: Option<String>,
}

/// A mount to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Absolute inside the container, as written.
    pub target: PathBuf,
    /// What is mounted; none: that is not known, because there is a problem with it.
    pub what: Option<MountSource>,
}

/// The answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The image's directory.
    pub image: Seen,
    /// For each mount, in the same order.
    pub mounts: Vec<MountFacts>,
    /// For each path inside the container.
    pub paths: BTreeMap<PathBuf, Sight>,
    /// What is to be executed.
    pub program: Program,
    /// For each path on the host.
    pub host_paths: BTreeMap<PathBuf, Seen>,
    /// For each private key file.
    pub key_files: BTreeMap<PathBuf, KeyFile>,
    /// The host's own name and its address, if it has one that resolves.
    pub public_host: Option<(String, Option<IpAddr>)>,
    /// The addresses of the bridge; none: there is no such bridge here.
    pub bridge: Option<Vec<IpAddr>>,
    /// The most open files that the kernel allows a process, if that is known.
    pub open_files_max: Option<u64>,
    /// The current day.
    pub today: Day,
}

/// What was found about one mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFacts {
    /// The mount point, before the mount is made.
    pub target: Sight,
    /// The directory on the host; none: it is no host directory.
    pub host: Option<Seen>,
    /// Whether the maintainer's directory itself, the base, is there.
    pub base: bool,
}

/// What a path on the host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Something of this kind.
    Found(Found),
    /// Nothing.
    Missing,
    /// It leads out of the directory that it must stay beneath.
    LeadsOut,
    /// It can never be used: a loop of symbolic links, a file in the place of a directory.
    Broken(String),
    /// This user may not look.
    Unknown(String),
}

impl Seen {
    /// Why nothing can be done with it: for a message, after the path.
    pub fn why(&self) -> String {
        match self {
            Self::Found(_) => "it is of another kind".to_owned(),
            Self::Missing => "it does not exist".to_owned(),
            Self::LeadsOut => "it leads out".to_owned(),
            Self::Broken(why) | Self::Unknown(why) => why.clone(),
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What kind of file.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Whether an access control list says more than the mode.
    pub listed: bool,
}

/// What may be done to a file: the bits of its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Writing a file, or the entries of a directory.
    Write = 2,
    /// Executing a file, or going through a directory.
    Execute = 1,
}

impl Found {
    /// Whether the mode gives this right to a user without capabilities
    /// (path_resolution(7)). An access control list may give it, too.
    pub fn allows(&self, uid: u32, gid: u32, right: Right) -> bool {
        let bits = match (self.uid == uid, self.gid == gid) {
            (true, _) => self.mode >> 6,
            (false, true) => self.mode >> 3,
            (false, false) => self.mode,
        };
        self.listed || bits & right as u32 != 0
    }

    fn listed(self, listed: bool) -> Self {
        Self { listed, ..self }
    }
}

/// The kinds of file that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// What a path inside the container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What is there.
    pub seen: Seen,
    /// Where it really is once symbolic links are followed, as far as it exists.
    pub path: PathBuf,
    /// The number of the mount it lies on; none: the image itself.
    pub mount: Option<usize>,
    /// Only its last component is missing, if anything is.
    pub in_directory: bool,
    /// The directories that were gone through on the way, the last one last.
    pub way: Vec<(PathBuf, Found)>,
}

/// What was found about a private key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The file itself.
    pub seen: Seen,
    /// Whether this user may read it.
    pub readable: bool,
    /// The public key beside it, `KEY.pub`; not looked at where the file itself can be read.
    pub public: PublicHalf,
}

/// What the file beside a private key file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicHalf {
    /// There is none, or none that matters.
    Missing,
    /// The hashes of the public keys in it.
    Hashes(Vec<ShortHash>),
    /// It is no list of OpenSSH Ed25519 public keys.
    Broken(String),
}

/// The answers of one moment: what was looked at once is not looked at again.
#[derive(Debug, Default)]
pub struct Answers {
    last: Option<(Questions, Rc<Facts>)>,
    known: Known,
}

/// What is the same whoever asks, and takes its time to find out: a name that is
/// looked up may take seconds.
#[derive(Debug, Default)]
struct Known {
    key_files: BTreeMap<PathBuf, KeyFile>,
    public_host: OnceCell<Option<(String, Option<IpAddr>)>>,
}

impl Answers {
    /// Looks at the host and the image. Many processes ask the same.
    pub fn of(&mut self, questions: Questions) -> Rc<Facts> {
        if let Some((asked, facts)) = &self.last
            && *asked == questions
        {
            return Rc::clone(facts);
        }
        let facts = Rc::new(answer(&questions, &mut self.known));
        self.last = Some((questions, Rc::clone(&facts)));
        facts
    }
}

fn answer(questions: &Questions, known: &mut Known) -> Facts {
    let (image, root) = directory(&questions.image);
    let mut view = View::new(root);
    let mounts = questions.mounts.iter().map(|m| view.mount(m)).collect();
    let paths = questions.paths.iter();
    Facts {
        image,
        mounts,
        paths: paths.map(|path| (path.clone(), view.look(path))).collect(),
        program: program::look(&view, &questions.executable),
        host_paths: each(&questions.host_paths, |path| seen(stat(path))),
        key_files: each(&questions.key_files, |path| {
            let known = known.key_files.entry(path.to_owned());
            known.or_insert_with_key(|path| key_file(path)).clone()
        }),
        public_host: match questions.public_host {
            true => known.public_host.get_or_init(public_host).clone(),
            false => None,
        },
        bridge: questions.bridge.as_deref().and_then(bridge_addresses),
        open_files_max: open_files_max(),
        today: Day::today(),
    }
}

/// proc(5): a ceiling for RLIMIT_NOFILE.
fn open_files_max() -> Option<u64> {
    let text = procfs::text("/proc/sys/fs/nr_open").ok()?;
    text.trim().parse().ok()
}

fn each<T>(paths: &BTreeSet<PathBuf>, mut look: impl FnMut(&Path) -> T) -> BTreeMap<PathBuf, T> {
    paths
        .iter()
        .map(|path| (path.clone(), look(path)))
        .collect()
}

/// A directory on the host, at a trusted path.
fn directory(path: &Path) -> (Seen, Option<std::os::fd::OwnedFd>) {
    match open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => {
            let seen = seen(fstat(&fd).map(Found::from));
            let is_directory = matches!(&seen, Seen::Found(f) if f.kind == Kind::Directory);
            (seen, is_directory.then_some(fd))
        }
        Err(err) => (seen(Err(err)), None),
    }
}

fn stat(path: &Path) -> Result<Found, Errno> {
    rustix::fs::stat(path).map(Found::from)
}

fn seen(result: Result<Found, Errno>) -> Seen {
    match result {
        Ok(found) => Seen::Found(found),
        Err(Errno::NOENT) => Seen::Missing,
        Err(Errno::XDEV) => Seen::LeadsOut,
        Err(err @ (Errno::ACCESS | Errno::PERM)) => Seen::Unknown(text(err)),
        Err(err) => Seen::Broken(text(err)),
    }
}

/// What an error says, in the way of our messages.
fn text(err: Errno) -> String {
    match err {
        Errno::ACCESS | Errno::PERM => "permission denied".to_owned(),
        Errno::NOTDIR => "a part of the path is not a directory".to_owned(),
        Errno::LOOP => "too many symbolic links".to_owned(),
        err => Cause(&err.into()).to_string(),
    }
}

impl From<rustix::fs::Stat> for Found {
    fn from(stat: rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            _ => Kind::Other,
        };
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            listed: false,
        }
    }
}

fn key_file(path: &Path) -> KeyFile {
    let access = rustix::fs::accessat(CWD, path, Access::READ_OK, rustix::fs::AtFlags::EACCESS);
    let readable = access.is_ok();
    KeyFile {
        seen: seen(stat(path)),
        readable,
        public: match readable {
            true => PublicHalf::Missing,
            false => public_half(&paths::public_key(path)),
        },
    }
}

/// Longer than any list of public keys that makes sense.
const PUBLIC_KEYS_MAX: u64 = 1 << 20;

fn public_half(path: &Path) -> PublicHalf {
    let regular = matches!(stat(path), Ok(found) if found.kind == Kind::File);
    let Some(file) = File::open(path).ok().filter(|_| regular) else {
        return PublicHalf::Missing;
    };
    let mut text = String::new();
    if let Err(err) = file.take(PUBLIC_KEYS_MAX).read_to_string(&mut text) {
        return PublicHalf::Broken(err.to_string());
    }
    let lines = text.lines().map(str::trim);
    let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    match keys
        .map(PublicKey::from_openssh)
        .collect::<Result<Vec<_>, _>>()
    {
        Ok(keys) => PublicHalf::Hashes(keys.iter().map(PublicKey::hash).collect()),
        Err(err) => PublicHalf::Broken(err.to_string()),
    }
}

fn public_host() -> Option<(String, Option<IpAddr>)> {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().ok()?.to_owned();
    let address = (name.as_str(), 0).to_socket_addrs().ok();
    let address = address.and_then(|mut list| list.next()).map(|a| a.ip());
    Some((name, address))
}

fn bridge_addresses(bridge: &str) -> Option<Vec<IpAddr>> {
    let interfaces: Vec<_> = nix::ifaddrs::getifaddrs().ok()?.collect();
    let mut ours = interfaces
        .iter()
        .filter(|i| i.interface_name == bridge)
        .peekable();
    ours.peek()?;
    Some(
        ours.filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .collect(),
    )
}
