//! Clients that hammer a port.
//!
//! A connection is refused if `connect` fails; that no client ever sees. What
//! comes after is another matter: a server that is killed resets the
//! connections that it has accepted, as any server does. Those are counted
//! apart, and are no failure of the supervisor.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::Duration;

/// A port that nobody uses.
pub fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

/// What the clients share.
#[derive(Default)]
pub struct Clients {
    stop: AtomicBool,
    answered: AtomicUsize,
    reset: AtomicUsize,
}

/// Some clients at work.
pub struct AtWork<'scope, 'a> {
    clients: &'a Clients,
    threads: Vec<ScopedJoinHandle<'scope, std::io::Result<()>>>,
}

impl Clients {
    /// Starts this many, which go on until they are told to stop or a
    /// connection is refused.
    pub fn hammer<'scope, 'a: 'scope>(
        &'a self,
        scope: &'scope Scope<'scope, '_>,
        port: u16,
        count: usize,
    ) -> AtWork<'scope, 'a> {
        let threads = (0..count).map(|_| scope.spawn(move || self.work(port)));
        AtWork {
            clients: self,
            threads: threads.collect(),
        }
    }

    fn work(&self, port: u16) -> std::io::Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let mut answer = String::new();
            let count = match stream.read_to_string(&mut answer) {
                Ok(_) if answer.ends_with('\n') => &self.answered,
                Ok(_) => &self.reset,
                Err(err) if err.kind() == std::io::ErrorKind::ConnectionReset => &self.reset,
                Err(err) => return Err(err),
            };
            count.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl AtWork<'_, '_> {
    /// Fails if one of them has given up.
    pub fn expect_all(&self) {
        let ended = self.threads.iter().any(|thread| thread.is_finished());
        assert!(!ended, "a connection was refused, or never answered");
    }

    /// Tells them to stop. Fails if a connection was refused.
    pub fn stop(self) {
        self.clients.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let result = thread.join().unwrap();
            result.expect("a connection was refused, or never answered");
        }
        let answered = self.clients.answered.load(Ordering::Relaxed);
        let reset = self.clients.reset.load(Ordering::Relaxed);
        eprintln!("{answered} answers, {reset} connections to servers that were killed");
        assert!(answered > 100 && answered > reset);
    }
}

/// How many sockets listen on this port of the host.
pub fn listening(port: u16) -> usize {
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let listens = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|word| word.ends_with(&local)) && words.nth(1) == Some("0A")
    };
    text.lines().filter(listens).count()
}
