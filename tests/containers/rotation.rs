//! A secret is changed while clients connect all the time: two real servers share
//! a socket, which is open whoever of them restarts, so no request is lost.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::descriptors::free_port;
use crate::ground::Ground;
use crate::real_programs::{lacks, with_usr};

/// An image with the server, whose password is this.
fn image(ground: &Ground, name: &str, port: u16, password: &str) {
    with_usr(ground, name);
    let server = include_str!("rotation.py");
    ground.write(&format!("images/{name}/data/server.py"), server);
    let token = ground.seal("alpha", "", password);
    let config = format!(
        "executable: /usr/bin/python3\narguments: [/data/server.py]\n\
         volumes: {{ /usr: !Readonly /usr }}\nkill-timeout: 30\n\
         tcp-ports: {{ {port}: {{ fd: 3, host: 127.0.0.1 }} }}\n\
         secret-environ: {{ PASSWORD: {token} }}\n"
    );
    ground.write(&format!("images/{name}/config/web.yaml"), config);
}

fn processes(image: &str) -> String {
    format!("web: {{ image: {image}, config: /config/web.yaml, instances: 2 }}\n")
}

fn request(port: u16) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    connection.write_all(b"who\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Ends the clients even if the test fails, which waits for them.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_secret_is_changed_under_load_without_losing_a_request() {
    let Some(ground) = Ground::new() else { return };
    if lacks("/usr/bin/python3") {
        return;
    }
    let port = free_port();
    ground.sandbox(&format!(
        "allow-exec-volumes: true\nreadonly-paths: {{ /usr: /usr }}\nallow-tcp-ports: [{port}]"
    ));
    image(&ground, "old", port, "old-password");
    image(&ground, "new", port, "new-password");
    ground.processes(&processes("old"));
    let tree = ground.start();
    let answers = Mutex::new(BTreeMap::<String, usize>::new());
    let both = |password: &str| {
        let answers = answers.lock().unwrap();
        let has = |number: u32| answers.contains_key(&format!("{password} shop/web.{number}"));
        (has(0) && has(1)).then_some(())
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Ends(&over);
        let client = || {
            while !over.load(Ordering::Relaxed) {
                let answer = request(port).expect("a request is lost");
                *answers.lock().unwrap().entry(answer).or_default() += 1;
            }
        };
        // The socket is there before any server is.
        tree.wait("a socket", || TcpStream::connect(("127.0.0.1", port)).ok());
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        tree.wait("answers of both", || both("old-password"));
        let new = ground.write("new.yaml", processes("new"));
        let mut switch = Command::new(env!("CARGO_BIN_EXE_lithos_switch"));
        let switch = switch.arg("--config").arg(ground.path("master.yaml"));
        let output = switch.arg("shop").arg(new).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        tree.wait("answers of both with the new password", || {
            both("new-password")
        });
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
    let answers = answers.into_inner().unwrap();
    assert_eq!(answers.len(), 4, "{answers:?}");
    let log = tree.log();
    assert_eq!(
        log.matches("ended with exit status 0, told to end").count(),
        2,
        "{log}"
    );
    eprintln!("{answers:?}");
}

#[test]
fn a_value_that_is_only_sealed_anew_restarts_nothing() {
    let Some(ground) = Ground::new() else { return };
    let config = |token: &str| {
        ground.container(&format!(
            "arguments: [report, sleep]\nsecret-environ: {{ PASSWORD: {token} }}"
        ));
    };
    let seal = || ground.seal("alpha", "", "a secret");
    let (one, other) = (seal(), seal());
    assert_ne!(one, other);
    config(&one);
    let tree = ground.start();
    let process = tree.process("shop/web.0");
    config(&other);
    tree.listens();
    tree.signal(nix::sys::signal::Signal::SIGHUP);
    tree.wait("a reload", || {
        (tree.log().matches("loaded; supervising").count() == 2).then_some(())
    });
    assert_eq!(tree.process("shop/web.0"), process);
    assert_eq!(
        fs::read_dir(ground.path("run/state/shop")).unwrap().count(),
        1
    );
}
