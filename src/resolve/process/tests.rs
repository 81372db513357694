//! Each rule refuses something, and lets pass what it should.

use super::*;
use crate::config::container::{Variable, Volume};
use crate::facts::Found;
use crate::problem::Place;
use crate::resolve::environment::OURS;
use crate::resolve::fixture::{Fixture, directory, file, port};
use crate::resolve::plan::EnvValue;

#[test]
fn kinds_must_agree() {
    let mut f = Fixture::new();
    f.container.kind = ContainerKind::Command;
    f.refused("the process is a Daemon, but its container config");
    f.process.kind = Kind::Command;
    assert_eq!(f.plan().kind, Kind::Command);
    f.container.kind = ContainerKind::Daemon;
    f.refused("the process is a Command");
    f.container.kind = ContainerKind::CommandOrDaemon;
    f.plan();
}

#[test]
fn run_as_a_daemon_nothing_is_interactive() {
    let mut f = Fixture::new();
    f.container.interactive = true;
    f.container.kind = ContainerKind::CommandOrDaemon;
    assert!(!f.plan().stdio.interactive);
    f.process.kind = Kind::Command;
    assert!(f.plan().stdio.interactive);
}

#[test]
fn refuses_an_image_name_of_other_levels() {
    let mut f = Fixture::new();
    for image in ["web/1.0", "..", "", "."] {
        f.process.image = image.into();
        f.refused("an image's name has 1 components here");
    }
}

#[test]
fn refuses_an_image_that_is_missing_or_no_directory() {
    let mut f = Fixture::new();
    f.facts.image = Seen::Missing;
    f.refused("cannot use the image /images/web: it does not exist");
    f.facts.image = Seen::Found(file(0o644));
    f.refused("the image /images/web is not a directory");
}

#[test]
fn refuses_an_executable_that_cannot_be_executed() {
    for (seen, message) in [
        (Seen::Missing, "cannot execute /bin/web: it does not exist"),
        (Seen::Found(directory()), "/bin/web is not a regular file"),
        (
            Seen::Found(file(0o644)),
            "/bin/web is not executable: its mode is 0644",
        ),
        (
            Seen::Broken("too many symbolic links".into()),
            "too many symbolic links",
        ),
    ] {
        let mut f = Fixture::new();
        f.see("/bin/web", seen);
        f.refused(message);
    }
}

#[test]
fn refuses_an_executable_that_this_user_may_not_execute() {
    let mut f = Fixture::new();
    f.see("/bin/web", Seen::Found(file(0o744)));
    f.refused("user 1000 and group 0 may not execute /bin/web (mode 0744, owner 0:0)");
    f.container.workdir = "/srv".into();
    let closed = Found {
        kind: facts::Kind::Directory,
        ..file(0o700)
    };
    f.see("/srv", Seen::Found(closed));
    f.refused("cannot work in /srv: user 1000");
}

#[test]
fn refuses_what_the_kernel_cannot_execute() {
    let mut f = Fixture::new();
    f.facts.program.format = Format::None;
    f.refused("/bin/web is neither a program nor a script");
    f.facts.program.format = Format::Runs;
    f.see("/bin/missing", Seen::Missing);
    let sight = f.facts.paths["/bin/missing".as_ref() as &Path].clone();
    f.facts.program.interpreters = vec![facts::program::Interpreter {
        path: "/bin/missing".into(),
        sight,
        format: Format::Unknown,
    }];
    f.refused("cannot execute the interpreter /bin/missing of /bin/web: it does not exist");
}

#[test]
fn refuses_an_executable_on_a_noexec_volume() {
    let mut f = Fixture::new();
    f.container
        .volumes
        .insert("/data".into(), Volume::Readonly { path: "/ro".into() });
    f.container.executable = "/data/web".into();
    f.see("/data/web", Seen::Found(file(0o755)));
    f.refused("/data/web lies on /data, from which nothing can be executed");
    f.sandbox.confinement.allow_exec_volumes = true;
    f.plan();
}

#[test]
fn refuses_a_workdir_that_is_no_directory() {
    let mut f = Fixture::new();
    f.container.workdir = "/srv".into();
    f.see("/srv", Seen::Missing);
    f.refused("cannot work in /srv: it does not exist");
    f.see("/srv", Seen::Found(file(0o644)));
    f.refused("/srv is not a directory");
}

#[test]
fn what_this_user_may_not_see_is_a_warning() {
    let mut f = Fixture::new();
    f.see("/bin/web", Seen::Unknown("permission denied".into()));
    f.plan();
    let problems = f.resolve().problems;
    assert!(
        problems
            .iter()
            .any(|p| p.message == "cannot look at /bin/web: permission denied")
    );
}

#[test]
fn refuses_a_stdout_file_that_cannot_be_written() {
    let mut f = Fixture::new();
    f.container.stdout_stderr_file = Some("/data/log".into());
    f.see("/data/log", Seen::Missing);
    f.refused("/data/log is not on a writable volume");
    f.container.volumes.insert(
        "/data".into(),
        Volume::Tmpfs {
            size: Some(4096),
            mode: 0o777,
        },
    );
    f.plan();
    f.see(
        "/data/log",
        Seen::Found(Found {
            kind: facts::Kind::Other,
            ..file(0o666)
        }),
    );
    f.refused("/data/log is not a regular file");
    f.see("/data/log", Seen::Missing);
    f.facts
        .paths
        .get_mut(Path::new("/data/log"))
        .unwrap()
        .in_directory = false;
    f.refused("the directory of /data/log does not exist");
    let read_only = Volume::Readonly { path: "/ro".into() };
    f.container.volumes.insert("/data".into(), read_only);
    f.refused("is not on a writable volume");
}

#[test]
fn the_environment_is_what_was_declared_and_three_more() {
    let mut f = Fixture::new();
    f.container.environ.insert("MODE".into(), "fast".into());
    let environ = f.plan().process.environ;
    let names: Vec<_> = environ.keys().map(String::as_str).collect();
    assert_eq!(names, ["LITHOS_CONFIG", "LITHOS_NAME", "MODE", "TERM"]);
    assert_eq!(environ["LITHOS_NAME"], EnvValue::Text("shop/web.0".into()));
    assert_eq!(
        environ["LITHOS_CONFIG"],
        EnvValue::Text("/config/web.yaml".into())
    );
    f.container.environ.insert("TERM".into(), "dumb".into());
    assert_eq!(
        f.plan().process.environ["TERM"],
        EnvValue::Text("dumb".into())
    );
}

#[test]
fn refuses_variables_that_lithos_sets_itself() {
    for name in OURS {
        let mut f = Fixture::new();
        f.container.environ.insert(name.into(), "x".into());
        f.refused("is set by lithos itself");
    }
}

#[test]
fn refuses_more_than_the_kernel_hands_over() {
    let mut f = Fixture::new();
    f.container.arguments = vec!["a".repeat(STRING_MAX)];
    f.refused("no text of 128 KiB or more");
    f.container.arguments = vec!["a".repeat(STRING_MAX - 100); 12];
    f.refused("more than the kernel hands over");
}

#[test]
fn what_is_too_much_is_told_at_its_section() {
    let text = "a".repeat(STRING_MAX - 100);
    let mut f = Fixture::new();
    let place = |f: &Fixture| f.resolve().problems[0].place.clone();
    // The sum of the texts as they grow, and what each of them costs besides.
    f.container.arguments = vec![text.clone(); 12];
    assert_eq!(place(&f), Place::Value(vec!["arguments".into()]));
    f.container.arguments = vec![String::new(); 200_000];
    assert_eq!(place(&f), Place::Value(vec!["arguments".into()]));
    f.container.arguments.clear();
    for name in 'A'..='L' {
        f.container.environ.insert(name.into(), text.clone());
    }
    assert_eq!(place(&f), Place::Value(vec!["environ".into()]));
    f.container.environ = [("A".repeat(STRING_MAX), String::new())].into();
    assert_eq!(place(&f), Place::Value(vec!["environ".into()]));
}

/// A process config and an image together could have an argument grow a million times.
#[test]
fn refuses_texts_that_grow_beyond_that_before_they_do() {
    let text = "@{x}".repeat(100_000);
    let mut f = Fixture::new();
    f.container.variables.insert("x".into(), Variable::Name);
    let value = "v".repeat(900_000);
    f.process.variables.insert("x".into(), value);
    f.container.arguments = vec![text.clone(); 10];
    f.refused("more than the kernel hands over");
    f.container.arguments.clear();
    f.container.environ.insert("A".into(), text.clone());
    f.refused("more than the kernel hands over");
    f.container.environ.clear();
    f.container.tcp_ports.insert(text, port(3));
    f.refused("more than the kernel hands over");
    // So does its name, which only each container knows.
    f.container.tcp_ports.clear();
    f.container.arguments = vec!["@{lithos:name}".repeat(1000)];
    f.refused("more than the kernel hands over");
    f.container.arguments = vec!["@{lithos:name}".repeat(100)];
    f.plan();
}

#[test]
fn refuses_more_than_is_kept_of_a_sandbox() {
    let mut f = Fixture::new();
    f.container.arguments = vec!["a".repeat(1000); 100];
    f.process.instances = 500;
    f.plan();
    f.before.bytes = 32 << 20;
    f.refused("more than the 64 MiB that a sandbox can have");
    f.process.instances = 100;
    f.plan();
}
