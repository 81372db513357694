//! A complete tree of configs, an image and keys, in a directory of its own.
//! As it is made, nothing is wrong with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lithos_crypt::PublicKey;

/// What must never be printed.
pub const PLAINTEXT: &str = "correct-horse-battery";

pub struct Stage {
    dir: tempfile::TempDir,
}

/// How a run ended.
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    pub fn new() -> Self {
        let stage = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for directory in ["bin", "config", "etc", "proc", "sys", "dev", "data"] {
            fs::create_dir_all(stage.path(&format!("images/web/{directory}"))).unwrap();
        }
        fs::write(stage.path("images/web/bin/web"), crate::program::header()).unwrap();
        stage.mode("images/web/bin/web", 0o755);
        fs::create_dir(stage.path("data")).unwrap();
        stage.write("etc/master.yaml", "cgroup-name: null\n");
        stage.write("etc/sandboxes/shop.yaml", &stage.sandbox());
        stage.write(
            "etc/processes/shop.yaml",
            "web: { image: web, config: /config/web.yaml, instances: 2 }\n",
        );
        stage.container("");
        stage
    }

    /// The sandbox config.
    pub fn sandbox(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "image-dir: {dir}/images\nallow-users: [1000]\nallow-groups: [1000]\n\
             allow-tcp-ports: [8000-8999]\nlimits: {{ memory: 1Gi }}\n\
             readonly-paths: {{ /data: {dir}/data }}\n\
             resolv-conf: {dir}/etc/master.yaml\nhosts-file: {dir}/etc/master.yaml\n"
        )
    }

    /// Adds a line to the sandbox config.
    pub fn add_to_sandbox(&self, line: &str) {
        self.write(
            "etc/sandboxes/shop.yaml",
            &format!("{}{line}\n", self.sandbox()),
        );
    }

    /// Writes the container config, with more lines.
    pub fn container(&self, more: &str) {
        let text = format!("executable: /bin/web\nuser-id: 1000\ngroup-id: 1000\n{more}");
        self.write("images/web/config/web.yaml", &text);
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes the sandbox use a key of `tests/keys`: both halves, or one.
    pub fn key(&self, name: &str, private: bool) {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("lithos_crypt/tests/vectors/keys");
        let public = fs::read_to_string(keys.join(format!("{name}.pub"))).unwrap();
        self.write("shop.key.pub", &public);
        if private {
            fs::copy(keys.join(name), self.path("shop.key")).unwrap();
            self.mode("shop.key", 0o600);
        }
        let file = self.path("shop.key");
        self.add_to_sandbox(&format!("secrets-private-key: {}", file.display()));
    }

    /// A token of [`PLAINTEXT`], sealed to a key of `tests/keys`.
    pub fn token(&self, key: &str, namespace: &str) -> String {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("lithos_crypt/tests/vectors/keys");
        let public = fs::read_to_string(keys.join(format!("{key}.pub"))).unwrap();
        let public = PublicKey::from_openssh(&public).unwrap();
        let token = public.seal(&namespace.parse().unwrap(), PLAINTEXT.as_bytes());
        token.unwrap().to_string()
    }

    /// Runs `lithos_check` with the stage's master config.
    pub fn check(&self, args: &[&str]) -> Outcome {
        let master = self.path("etc/master.yaml");
        run(&[&["-C", master.to_str().unwrap()], args].concat())
    }

    /// Asserts that nothing is wrong.
    pub fn accepted(&self) -> Outcome {
        let outcome = self.check(&[]);
        assert_eq!(outcome.status, 0, "{}{}", outcome.stdout, outcome.stderr);
        outcome
    }

    /// Asserts that it is refused, with this among the reasons.
    pub fn refused(&self, message: &str) -> Outcome {
        let outcome = self.check(&[]);
        assert_eq!(outcome.status, 1, "{}{}", outcome.stdout, outcome.stderr);
        assert!(
            outcome.stderr.contains(message),
            "no {message:?} in {}",
            outcome.stderr
        );
        outcome
    }
}

pub fn run(args: &[&str]) -> Outcome {
    let program = env!("CARGO_BIN_EXE_lithos_check");
    let output = Command::new(program).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let outcome = Outcome {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(
        !printed.contains(PLAINTEXT),
        "a plaintext was printed: {printed}"
    );
    outcome
}
