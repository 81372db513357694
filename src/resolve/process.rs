//! What is executed: kind, image, executable, directories, environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Documents;
use super::access;
use super::delivery;
use super::environment::check_name;
use super::paths;
use super::plan::{Ids, Mount, MountSource, Secrets};
use super::ports;
use super::problems::{Doc, Problems, Spot};
use super::variables::{EnvText, Text, Values};
use crate::config::container::{Container, ContainerKind};
use crate::config::process::{Kind, Process};
use crate::config::sandbox::Sandbox;
use crate::config::secret::DIRECTORY;
use crate::facts::program::Format;
use crate::facts::{self, Facts, Right, Seen, Sight};

/// The kernel's bound for one argument or variable, its NUL included
/// (`MAX_ARG_STRLEN`).
const STRING_MAX: usize = 131_072;

/// A bound for all of them that the kernel takes whatever the stack's limit
/// (`execve(2)`: a quarter of 8 MiB), with room for the secrets.
const STRINGS_MAX: usize = 1_500_000;

/// A bound for the texts in all plans of a sandbox, which the supervisor keeps.
const KEPT_MAX: usize = 64 << 20;

/// What a text takes besides its own bytes.
const TEXT_KEPT: usize = 64;

const TOO_MUCH: &str = "the arguments and the environment are more than the kernel hands over";

/// The rules of a container config alone.
pub(super) fn alone(container: Doc<'_, Container>, problems: &mut Problems) {
    for (number, argument) in container.arguments.iter().enumerate() {
        check_string(
            argument,
            container.at(&["arguments"]).item(number),
            problems,
        );
    }
    for (name, value) in &container.environ {
        check_name(name, container.at(&["environ", name]).key(), problems);
        check_string(value, container.at(&["environ", name]), problems);
    }
}

fn check_string(text: &str, spot: Spot, problems: &mut Problems) {
    if text.len() >= STRING_MAX {
        problems.error(spot, "the kernel hands over no text of 128 KiB or more");
    }
}

/// The image's directory on the host.
pub(super) fn image(
    sandbox: Doc<'_, Sandbox>,
    process: Doc<'_, Process>,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let levels = sandbox.image_dir_levels;
    let image = paths::image(&sandbox.image_dir, levels, &process.image);
    if image.is_none() {
        problems
            .error(
                process.at(&["image"]),
                format!("an image's name has {levels} components here, none of them `.` or `..`"),
            )
            .hint(format!(
                "`image-dir-levels` of {} says how many, below `image-dir`",
                sandbox.file()
            ));
    }
    image
}

/// The paths inside the container that matter.
pub(super) fn paths(docs: &Documents<'_>) -> BTreeSet<PathBuf> {
    let container = docs.container;
    let file = container.stdout_stderr_file.as_ref();
    let all = [&container.executable, &container.workdir]
        .into_iter()
        .chain(file);
    all.map(|path| paths::plain(path)).collect()
}

/// Refuses what the documents do not agree about.
pub(super) fn kinds(docs: &Documents<'_>, problems: &mut Problems) {
    let agree = match docs.container.kind {
        ContainerKind::CommandOrDaemon => true,
        ContainerKind::Daemon => docs.process.kind == Kind::Daemon,
        ContainerKind::Command => docs.process.kind == Kind::Command,
    };
    if !agree {
        problems
            .error(
                docs.process.at(&["kind"]),
                format!(
                    "the process is a {:?}, but its container config {} is for a {:?}",
                    docs.process.kind,
                    docs.container.file(),
                    docs.container.kind
                ),
            )
            .hint("set the same `kind` in both, or `CommandOrDaemon` in the container config");
    }
}

/// Refuses an image that is not there.
pub(super) fn check_image(
    docs: &Documents<'_>,
    image: &Path,
    facts: &Facts,
    problems: &mut Problems,
) {
    let spot = docs.process.at(&["image"]);
    match &facts.image {
        Seen::Found(found) if found.kind == facts::Kind::Directory => {}
        Seen::Found(_) => {
            problems.error(
                spot,
                format!("the image {} is not a directory", image.display()),
            );
        }
        Seen::Unknown(why) => {
            let message = format!("cannot look into the image {}: {why}", image.display());
            problems.warning(spot, message);
        }
        seen => {
            let why = seen.why();
            problems.error(
                spot,
                format!("cannot use the image {}: {why}", image.display()),
            );
        }
    }
}

/// Refuses an executable that cannot be executed, for what it is, or what its
/// interpreters are.
pub(super) fn executable(
    docs: &Documents<'_>,
    mounts: &[Mount],
    ids: Option<&Ids>,
    facts: &Facts,
    problems: &mut Problems,
) {
    let path = &docs.container.executable;
    let Some(sight) = sight(path, facts) else {
        return;
    };
    let shown = path.display().to_string();
    let spot = docs.container.at(&["executable"]);
    let program = &facts.program;
    let mut runnable = Runnable {
        mounts,
        exec_volumes: docs.sandbox.confinement.allow_exec_volumes,
        ids,
        spot,
        missing: NOT_FOUND,
        problems,
    };
    let mut good = runnable.check(path, &shown, sight, &program.format);
    for (number, interpreter) in program.interpreters.iter().enumerate() {
        if !good {
            return;
        }
        let of = number
            .checked_sub(1)
            .map_or(path, |n| &program.interpreters[n].path);
        let shown = format!(
            "the interpreter {} of {}",
            interpreter.path.display(),
            of.display()
        );
        // As the kernel's own word for it is told: the program is there.
        runnable.missing = NOT_EXECUTABLE;
        good = runnable.check(
            &interpreter.path,
            &shown,
            &interpreter.sight,
            &interpreter.format,
        );
    }
}

/// What `lithos_cmd` ends with, as container engines do, if there is no program.
const NOT_FOUND: u8 = 127;
/// The same, if there is one, but it cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

/// What judges a file that is to be executed.
struct Runnable<'a> {
    mounts: &'a [Mount],
    exec_volumes: bool,
    ids: Option<&'a Ids>,
    spot: Spot,
    /// The status if it is not there.
    missing: u8,
    problems: &'a mut Problems,
}

impl Runnable<'_> {
    /// Whether it can be executed, as far as is known.
    fn check(&mut self, path: &Path, shown: &str, sight: &Sight, format: &Format) -> bool {
        if let (Seen::Found(_) | Seen::Unknown(_), Some(mount)) = (&sight.seen, self.noexec(sight))
        {
            let message = format!("{shown} lies on {mount}, from which nothing can be executed");
            return self.refuse(
                message,
                Some("ship the executable in the image"),
                NOT_EXECUTABLE,
            );
        }
        let found = match &sight.seen {
            Seen::Found(found) => found,
            Seen::Unknown(why) => {
                let message = format!("cannot look at {shown}: {why}");
                self.problems.warning(self.spot.clone(), message);
                return true;
            }
            seen => {
                let message = format!("cannot execute {shown}: {}", seen.why());
                return self.refuse(message, None, self.missing);
            }
        };
        if found.kind != facts::Kind::File {
            return self.refuse(
                format!("{shown} is not a regular file"),
                None,
                NOT_EXECUTABLE,
            );
        }
        if found.mode & 0o111 == 0 {
            let message = format!("{shown} is not executable: its mode is {:04o}", found.mode);
            return self.refuse(message, Some("chmod +x it in the image"), NOT_EXECUTABLE);
        }
        let ids = self.ids;
        if let Some(why) = ids.and_then(|ids| access::refusal(ids, path, sight, Right::Execute)) {
            let hint = "make it executable for everyone, with the directories that lead to it";
            return self.refuse(
                format!("{shown} cannot be executed: {why}"),
                Some(hint),
                NOT_EXECUTABLE,
            );
        }
        match format {
            Format::None => {
                let hint = "ship a program for Linux, or begin the script with `#!`";
                let message = format!("{shown} is neither a program nor a script");
                self.refuse(message, Some(hint), NOT_EXECUTABLE)
            }
            Format::Foreign => {
                let message = format!("{shown} is a program for another kind of machine");
                self.problems.warning(self.spot.clone(), message);
                true
            }
            Format::Runs | Format::Unknown => true,
        }
    }

    /// The mount it lies on, if that is one that nothing is executed from.
    fn noexec(&self, sight: &Sight) -> Option<String> {
        let mount = sight.mount.and_then(|number| self.mounts.get(number))?;
        let executable = match mount.what {
            MountSource::Tmpfs { .. } => true,
            MountSource::Readonly(_) | MountSource::Persistent { .. } => self.exec_volumes,
            _ => false,
        };
        (!executable).then(|| mount.target.display().to_string())
    }

    fn refuse(&mut self, message: String, hint: Option<&str>, status: u8) -> bool {
        let told = self.problems.error(self.spot.clone(), message);
        let told = told.status(status);
        match hint {
            Some(hint) => told.hint(hint),
            None => told.none(),
        }
        false
    }
}

/// Refuses a working directory that is none.
pub(super) fn workdir(
    docs: &Documents<'_>,
    ids: Option<&Ids>,
    facts: &Facts,
    problems: &mut Problems,
) {
    let spot = docs.container.at(&["workdir"]);
    let Some(sight) = sight(&docs.container.workdir, facts) else {
        return;
    };
    let path = &docs.container.workdir;
    let shown = path.display();
    match &sight.seen {
        Seen::Found(found) if found.kind == facts::Kind::Directory => {
            let why = ids.and_then(|ids| access::refusal(ids, path, sight, Right::Execute));
            if let Some(why) = why {
                problems.error(spot, format!("cannot work in {shown}: {why}"));
            }
        }
        Seen::Found(_) => {
            problems.error(spot, format!("{shown} is not a directory"));
        }
        Seen::Unknown(why) => {
            problems.warning(spot, format!("cannot look at {shown}: {why}"));
        }
        seen => {
            let message = format!("cannot work in {shown}: {}", seen.why());
            problems.error(spot, message);
        }
    }
}

/// Refuses a file for stdout and stderr that cannot be written.
pub(super) fn stdout_file(
    docs: &Documents<'_>,
    mounts: &[Mount],
    ids: Option<&Ids>,
    facts: &Facts,
    problems: &mut Problems,
) {
    let Some(file) = &docs.container.stdout_stderr_file else {
        return;
    };
    let Some(sight) = sight(file, facts) else {
        return;
    };
    let spot = docs.container.at(&["stdout-stderr-file"]);
    let shown = file.display();
    let mount = sight.mount.and_then(|number| mounts.get(number));
    let writable = mount.is_some_and(|mount| {
        use MountSource::{Persistent, Statedir, Tmpfs};
        matches!(
            mount.what,
            Persistent { .. } | Tmpfs { .. } | Statedir { .. }
        )
    });
    match &sight.seen {
        Seen::LeadsOut | Seen::Broken(_) => {
            let message = format!("cannot open {shown}: {}", sight.seen.why());
            problems.error(spot, message);
        }
        _ if !writable => problems
            .error(spot, format!("{shown} is not on a writable volume"))
            .hint("mount a `!Persistent`, `!Tmpfs` or `!Statedir` volume above it"),
        Seen::Found(found) if found.kind != facts::Kind::File => {
            problems.error(spot, format!("{shown} is not a regular file"));
        }
        Seen::Missing if !sight.in_directory => {
            let message = format!("the directory of {shown} does not exist");
            problems.error(spot, message);
        }
        Seen::Found(_) | Seen::Missing | Seen::Unknown(_) => {
            let why = ids.and_then(|ids| access::refusal(ids, file, sight, Right::Write));
            if let Some(why) = why {
                problems.error(spot, format!("cannot open {shown}: {why}"));
            }
        }
    }
}

fn sight<'a>(path: &Path, facts: &'a Facts) -> Option<&'a Sight> {
    facts.paths.get(&paths::plain(path))
}

/// What the texts of a container take; none, and refused, if they are more than the
/// kernel hands over to a process, or than is kept of a sandbox. It is asked before
/// any of them is made: by its variables one can grow a million times.
pub(super) fn bytes(
    docs: &Documents<'_>,
    values: &Values<'_>,
    problems: &mut Problems,
) -> Option<usize> {
    let container = docs.container.value;
    let arguments = container.arguments.iter().map(|text| ("arguments", text));
    let environ = container.environ.values().map(|text| ("environ", text));
    let ports = container.tcp_ports.keys().map(|text| ("tcp-ports", text));
    let (mut all, mut kept) = (0_usize, 0_usize);
    for (section, text) in arguments.chain(environ).chain(ports) {
        let grown = values.grown(text);
        all = all.saturating_add(grown);
        kept = kept.saturating_add(grown + TEXT_KEPT);
        if grown >= STRING_MAX || all > STRINGS_MAX {
            problems.error(docs.container.at(&[section]), TOO_MUCH);
            return None;
        }
    }
    let instances = docs.process.instances as usize;
    let together = kept
        .saturating_mul(instances)
        .saturating_add(docs.before.bytes);
    if together > KEPT_MAX {
        let message = "the arguments and environments of all containers up to this process's \
                       are more than the 64 MiB that a sandbox can have";
        problems.error(docs.process.at(&[]), message);
        return None;
    }
    Some(kept)
}

/// The arguments; what cannot be replaced is a problem already.
pub(super) fn arguments(docs: &Documents<'_>, values: &Values<'_>) -> Vec<Text> {
    let arguments = docs.container.arguments.iter();
    arguments
        .filter_map(|text| values.text(text).ok())
        .collect()
}

/// The whole environment but the secrets, and but `LITHOS_NAME`.
pub(super) fn environ(
    docs: &Documents<'_>,
    values: &Values<'_>,
    secrets: &Secrets,
) -> BTreeMap<String, EnvText> {
    let mut environ = BTreeMap::new();
    let secret = |name| secrets.variables().any(|secret| secret == name);
    if !secret("TERM") {
        environ.insert("TERM".to_owned(), EnvText::fixed("linux"));
    }
    if delivery::has_directory(docs) && !secret(delivery::VARIABLE) {
        let directory = EnvText::fixed(DIRECTORY);
        environ.insert(delivery::VARIABLE.to_owned(), directory);
    }
    let config = docs.process.config.to_string_lossy();
    environ.insert("LITHOS_CONFIG".to_owned(), EnvText::fixed(config));
    for (name, text) in &docs.container.environ {
        if let Ok(value) = values.value(text) {
            environ.insert(name.clone(), value);
        }
    }
    let listen = ports::environ(&docs.container).into_iter();
    environ.extend(listen.map(|(name, value)| (name.to_owned(), value)));
    environ
}

/// Refuses more than the kernel hands over to a process.
pub(super) fn check_size(
    docs: &Documents<'_>,
    arguments: &[Text],
    environ: &BTreeMap<String, EnvText>,
    secrets: &Secrets,
    problems: &mut Problems,
) {
    // Each text costs its NUL and a pointer, too.
    let arguments = arguments.iter().map(|text| text.with("").len() + 9);
    let environ = environ.iter().map(|(name, value)| match value {
        EnvText::Text(text) => name.len() + text.with("").len() + 10,
        EnvText::Pid => name.len() + 20,
    });
    let secrets = secrets.environ.iter().map(|(name, sealed)| {
        name.len() + sealed.tokens.iter().map(String::len).max().unwrap_or(0) + 10
    });
    let sections: [(&str, Vec<usize>); 3] = [
        ("arguments", arguments.collect()),
        ("environ", environ.collect()),
        ("secret-environ", secrets.collect()),
    ];
    let sum = |sizes: &Vec<usize>| sizes.iter().sum::<usize>();
    let all: usize = sections.iter().map(|(_, sizes)| sum(sizes)).sum();
    let mut each = sections.iter();
    let too_long = each.find(|(_, sizes)| sizes.iter().any(|&size| size >= STRING_MAX));
    let largest = sections.iter().max_by_key(|(_, sizes)| sum(sizes));
    if let Some((section, _)) = too_long.or(largest.filter(|_| all > STRINGS_MAX)) {
        problems.error(docs.container.at(&[section]), TOO_MUCH);
    }
}

#[cfg(test)]
mod tests;
