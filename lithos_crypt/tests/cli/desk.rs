//! A directory with files, keys and a recipients file to work on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{self, Run, key, path_text};
use crate::vector_file::key_path;

/// A directory of the test's own.
pub struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    /// An empty one.
    pub fn new() -> Desk {
        let directory = tempfile::tempdir().unwrap();
        Desk { directory }
    }

    /// One with a recipients file: `*.yaml` is for `myapp`, sealed to the
    /// group prod of alpha and beta; gamma is known.
    pub fn with_recipients() -> Desk {
        let desk = Desk::new();
        let [alpha, beta, gamma] = ["alpha", "beta", "gamma"].map(public_text);
        let text = format!(
            "# ours\nkeys:\n  alpha: {alpha}\n  beta: {beta}\n  gamma: {gamma}\ngroups:\n  prod: [alpha, beta]\nfiles:\n  \"*.yaml\": {{ namespaces: [myapp, other], recipients: [prod] }}\n"
        );
        desk.write("lithos-keys.yaml", &text);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text_path(&self, name: &str) -> String {
        path_text(self.path(name))
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the program in this directory.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &[u8]) -> Run {
        support::feed(self.command().args(arguments), stdin)
    }

    /// The program, to be run in this directory.
    pub fn command(&self) -> Command {
        let mut command = Command::new(support::PROGRAM);
        command.current_dir(self.root());
        command
    }

    /// Runs another program here, which must succeed; its standard output.
    pub fn call(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        let output = command
            .current_dir(self.root())
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sets a secret for the key alpha or as the recipients file says.
    pub fn set(&self, file: &str, name: &str, value: &str) -> String {
        std::fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        let listed = self.path("lithos-keys.yaml").exists();
        let alpha = key("alpha.pub");
        let keys = if listed { &[][..] } else { &["-k", &alpha] };
        let arguments = [&["set", file, name, "--exact"], keys].concat();
        self.run(&arguments, value.as_bytes())
            .expect_code(0)
            .text()
            .to_owned()
    }

    /// What a secret's value is, with a key of the vectors.
    pub fn get(&self, identity: &str, file: &str, name: &str) -> Run {
        self.run(&["get", "-i", &key(identity), file, name], b"")
    }

    /// The names of all files here.
    pub fn names(&self) -> Vec<String> {
        self.names_in("")
    }

    /// The names of all files in a directory of it.
    pub fn names_in(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(directory)).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The line of a public key of the vectors.
pub fn public_text(name: &str) -> String {
    let text = std::fs::read_to_string(key_path(&format!("{name}.pub"))).unwrap();
    text.trim_end().to_owned()
}

/// All tokens in a text.
pub fn tokens(text: &str) -> Vec<String> {
    let words = text.split([' ', '\n', ',', '[', ']', '"', '\'', '{', '}']);
    words
        .filter(|word| word.starts_with("v2:"))
        .map(str::to_owned)
        .collect()
}
