//! The only module that joins configured paths.
//!
//! A path written by someone who is trusted less is never joined to one on the
//! host: it stays apart, as [`HostPath::below`], and is opened beneath it.
//! It does not look at the file system.

use std::path::{Component, Path, PathBuf};

use super::plan::HostPath;
use crate::config::master::Master;
use crate::config::sandbox::Sandbox;
use crate::name::Name;

/// Where lithos itself keeps things: the master config, with its directories
/// made absolute, and where credentials are.
#[derive(Debug, Clone)]
pub struct Home {
    /// The master config's own path, absolute.
    pub file: PathBuf,
    /// As written.
    pub master: Master,
    /// Absolute, like all that follow.
    pub sandboxes_dir: PathBuf,
    /// Process configs.
    pub processes_dir: PathBuf,
    /// Pid file `master.pid`, sockets.
    pub runtime_dir: PathBuf,
    /// Records.
    pub state_dir: PathBuf,
    /// Mount point for new roots.
    pub mount_dir: PathBuf,
    /// The supervisor's log.
    pub log_file: PathBuf,
    /// `$CREDENTIALS_DIRECTORY` of this process, if it is set.
    pub credentials_dir: Option<PathBuf>,
}

impl Home {
    /// Where `$CREDENTIALS_DIRECTORY` is when it is not set.
    pub const CREDENTIALS: &str = "/run/credentials/lithos.service";

    /// The directories of a master config at `file`, which is absolute.
    pub fn new(file: PathBuf, master: Master, credentials_dir: Option<PathBuf>) -> Self {
        let config_dir = file.parent().unwrap_or(Path::new("/"));
        let sandboxes_dir = join(config_dir, &master.sandboxes_dir);
        let processes_dir = join(config_dir, &master.processes_dir);
        let runtime_dir = join(config_dir, &master.runtime_dir);
        Self {
            sandboxes_dir,
            processes_dir,
            state_dir: join(&runtime_dir, &master.state_dir),
            mount_dir: join(&runtime_dir, &master.mount_dir),
            log_file: join(&master.default_log_dir, &master.log_file),
            runtime_dir,
            credentials_dir,
            file,
            master,
        }
    }

    /// The config of the sandbox called `name`.
    pub fn sandbox_file(&self, name: &Name) -> PathBuf {
        self.sandboxes_dir.join(format!("{name}.yaml"))
    }

    /// The process config of a sandbox.
    pub fn process_file(&self, name: &Name, sandbox: &Sandbox) -> PathBuf {
        match &sandbox.config_file {
            Some(file) => join(&self.processes_dir, file),
            None => self.processes_dir.join(format!("{name}.yaml")),
        }
    }

    /// The supervisor's pid file, which it holds a lock on.
    pub fn pid_file(&self) -> PathBuf {
        self.runtime_dir.join("master.pid")
    }

    /// The socket on which the supervisor is asked what it does, and told.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime_dir.join("control.sock")
    }

    /// The socket from which the metrics are read.
    pub fn metrics_socket(&self) -> PathBuf {
        self.runtime_dir.join("metrics.sock")
    }

    /// What an operator holds.
    pub fn holds_file(&self) -> PathBuf {
        self.runtime_dir.join("holds.json")
    }

    /// Which secret was given to which start.
    pub fn audit_log(&self) -> PathBuf {
        self.master.default_log_dir.join("audit.log")
    }

    /// The supervisor's own log for a sandbox.
    pub fn sandbox_log(&self, name: &Name, sandbox: &Sandbox) -> PathBuf {
        match &sandbox.log_file {
            Some(file) => join(&self.master.default_log_dir, file),
            None => self.master.default_log_dir.join(format!("{name}.log")),
        }
    }

    /// Where stdout and stderr of a sandbox's containers go.
    pub fn stdio_log(&self, name: &Name) -> PathBuf {
        self.master.stdio_log_dir.join(format!("{name}.log"))
    }

    /// A private key file, with `$CREDENTIALS_DIRECTORY` at its start expanded.
    pub fn key_file(&self, written: &Path) -> PathBuf {
        match written.strip_prefix("$CREDENTIALS_DIRECTORY") {
            Ok(rest) => {
                let dir = self.credentials_dir.as_deref();
                join(dir.unwrap_or(Path::new(Self::CREDENTIALS)), rest)
            }
            Err(_) => written.to_owned(),
        }
    }
}

/// `path` as seen from `base`, both trusted; `.` components go.
fn join(base: &Path, path: &Path) -> PathBuf {
    base.join(path)
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

/// An image's directory: exactly `levels` components of a name below `image_dir`.
///
/// None if `image` is no such name. The name is joined only once it is known to
/// have no component that leads elsewhere.
pub fn image(image_dir: &Path, levels: u32, image: &Path) -> Option<PathBuf> {
    let text = image.to_str()?;
    let mut parts = 0;
    for part in text.split('/') {
        if matches!(part, "" | "." | "..") || part.contains('\0') {
            return None;
        }
        parts += 1;
    }
    (parts == levels).then(|| image_dir.join(text))
}

/// An absolute path in its plainest form: `/a/b` for `//a/./b/`.
pub fn plain(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

/// `virtual_path`, at or under the virtual directory `prefix` that stands for
/// `base` on the host.
pub fn beneath(base: &Path, prefix: &Path, virtual_path: &Path) -> Option<HostPath> {
    let below = virtual_path.strip_prefix(prefix).ok()?;
    Some(HostPath {
        base: base.to_owned(),
        below: below.to_owned(),
    })
}

/// The path on the host of a file of an image, for messages only.
pub fn in_image(image: &Path, path: &Path) -> PathBuf {
    image.join(from_root(path))
}

/// A host path as people know it, for messages only.
pub fn shown(host: &HostPath) -> PathBuf {
    plain(&host.base.join(&host.below))
}

/// `path` relative to `/`.
pub fn from_root(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

/// A secrets file inside the image, named relative to the directory of the
/// container config, which is absolute inside the image. `..` stays in it: it is
/// resolved beneath the image's root.
pub fn secrets_file(config: &Path, file: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("/")).join(file)
}

/// The public key beside a private key file: `KEY.pub`.
pub fn public_key(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_name_has_exactly_the_levels_asked_for() {
        let dir = Path::new("/images");
        let image = |levels, name: &str| super::image(dir, levels, Path::new(name));
        assert_eq!(image(1, "web"), Some("/images/web".into()));
        assert_eq!(image(2, "web/1.0"), Some("/images/web/1.0".into()));
        for (levels, name) in [
            (2, "web"),
            (1, "web/1.0"),
            (1, ""),
            (1, "."),
            (1, ".."),
            (2, "web/.."),
            (2, "./web"),
            (2, "../web"),
            (2, "web/"),
            (2, "/web"),
            (3, "a//b"),
            (1, "a\0b"),
        ] {
            assert_eq!(image(levels, name), None, "{levels} {name:?}");
        }
    }

    #[test]
    fn directories_are_relative_to_what_each_key_says() {
        let home = Home::new("/etc/lithos/master.yaml".into(), Master::default(), None);
        assert_eq!(home.sandboxes_dir, Path::new("/etc/lithos/sandboxes"));
        assert_eq!(home.state_dir, Path::new("/run/lithos/state"));
        assert_eq!(home.log_file, Path::new("/var/log/lithos/master.log"));
    }

    #[test]
    fn a_key_file_may_lie_among_the_credentials() {
        let mut home = Home::new("/m.yaml".into(), Master::default(), None);
        let key = Path::new("$CREDENTIALS_DIRECTORY/shop.key");
        let unset = "/run/credentials/lithos.service/shop.key";
        assert_eq!(home.key_file(key), Path::new(unset));
        home.credentials_dir = Some("/run/credentials/other".into());
        assert_eq!(
            home.key_file(key),
            Path::new("/run/credentials/other/shop.key")
        );
        assert_eq!(
            home.key_file(Path::new("/etc/shop.key")),
            Path::new("/etc/shop.key")
        );
    }
}
