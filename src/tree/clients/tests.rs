//! Real clients over real sockets, against the one poll.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::*;
use crate::control::LONGEST_REQUEST;
use crate::sys::socket::listen_at;
use crate::tree::scratch::Scratch;

const SECOND: Duration = Duration::from_secs(1);

/// A supervisor that does nothing but answer each request with its own bytes.
struct Echo {
    poll: Poll,
    clients: Clients,
    now: Duration,
    answers: usize,
    path: PathBuf,
    _scratch: Scratch,
    _never: UnixStream,
}

impl Echo {
    fn new() -> Self {
        let scratch = Scratch::new();
        let path = scratch.path().join("control.sock");
        let (signals, never) = UnixStream::pair().unwrap();
        let mut poll = Poll::new(&signals).unwrap();
        let mut clients = Clients::default();
        let socket = listen_at(&path, 0o600, 64).unwrap();
        clients
            .listen(&mut poll, socket, Protocol::Control)
            .unwrap();
        Self {
            poll,
            clients,
            now: SECOND,
            answers: 0,
            path,
            _scratch: scratch,
            _never: never,
        }
    }

    fn connect(&self) -> UnixStream {
        let client = UnixStream::connect(&self.path).unwrap();
        client.set_nonblocking(true).unwrap();
        client
    }

    /// Turns of the poll until there is nothing more to do.
    fn settle(&mut self) {
        while self.turn() > 0 {}
    }

    fn turn(&mut self) -> usize {
        self.clients.expire(&mut self.poll, self.now);
        let ready = self.poll.wait(Some(Duration::ZERO)).unwrap();
        for ready in &ready {
            let crate::tree::poll::Ready::Socket(number) = ready else {
                panic!("{ready:?}");
            };
            let asked = self.clients.ready(&mut self.poll, *number, self.now);
            if let Some(asked) = asked {
                self.answers += 1;
                let (bytes, last) = match asked.request.as_slice() {
                    b"much\n" => (vec![b'x'; 4 << 20], false),
                    b"bye\n" => (b"bye\n".to_vec(), true),
                    other => (other.to_vec(), false),
                };
                let answer = Answer { bytes, last };
                self.clients
                    .answer(&mut self.poll, asked.client, answer, self.now);
            }
        }
        ready.len()
    }

    fn open(&self) -> usize {
        self.clients.connections.len()
    }
}

fn read(client: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    // Ends with `WouldBlock` while the connection is open.
    let _ = client.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn answers_request_after_request() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    client.write_all(b"one\ntwo\nthr").unwrap();
    echo.settle();
    assert_eq!(read(&mut client), "one\ntwo\n");
    client.write_all(b"ee\n").unwrap();
    echo.settle();
    assert_eq!(read(&mut client), "three\n");
}

#[test]
fn takes_one_request_of_a_client_in_a_turn() {
    let mut echo = Echo::new();
    let (mut greedy, mut modest) = (echo.connect(), echo.connect());
    echo.turn();
    greedy.write_all(&b"g\n".repeat(500)).unwrap();
    modest.write_all(b"m\n").unwrap();
    echo.turn();
    assert_eq!(echo.answers, 2);
    assert_eq!(read(&mut modest), "m\n");
}

#[test]
fn answers_one_that_shut_down_its_writing() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    client.write_all(b"one\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    echo.settle();
    assert_eq!(read(&mut client), "one\n");
    assert_eq!(echo.open(), 0);
}

#[test]
fn parts_with_one_that_is_told_the_last() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    client.write_all(b"bye\nmore\n").unwrap();
    echo.settle();
    assert_eq!(read(&mut client), "bye\n");
    drop(client);
    echo.settle();
    assert_eq!((echo.open(), echo.answers), (0, 1));
}

#[test]
fn a_silent_client_has_its_time_and_no_more() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    echo.settle();
    assert_eq!(echo.clients.next_deadline(), Some(11 * SECOND));
    echo.now += 9 * SECOND;
    echo.settle();
    assert_eq!(echo.open(), 1);
    echo.now += SECOND;
    echo.settle();
    assert_eq!((echo.open(), echo.clients.next_deadline()), (0, None));
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn bytes_one_by_one_gain_no_time() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    for _ in 0..9 {
        client.write_all(b"x").unwrap();
        echo.settle();
        echo.now += SECOND;
    }
    assert_eq!(echo.open(), 1);
    echo.now += SECOND;
    echo.settle();
    assert_eq!(echo.open(), 0);
    assert!(read(&mut client).contains("not whole in time"));
}

#[test]
fn a_request_without_end_is_refused_and_no_more_of_it_kept() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    echo.settle();
    let sent = client.write(&vec![b'x'; 1 << 20]).unwrap();
    assert!(sent > LONGEST_REQUEST);
    echo.settle();
    assert!(read(&mut client).contains("more than 4096 bytes"));
    // Somebody who never stops is parted with all the same.
    let mut most = 0;
    while echo.open() > 0 && most < 16 << 20 {
        most += client.write(&[b'x'; 65536]).unwrap_or(0);
        echo.settle();
    }
    assert_eq!((echo.open(), echo.answers), (0, 0));
}

#[test]
fn one_that_never_reads_is_parted_with() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    client.write_all(b"much\nmore\n").unwrap();
    echo.settle();
    assert_eq!((echo.open(), echo.answers), (1, 1));
    echo.now += 10 * SECOND;
    echo.settle();
    assert_eq!((echo.open(), echo.clients.next_deadline()), (0, None));
}

#[test]
fn a_large_answer_is_read_as_it_is_taken() {
    let mut echo = Echo::new();
    let mut client = echo.connect();
    client.write_all(b"much\nmore\n").unwrap();
    let mut got = String::new();
    while !got.ends_with("more\n") {
        echo.settle();
        got += &read(&mut client);
    }
    assert_eq!(got.len(), (4 << 20) + 5);
}

#[test]
fn one_that_goes_away_in_the_middle_is_forgotten() {
    let mut echo = Echo::new();
    for said in ["", "hal", "much\n"] {
        let mut client = echo.connect();
        client.write_all(said.as_bytes()).unwrap();
        echo.settle();
        drop(client);
        echo.settle();
        assert_eq!((echo.open(), echo.clients.next_deadline()), (0, None));
    }
}

#[test]
fn who_comes_while_it_is_full_is_served_later() {
    let mut echo = Echo::new();
    let most = Protocol::Control.bounds().clients;
    let mut first: Vec<_> = (0..most).map(|_| echo.connect()).collect();
    let mut late = echo.connect();
    late.write_all(b"late\n").unwrap();
    echo.settle();
    assert_eq!((echo.open(), read(&mut late).as_str()), (most, ""));
    first.pop();
    echo.settle();
    assert_eq!(read(&mut late), "late\n");
    // And those that only sit there make room by and by.
    let mut last = echo.connect();
    last.write_all(b"last\n").unwrap();
    echo.now += 10 * SECOND;
    echo.settle();
    assert_eq!(read(&mut last), "last\n");
}

#[test]
fn thousands_who_come_and_go_leave_nothing() {
    let mut echo = Echo::new();
    for _ in 0..3000 {
        let mut client = echo.connect();
        client.write_all(b"\0\xff{").unwrap();
        drop(client);
        echo.settle();
    }
    assert_eq!((echo.open(), echo.answers), (0, 0));
    let listener = echo.clients.listeners.values().next().unwrap();
    assert_eq!(listener.clients, 0);
}
