//! Asking git, through its program.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::failure::Failure;
use super::recipients::FILE_NAME;
use super::survey::{self, Surveyed};
use super::{paths, rewrite};
use crate::document::Document;

/// Runs git in this directory; its standard output.
pub fn run<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Result<Vec<u8>, Failure> {
    let output = output(directory, arguments)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it failed");
    Err(failed(said.trim_start_matches("fatal: ")))
}

fn output<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Result<Output, Failure> {
    let mut command = Command::new("git");
    command
        .current_dir(or_here(directory))
        .args(arguments)
        .stdin(Stdio::null());
    command.output().map_err(|error| failed(&error.to_string()))
}

/// The parent of a mere file name is empty.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    }
}

/// The same, as one line of text.
pub fn line<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Result<String, Failure> {
    let output = run(directory, arguments)?;
    Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
}

fn failed(said: &str) -> Failure {
    Failure::Program {
        program: "git".to_owned(),
        said: said.to_owned(),
    }
}

/// A revision that exists, as its commit's full name.
pub fn commit(directory: &Path, revision: &str) -> Result<String, Failure> {
    let wanted = format!("{revision}^{{commit}}");
    let arguments = [
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &wanted,
    ];
    line(directory, &arguments).map_err(|_| {
        let reason = "git knows no such revision".to_owned();
        Failure::Refused {
            what: format!("find the revision `{revision}`"),
            reason,
        }
    })
}

/// A file's content in a revision; `None` if it is not there.
pub fn show(directory: &Path, revision: &str, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    Objects::open(directory)?.read(revision, path)
}

/// The commits of a range that changed a file, the newest first, under whatever
/// name it had: the fields of `format`, and the file's names before and after.
pub fn log(
    file: &Path,
    format: &str,
    range: &str,
) -> Result<Vec<(Vec<String>, PathBuf, PathBuf)>, Failure> {
    let format = format!("--format=%x1e{}", format.replace(' ', "%x1f"));
    // Of merges, those that made something else of the file than either side has.
    let options = [
        "-c",
        "core.quotePath=false",
        "log",
        "--follow",
        "--date-order",
        "-c",
        "--name-status",
        &format,
        range,
        "--",
    ];
    let mut arguments: Vec<_> = options.map(OsStr::new).into();
    arguments.push(file.file_name().unwrap_or_default());
    let log = run(file.parent().unwrap_or(Path::new("")), &arguments)?;
    let log = String::from_utf8_lossy(&log);
    let record = |record: &str| {
        let (head, names) = record.split_once('\n').unwrap_or((record, ""));
        let mut names = names
            .trim_matches('\n')
            .split('\t')
            .skip(1)
            .map(PathBuf::from);
        let before = names.next()?;
        let after = names.next().unwrap_or_else(|| before.clone());
        let fields = head.split('\u{1f}').map(str::to_owned).collect();
        Some((fields, before, after))
    };
    Ok(log.split('\u{1e}').skip(1).filter_map(record).collect())
}

/// The YAML files of a revision, below the directory.
pub fn tree(directory: &Path, revision: &str) -> Result<Vec<Surveyed>, Failure> {
    let listed = run(directory, &["ls-tree", "-r", "-z", "--name-only", revision])?;
    let mut objects = Objects::open(directory)?;
    let mut files = Vec::new();
    for path in names(&listed) {
        if !survey::is_yaml(&path) {
            continue;
        }
        let content = objects.read(revision, &Path::new(".").join(&path))?;
        if let Some(bytes) = content.filter(|bytes| survey::may_hold_secrets(bytes)) {
            files.push(survey::parse(path, bytes)?);
        }
    }
    Ok(files)
}

/// The YAML files that are about to be committed in the whole repository, as
/// they will be; all of them if it changes who their recipients are.
pub fn staged() -> Result<Vec<Surveyed>, Failure> {
    let Index { root, mut objects } = Index::open()?;
    let here = std::env::current_dir().map_err(|error| failed(&error.to_string()))?;
    // A file that was renamed is gone from where it was.
    let arguments = ["diff", "--cached", "--name-only", "--no-renames", "-z"];
    let mut listed = run(&root, &arguments)?;
    if names(&listed).any(|path| path.file_name().is_some_and(|name| name == FILE_NAME)) {
        listed = run(&root, &["ls-files", "-z", "--cached"])?;
    }
    let secrets_files = named_as_secrets(&root, &mut objects)?;
    let mut files = Vec::new();
    for name in names(&listed) {
        let path = paths::relative(&here, &root.join(&name));
        if rewrite::settle(&path)? {
            return Err(Failure::Refused {
                what: "accept what is staged".to_owned(),
                reason: "it was half of a change; see `git status`, and add it again".to_owned(),
            });
        }
        let is_named = secrets_files.contains(&name);
        if (is_named || survey::is_yaml(&name))
            && let Some(bytes) = objects.read("", &name)?
            && (is_named || survey::may_hold_secrets(&bytes))
        {
            let Surveyed { path, document } = survey::parse(path, bytes)?;
            let document = if is_named {
                document.as_secrets_file()
            } else {
                document
            };
            files.push(Surveyed { path, document });
        }
    }
    Ok(files)
}

/// The paths that git lists with `-z`.
fn names(listed: &[u8]) -> impl Iterator<Item = PathBuf> {
    let names = listed.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    names.map(|name| PathBuf::from(OsStr::from_bytes(name)))
}

/// What configs of the index name as `secret-environ-file`, from the root.
fn named_as_secrets(root: &Path, objects: &mut Objects) -> Result<HashSet<PathBuf>, Failure> {
    let pattern = "secret[-_]environ[-_]file";
    let arguments = [
        "grep", "--cached", "-l", "-z", "-e", pattern, "--", "*.yaml", "*.yml",
    ];
    let mut found = HashSet::new();
    // Its status is 1 if it finds nothing; what fails otherwise has failed before.
    for config in names(&output(root, &arguments)?.stdout) {
        let content = objects.read("", &config)?;
        let document = content.and_then(|bytes| Document::parse(bytes).ok());
        let named = document.as_ref().and_then(|document| {
            let way = document.text_under("secret-environ-file")?;
            paths::joined(config.parent()?, Path::new(way))
        });
        found.extend(named);
    }
    Ok(found)
}

/// What is about to be committed, by the files' places.
pub struct Index {
    /// The root of the working tree.
    root: PathBuf,
    objects: Objects,
}

impl Index {
    /// That of this directory's repository.
    pub fn open() -> Result<Index, Failure> {
        let here = Path::new(".");
        let root = line(here, &["rev-parse", "--show-toplevel"])?;
        Ok(Index {
            root: root.into(),
            objects: Objects::open(here)?,
        })
    }

    /// A file's content; `None` if it is not there.
    pub fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match path.strip_prefix(&self.root) {
            Ok(path) => self.objects.read("", path),
            Err(_) => Ok(None),
        }
    }
}

/// One git that gives many objects.
pub struct Objects {
    child: std::process::Child,
    stdin: std::process::ChildStdin,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Objects {
    pub fn open(directory: &Path) -> Result<Objects, Failure> {
        let mut command = Command::new("git");
        command
            .current_dir(or_here(directory))
            .args(["cat-file", "--batch"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let none = || failed("it has no standard streams");
        let stdin = child.stdin.take().ok_or_else(none)?;
        let stdout = BufReader::new(child.stdout.take().ok_or_else(none)?);
        Ok(Objects {
            child,
            stdin,
            stdout,
        })
    }

    /// A file's content in a revision; `None` if it is not there.
    pub fn read(&mut self, revision: &str, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let name = [revision.as_bytes(), b":", path.as_os_str().as_bytes()].concat();
        if name.contains(&b'\n') {
            return Ok(None);
        }
        let mut ask = || -> std::io::Result<Option<Vec<u8>>> {
            self.stdin.write_all(&[&name[..], b"\n"].concat())?;
            let mut head = String::new();
            self.stdout.read_line(&mut head)?;
            let mut words = head.trim_end().rsplit(' ');
            let (size, kind) = (words.next().unwrap_or_default(), words.next());
            let (Some("blob"), Ok(size)) = (kind, size.parse::<u64>()) else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            (&mut self.stdout).take(size).read_to_end(&mut bytes)?;
            self.stdout.read_exact(&mut [0])?;
            Ok(Some(bytes))
        };
        ask().map_err(|error| failed(&error.to_string()))
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it only waits for more
        let _ = self.child.wait();
    }
}
