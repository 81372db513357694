//! Running the program, with and without a terminal.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use crate::vector_file::key_path;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lithos_crypt");

/// What a run gave.
pub struct Run {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The run, having checked its exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Run {
        assert_eq!(self.code, code, "stderr: {}", self.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code().expect("the program was killed"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program with this standard input.
pub fn run<S: AsRef<OsStr>>(arguments: &[S], stdin: &[u8]) -> Run {
    feed(Command::new(PROGRAM).args(arguments), stdin)
}

/// Runs the program in a session of its own, so that it has no terminal even
/// if the tests have one.
pub fn run_without_terminal(arguments: &[&str], stdin: &[u8]) -> Run {
    feed(
        Command::new("setsid").args(["-w", PROGRAM]).args(arguments),
        stdin,
    )
}

pub fn feed(command: &mut Command, stdin: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap().into()
}

/// Seals with the key alpha, quietly.
pub fn seal(namespace: &str, secret: &[u8]) -> String {
    seal_to("alpha", namespace, secret)
}

/// The same with another key of the vectors.
pub fn seal_to(name: &str, namespace: &str, secret: &[u8]) -> String {
    let run = run(
        &[
            "encrypt",
            "--exact",
            "-k",
            &key(&format!("{name}.pub")),
            "-n",
            namespace,
        ],
        secret,
    );
    run.expect_code(0).text().trim_end().to_owned()
}

/// The path of a key of the vectors.
pub fn key(name: &str) -> String {
    path_text(key_path(name))
}

/// A path as text.
pub fn path_text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

/// The program on a pseudo-terminal of its own, made by `script`.
pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    /// All that was on the screen up to now.
    pub screen: String,
}

impl Terminal {
    /// Starts the program there, without colours; no argument may need quoting.
    pub fn start(arguments: &[&str]) -> Terminal {
        Terminal::start_with(arguments, &[("NO_COLOR", "1"), ("TERM", "xterm")])
    }

    /// The same with these variables.
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Terminal {
        let line = format!("{PROGRAM} {}", arguments.join(" "));
        Terminal::open(&line, |command| command.envs(variables.iter().copied()))
    }

    /// Runs a line of a shell there.
    pub fn open(line: &str, prepare: impl FnOnce(&mut Command) -> &mut Command) -> Terminal {
        let mut command = Command::new("script");
        command
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--echo",
                "always",
                "--command",
                line,
            ])
            .arg("/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = prepare(&mut command).spawn().unwrap();
        let keyboard = child.stdin.take().unwrap();
        Terminal {
            child,
            keyboard,
            screen: String::new(),
        }
    }

    /// Waits for a prompt that ends like this, then types a line.
    pub fn answer(&mut self, prompt: &str, line: &str) {
        let stdout = self.child.stdout.as_mut().unwrap();
        while !self.screen.ends_with(prompt) {
            let mut byte = [0];
            assert_eq!(
                stdout.read(&mut byte).unwrap(),
                1,
                "no prompt in {:?}",
                self.screen
            );
            self.screen.push(char::from(byte[0]));
        }
        // The prompt is there just before the terminal stops to show input.
        std::thread::sleep(Duration::from_millis(300));
        self.keyboard
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits for the end; the exit code and the whole screen.
    pub fn finish(mut self) -> (i32, String) {
        let mut rest = Vec::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut rest)
            .unwrap();
        self.screen.push_str(&String::from_utf8_lossy(&rest));
        (self.child.wait().unwrap().code().unwrap(), self.screen)
    }
}
