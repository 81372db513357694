//! `firstboot`: from the key that came with an image to the machine's own.
//!
//! Each step leaves a state from which the whole can be repeated: the machine's
//! key appears whole, the files change all or none, and the bootstrap key goes
//! only when nothing is sealed to it any more. It is renamed before it is
//! overwritten, so a half overwritten key is known for what it is.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::failure::Failure;
use super::reseal::{self, Reseal};
use super::{key_files, keygen, leftovers, report, rewrite, survey, table};
use crate::{PrivateKey, PublicKey, ShortHash};

/// Seal an image's secrets to this machine's own key, and destroy the
/// bootstrap key
///
/// The machine's key is made if it is not there, with KEY.pub beside it. All
/// files are changed or none, and then the bootstrap key is overwritten and
/// removed. It can be interrupted at any point, and repeated.
///
/// The bootstrap key stays if a token in any file there is still sealed to it,
/// whatever the file's name, and behind links to directories, too; and if
/// nothing there is sealed to it or to the machine's key.
///
/// Copies of the bootstrap key, in the image above all, still open what the
/// image holds: values that must stay secret from who has the image must be
/// changed.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Options {
    /// The image's private key, which is destroyed
    #[arg(short = 'i', long = "bootstrap", value_name = "KEY")]
    bootstrap: PathBuf,

    /// The machine's private key
    #[arg(short, long = "key-file", value_name = "KEY")]
    key: PathBuf,

    /// Comment of the machine's key, if it is made
    #[arg(short = 'C', long, value_name = "TEXT", default_value = "")]
    #[arg(hide_default_value = true)]
    comment: String,

    /// Files or directories with the secrets
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

const EXAMPLE: &str = "\
Example:
  lithos_crypt firstboot -i /etc/lithos/keys/bootstrap \\
    -k /etc/lithos/keys/machine /var/lib/lithos/containers/shop-1.0/config";

/// Makes, re-seals, destroys.
pub fn run(options: Options) -> Result<(), Failure> {
    let Options { bootstrap, key, .. } = &options;
    let dying = beside(bootstrap, ".destroyed");
    let is_there = exists(bootstrap)?;
    if !is_there && !exists(&dying)? && !exists(key)? {
        let cause = io::Error::from(io::ErrorKind::NotFound);
        return Err(unreadable(bootstrap, cause));
    }
    refuse_links(bootstrap)?;
    let (_lock, machine) = machine_key(key, &options.comment)?;
    if exists(bootstrap)? {
        let old = key_files::read_private_keys(std::slice::from_ref(bootstrap))?;
        if old.iter().any(|old| old.hash() == machine.hash()) {
            return Err(Failure::Refused {
                what: format!("destroy `{}`", bootstrap.display()),
                reason: "it is the machine's own key".to_owned(),
            });
        }
        reseal(&options.paths, &old, &machine)?;
        refuse_too_early(&options, &old, &machine)?;
        let renamed = fs::rename(bootstrap, &dying).and_then(|()| sync_directory(&dying));
        renamed.map_err(|cause| unwritable(bootstrap, cause))?;
    } else if !is_there {
        report::note("the bootstrap key is gone already");
    }
    if exists(&dying)? {
        destroy(&dying).map_err(|cause| unwritable(&dying, cause))?;
    }
    table::out(&format!("{} {}\n", machine.hash(), key.display()))
}

/// The machine's key, made if it is not there; locked, so that of two of us
/// one waits.
fn machine_key(path: &Path, comment: &str) -> Result<(File, PublicKey), Failure> {
    if !exists(path)? {
        match keygen::make_private(path, comment) {
            Err(Failure::Exists { .. }) | Ok(()) => {} // another of us was faster
            Err(failure) => return Err(failure),
        }
    }
    let lock = File::open(path).and_then(|file| {
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    let lock = lock.map_err(|cause| unreadable(path, cause))?;
    let keys = key_files::read_private_keys(&[path.to_owned()])?;
    let public = keys.first().map(PrivateKey::public);
    let public = public.ok_or_else(|| unreadable(path, io::Error::other("no key is in it")))?;
    let beside = keygen::public_path(path);
    if !exists(&beside)? {
        let line = format!("{} {comment}", public.to_openssh());
        rewrite::create(&beside, 0o644, format!("{}\n", line.trim_end()).as_bytes())?;
    } else if key_files::read_public_key(&beside)?.hash() != public.hash() {
        return Err(Failure::Refused {
            what: format!("use `{}`", path.display()),
            reason: format!("`{}` is another key's", beside.display()),
        });
    }
    Ok((lock, public))
}

/// Seals to the machine what is sealed to the bootstrap key.
fn reseal(paths: &[PathBuf], old: &[PrivateKey], machine: &PublicKey) -> Result<(), Failure> {
    let files = reseal::files(paths)?;
    let plan = Reseal {
        old: hashes(old),
        new: vec![machine.clone()],
        keys: old,
        keep_old: false,
        prune: false,
    };
    let touched = reseal::change_all(&files, &[], false, |path, entry| plan.texts(entry, path))?;
    let changed = touched.iter().filter(|secret| secret.is_changed);
    let line = |secret: &reseal::Touched| {
        format!("changed {} in {}\n", secret.name, secret.path.display())
    };
    table::out(&changed.map(line).collect::<String>())
}

/// Makes sure that nothing needs the bootstrap key any more. If nothing is
/// sealed to the machine either, the files may not be there yet.
fn refuse_too_early(
    options: &Options,
    old: &[PrivateKey],
    machine: &PublicKey,
) -> Result<(), Failure> {
    let (old, key) = (hashes(old), options.bootstrap.clone());
    let mut is_anything_sealed = false;
    let mut places = options.paths.clone();
    for file in survey::read_all(&options.paths)? {
        for entry in file.document.entries() {
            for token in survey::tokens(&entry).into_iter().flatten() {
                if old.contains(&token.label().key) {
                    return Err(Failure::Meanwhile { path: file.path });
                }
                is_anything_sealed |= token.label().key == machine.hash();
            }
        }
        places.extend(file.secrets_file().filter(|path| path.is_file()));
    }
    if let Some(leftovers::Leftover { path, line }) = leftovers::first(&places, &old)? {
        return Err(Failure::StillSealed { key, path, line });
    }
    if !is_anything_sealed {
        return Err(Failure::NothingSealed { key });
    }
    Ok(())
}

fn hashes(keys: &[PrivateKey]) -> HashSet<ShortHash> {
    keys.iter().map(PrivateKey::hash).collect()
}

/// Overwrites a file, as far as the file system lets us, and removes it.
fn destroy(path: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut file = File::options().write(true).custom_flags(flags).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut noise = vec![0; length.min(1 << 20)];
    for _ in 0..2 {
        getrandom::fill(&mut noise).map_err(|_| io::Error::other("no randomness"))?;
        file.rewind()?;
        file.write_all(&noise)?;
        file.sync_all()?;
    }
    fs::remove_file(path)?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// A link would be removed, and the key behind it stay.
fn refuse_links(path: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::Refused {
            what: format!("destroy `{}`", path.display()),
            reason: "it is not a regular file".to_owned(),
        });
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, Failure> {
    path.try_exists().map_err(|cause| unreadable(path, cause))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn unreadable(path: &Path, cause: io::Error) -> Failure {
    Failure::ReadFile {
        what: "private key",
        path: path.to_owned(),
        cause,
    }
}

fn unwritable(path: &Path, cause: io::Error) -> Failure {
    Failure::WriteFile {
        path: path.to_owned(),
        cause,
    }
}
