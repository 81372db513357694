//! What the supervisor answers over its control socket.
//!
//! Everything here is done at once, or refused with nothing changed.

use std::fs;

use ::log::error;

use super::Tree;
use crate::control::{self, Refused};
use crate::sys::socket;
use crate::tree::clients::{Answer, Protocol};

/// As many clients wait in the kernel's queue.
const BACKLOG: i32 = 64;

impl Tree {
    /// Takes clients from the control socket. Without it everything is supervised
    /// all the same.
    pub(super) fn listen(&mut self) {
        let path = self.loading.home().control_socket();
        let listening = socket::listen_at(&path, 0o600, BACKLOG).and_then(|socket| {
            self.clients
                .listen(&mut self.poll, socket, Protocol::Control)
        });
        if let Err(err) = listening {
            error!("cannot listen on {}: {err}", path.display());
        }
    }

    /// Removes the control socket, while the pid file still keeps others out.
    pub(super) fn hang_up(&self) {
        let _ = fs::remove_file(self.loading.home().control_socket());
    }

    /// Answers a request.
    pub(super) fn control(&mut self, request: &[u8]) -> Answer {
        let bytes = match control::read(request) {
            Ok(_) => control::line(&Refused::new("cannot do that yet")),
            Err(refused) => control::line(&refused),
        };
        Answer { bytes, last: false }
    }
}
