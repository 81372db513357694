//! The ground that a test stands on: a directory of its own with the four
//! kinds of files, an image with the probe, and the real `lithos_tree` over it.
//!
//! A test writes what it is about; what it does not write has the same meaning
//! in all of them: sandbox `shop`, process `web`, image `probe`, user 1000.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lithos_crypt::{Namespace, PublicKey};

use crate::probe::probe;
use crate::tree::Tree;

/// Keys for tests only, with which the token vectors are made too.
pub const KEYS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lithos_crypt/tests/vectors/keys"
);

/// Directories and files that the image has besides the probe.
const DIRECTORIES: [&str; 13] = [
    "bin",
    "config",
    "data",
    "data/inner",
    "dev",
    "etc",
    "proc",
    "secrets",
    "shared",
    "state",
    "sys",
    "tmp",
    "work",
];

/// A sandbox whose containers have a root of their own, an ordinary user outside.
pub const OWN_ROOT: &str = "uid-map: [{ inside: 0, outside: 50000, count: 1000 }]\n\
     gid-map: [{ inside: 0, outside: 60000, count: 1000 }]\n\
     allow-users: [0-999]\nallow-groups: [0-999]\ndefault-user: 0\ndefault-group: 0";

/// A directory with everything that one supervisor needs.
pub struct Ground {
    root: PathBuf,
}

impl Ground {
    /// Whether real containers can be run here; says so if not.
    pub fn possible() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
            assert!(!must, "LITHOS_TEST_ROOT=1, but this is not root");
            // Past the test runner's capture, which hides what passing tests print.
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "SKIP {name}: containers need root");
        }
        root
    }

    /// None, and says so, if real containers cannot be run here.
    pub fn new() -> Option<Self> {
        if !Self::possible() {
            return None;
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lithos-test.{}.{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let ground = Self { root };
        ground.lay();
        Some(ground)
    }

    fn lay(&self) {
        for directory in ["sandboxes", "processes", "run", "log", "host"] {
            fs::create_dir_all(self.path(directory)).unwrap();
        }
        self.image("probe");
        self.key("alpha", 0o600);
        self.master("");
        self.sandbox("");
        self.processes("web: { image: probe, config: /config/web.yaml }");
    }

    /// A path below this ground.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file below this ground, and the directories that lead to it.
    pub fn write(&self, below: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Makes a directory of the host with this owner and mode.
    pub fn directory(&self, below: &str, uid: u32, mode: u32) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(uid), Some(uid)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// An image with the probe in it.
    pub fn image(&self, name: &str) {
        for directory in DIRECTORIES {
            fs::create_dir_all(self.path(&format!("images/{name}/{directory}"))).unwrap();
        }
        self.write(&format!("images/{name}/etc/hosts"), "");
        self.write(&format!("images/{name}/etc/resolv.conf"), "");
        fs::copy(probe(), self.path(&format!("images/{name}/bin/probe"))).unwrap();
    }

    /// `keys/NAME` and `keys/NAME.pub`.
    pub fn key(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(&format!("keys/{name}"));
        for suffix in ["", ".pub"] {
            let text = fs::read(format!("{KEYS}/{name}{suffix}")).unwrap();
            self.write(&format!("keys/{name}{suffix}"), text);
        }
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A token for the key of this name.
    pub fn seal(&self, key: &str, namespace: &str, secret: &str) -> String {
        let text = fs::read_to_string(format!("{KEYS}/{key}.pub")).unwrap();
        let namespace: Namespace = namespace.parse().unwrap();
        let key = PublicKey::from_openssh(&text).unwrap();
        key.seal(&namespace, secret.as_bytes()).unwrap().to_string()
    }

    /// A thousand secrets of two tokens each, which the key `alpha` opens.
    pub fn thousand_secrets(&self) -> String {
        let tokens = ["one", "other"].map(|secret| self.seal("alpha", "", secret));
        let entry = |number| format!("  SECRET_{number}: ['{}', '{}']\n", tokens[0], tokens[1]);
        let entries: String = (0..1000).map(entry).collect();
        format!("secret-environ:\n{entries}")
    }

    /// Puts another private key in the place of `alpha`.
    pub fn replace_key(&self) {
        let text = fs::read(format!("{KEYS}/beta")).unwrap();
        self.write("keys/alpha", text);
    }

    /// The master config, with these lines besides the directories.
    pub fn master(&self, lines: &str) {
        let lines = if lines.contains("cgroup-name") {
            lines.to_owned()
        } else {
            format!("cgroup-name: null\n{lines}")
        };
        let text = format!(
            "runtime-dir: {root}/run\ndefault-log-dir: {root}/log\n\
             config-log-dir: {root}/log/config\nstdio-log-dir: {root}/log/stdio\n{lines}\n",
            root = self.root.display()
        );
        self.write("master.yaml", text);
    }

    /// The sandbox `shop`, with these lines besides.
    pub fn sandbox(&self, lines: &str) {
        self.sandbox_named("shop", lines);
    }

    /// Another sandbox.
    pub fn sandbox_named(&self, name: &str, lines: &str) {
        let mut text = format!("image-dir: {}/images\n", self.root.display());
        for (key, default) in [
            ("allow-users", "[1-70000]"),
            ("allow-groups", "[0-70000]"),
            ("default-user", "1000"),
            ("default-group", "1000"),
            (
                "secrets-private-key",
                &format!("{}/keys/alpha", self.root.display()),
            ),
        ] {
            if !lines.contains(key) {
                text += &format!("{key}: {default}\n");
            }
        }
        self.write(&format!("sandboxes/{name}.yaml"), text + lines + "\n");
    }

    /// The process config of the sandbox `shop`.
    pub fn processes(&self, text: &str) {
        self.write("processes/shop.yaml", text);
    }

    /// The container config `/config/web.yaml` of the image `probe`: the
    /// probe, with these lines besides.
    pub fn container(&self, lines: &str) {
        self.container_named("web", lines);
    }

    /// Another container config of the image `probe`.
    pub fn container_named(&self, name: &str, lines: &str) {
        let executable = if lines.contains("executable:") {
            ""
        } else {
            "executable: /bin/probe\n"
        };
        self.write(
            &format!("images/probe/config/{name}.yaml"),
            format!("{executable}{lines}\n"),
        );
    }

    /// Starts the supervisor.
    pub fn start(&self) -> Tree<'_> {
        Tree::start(self)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(
                std::io::stderr(),
                "left for a look: {}",
                self.root.display()
            );
        } else {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}
