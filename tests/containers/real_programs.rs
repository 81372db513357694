//! Programs of Debian under the default system calls and Landlock's default rules:
//! what ordinary services do must go on working.
//!
//! The host's own `/usr` is the volume that they come from, which is why programs
//! on volumes may be executed here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::ground::Ground;

/// Whether the host has no such program; says so.
pub fn lacks(program: &str) -> bool {
    let lacks = !Path::new(program).exists();
    if lacks {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(!must, "LITHOS_TEST_ROOT=1, but there is no {program}");
        eprintln!("SKIP: there is no {program}");
    }
    lacks
}

/// An image in which the host's `/usr` can be mounted.
pub fn with_usr(ground: &Ground, image: &str) {
    ground.image(image);
    fs::create_dir(ground.path(&format!("images/{image}/usr"))).unwrap();
    for name in ["lib", "lib64"] {
        let link = ground.path(&format!("images/{image}/{name}"));
        symlink(format!("usr/{name}"), link).unwrap();
    }
}

/// Runs a program of the host in a container and gives the stdio log once it
/// holds `awaited`.
fn log_of(program: &str, arguments: &[&str], awaited: &str) -> Option<()> {
    let ground = Ground::new()?;
    if lacks(program) {
        return None;
    }
    with_usr(&ground, "probe");
    ground.sandbox(
        "allow-exec-volumes: true\nreadonly-paths: { /usr: /usr }\nallow-tcp-ports: [1-65535]",
    );
    let arguments = serde_json::to_string(arguments).unwrap();
    ground.container(&format!(
        "executable: {program}\narguments: {arguments}\nenviron: {{ PATH: /usr/bin, HOME: /tmp }}\n\
         volumes: {{ /usr: !Readonly /usr, /tmp: !Tmpfs {{ size: 50Mi }} }}"
    ));
    let tree = ground.start();
    let log = || fs::read_to_string(ground.path("log/stdio/shop.log")).unwrap_or_default();
    let found = crate::tree::wait_or(|| log().contains(awaited).then_some(()));
    assert!(
        found.is_some(),
        "no {awaited:?} in {}\n{}",
        log(),
        tree.log()
    );
    found
}

#[test]
fn python_makes_threads_processes_sockets_and_files() {
    let script = r#"
import multiprocessing, os, shutil, socket, subprocess, sys, tempfile, threading, time
done = []
thread = threading.Thread(target=lambda: done.append(1)); thread.start(); thread.join()
subprocess.run(["/usr/bin/env", "true"], check=True)
process = multiprocessing.get_context("fork").Process(target=os.getpid)
process.start(); process.join(); assert process.exitcode == 0
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname()); server.accept()
directory = tempfile.mkdtemp()
open(directory + "/a", "w").write("text")
os.mkdir(directory + "/below"); os.rename(directory + "/a", directory + "/below/b")
os.link(directory + "/below/b", directory + "/c"); shutil.rmtree(directory)
os.sched_getaffinity(0); os.getrandom(8); time.clock_gettime(time.CLOCK_MONOTONIC)
open("/proc/self/comm", "w").write("snake")
open("/dev/null", "w").write("x"); open("/dev/shm/x", "w").write("x")
assert done == [1]
print("python is", "happy", flush=True)
time.sleep(3600)
"#;
    log_of("/usr/bin/python3", &["-c", script], "python is happy");
}

#[test]
fn a_shell_with_its_tools_works() {
    let script = "set -e; cd /tmp; seq 100 | sort -n | tail -n 1 > last; cp last copy; mv copy moved; \
        tar cf all.tar last moved; rm last moved; tar xf all.tar; ln -s last link; chmod 600 last; \
        touch -d yesterday last; find . -type f | xargs ls -l; (sleep 0.1 & wait); \
        test \"$(cat link)\" = 100; df /tmp; id; uname -a; trap 'exit 0' TERM; \
        echo the shell is \"happy\"; sleep 3600";
    log_of("/usr/bin/bash", &["-c", script], "the shell is happy");
}

#[test]
fn redis_begins_to_serve() {
    let arguments = ["--port", "0", "--dir", "/tmp", "--unixsocket", "/tmp/redis"];
    log_of(
        "/usr/bin/redis-server",
        &arguments,
        "eady to accept connections",
    );
}

#[test]
fn perl_forks_and_waits() {
    let script = "$| = 1; if (my $pid = fork) { waitpid($pid, 0); print 'perl is ', 'happy', \"\\n\"; sleep 3600 } else { exit 0 }";
    log_of("/usr/bin/perl", &["-e", script], "perl is happy");
}
