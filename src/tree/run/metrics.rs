//! The metrics: collected a slice in each turn of the poll, and given out.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use ::log::{error, info};
use lithos_crypt::Day;

use super::{Tree, now};
use crate::knot::cgroup::Usage;
use crate::sys::socket::{self, Listen};
use crate::tree::clients::{Answer, Protocol};
use crate::tree::machine::Phase;
use crate::tree::metrics::exposition::{Figures, Snapshot, Used};
use crate::tree::metrics::http;

/// As many scrapers wait in the kernel's queue.
const BACKLOG: u32 = 16;
/// After so long it is tried again to listen.
const PAUSE: Duration = Duration::from_secs(10);

impl Tree {
    /// Takes scrapers from the Unix socket, and from the TCP address if one is
    /// configured. Without them everything is supervised all the same.
    pub(super) fn listen_for_scrapers(&mut self) {
        let path = self.loading.home().metrics_socket();
        let socket = socket::listen_at(&path, 0o600, BACKLOG.cast_signed());
        if let Err(err) = socket.and_then(|socket| self.take_scrapers(socket)) {
            error!("cannot listen on {}: {err}", path.display());
        }
        if let Some(address) = self.loading.home().master.metrics_listen
            && let Err(err) = self.listen_at(address)
        {
            error!("cannot listen on {address} for `metrics-listen`, trying again: {err}");
            self.scrapes.listen_again = Some(now() + PAUSE);
        }
    }

    fn listen_at(&mut self, address: SocketAddr) -> io::Result<()> {
        let listen = Listen {
            address,
            backlog: BACKLOG,
            reuse_addr: true,
            reuse_port: false,
            non_block: true,
        };
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let socket = listen.open(uid.as_raw(), gid.as_raw())?;
        self.take_scrapers(socket)
    }

    fn take_scrapers(&mut self, socket: OwnedFd) -> io::Result<()> {
        let Self { clients, poll, .. } = self;
        clients.listen(poll, socket, Protocol::Metrics)
    }

    /// What there is to do about metrics in this turn of the poll.
    pub(super) fn scrape(&mut self) {
        if self.scrapes.listen_again.is_some_and(|at| at <= now()) {
            self.scrapes.listen_again = None;
            self.listen_once_more();
        }
        let Self {
            scrapes,
            containers,
            meters,
            ..
        } = self;
        let collected = scrapes.collect(|name| {
            let record = &containers.get(&name)?.record;
            let cgroup = record.plan.cgroup.as_ref()?;
            let usage = match record.knot {
                Some(_) => meters.read(cgroup),
                None => Usage::default(),
            };
            Some((name, usage, record.tally))
        });
        let Some(used) = collected else { return };
        let text: Rc<str> = self.snapshot(used).render().into();
        for (client, wanted) in self.scrapes.made(Rc::clone(&text), now()) {
            let bytes = http::answer(wanted, &text);
            let answer = Answer { bytes, last: true };
            self.clients.answer(&mut self.poll, client, answer, now());
        }
    }

    fn listen_once_more(&mut self) {
        let Some(address) = self.loading.home().master.metrics_listen else {
            return;
        };
        match self.listen_at(address) {
            Ok(()) => info!("listening on {address} for `metrics-listen`"),
            Err(_) => self.scrapes.listen_again = Some(now() + PAUSE),
        }
    }

    /// Answers a scraper, unless it has to wait for what is collected for it.
    pub(super) fn metrics(&mut self, client: u64, request: &[u8]) -> Option<Answer> {
        let bytes = match (http::read(request), self.scrapes.fresh(now())) {
            (Err(refused), _) => http::refusal(refused),
            (Ok(wanted), Some(text)) => http::answer(wanted, &text),
            (Ok(wanted), None) => {
                let Self {
                    scrapes,
                    containers,
                    ..
                } = self;
                scrapes.wait(client, wanted, || containers.keys().cloned().collect());
                return None;
            }
        };
        Some(Answer { bytes, last: true })
    }

    /// All that is counted now, with what was collected.
    fn snapshot(&self, used: Vec<Used>) -> Snapshot {
        let mut snapshot = Snapshot {
            restarts: self.past.restarts,
            sandboxes: self.loading.sandboxes(),
            unknown: self.past.unknown,
            audit_owed: self.audit.log().count_owed(),
            audit_lost: self.past.audit_lost,
            expired: self.loading.expired(Day::today()),
            total: self.past.total,
            used,
            ..Snapshot::default()
        };
        for (name, phase) in self.machine.containers() {
            let process = (name.sandbox.clone(), name.process.clone());
            let figures = snapshot.processes.entry(process);
            let figures = figures.or_insert_with(|| Figures {
                tally: self.past.of(&name.sandbox, &name.process),
                running: 0,
            });
            if let Some(container) = self.containers.get(name) {
                figures.tally += &container.record.tally;
                snapshot.total += &container.record.tally;
            }
            snapshot.containers += 1;
            match phase {
                Phase::Running | Phase::Stopping(_) => figures.running += 1,
                Phase::Resting(Some(_)) => snapshot.queue += 1,
                Phase::Resting(None) | Phase::Held => {}
            }
        }
        snapshot
    }
}
