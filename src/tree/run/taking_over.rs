//! The beginning: what an earlier supervisor left is taken over, then what the files
//! ask for is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use ::log::info;

use super::{Container, Tree, TreeError, system};
use crate::tree::log::about;
use crate::tree::machine::{Desired, Event, Found};
use crate::tree::recovery::{Recovered, Recovery, recover};

impl Tree {
    /// Takes over what an earlier supervisor left.
    pub(super) fn recover(&mut self) -> Result<(), TreeError> {
        self.feed(Event::Held(self.holds.clone()));
        let Recovery {
            recovered,
            strays,
            lost,
        } = recover(&self.records)?;
        self.past.found_unknown(strays.len() as u64);
        lost.iter().for_each(|name| self.note_gap(name));
        for found in recovered {
            self.adopt(found)?;
        }
        Ok(())
    }

    /// Supervises this container from now on, if there is still something of it.
    fn adopt(&mut self, found: Recovered) -> Result<(), TreeError> {
        let Recovered { record, pidfd } = found;
        let (plan, name) = (record.plan.clone(), record.plan.name.clone());
        let knot = record.knot.as_ref().zip(pidfd.as_ref());
        let knot = knot.map(|(knot, pidfd)| (knot, pidfd.as_fd()));
        self.sockets.take_back(&plan, knot);
        let state = match (&record.knot, record.stopping) {
            (None, _) => Found::Resting,
            (Some(_), None) => Found::Running,
            (Some(_), Some(since)) => Found::Stopping(since),
        };
        let history = record.history;
        let gone = record.knot.is_some() && pidfd.is_none();
        if let (Some(knot), Some(_)) = (&record.knot, &pidfd) {
            info!(target: &about(&name.sandbox), "{name}: found running, pid {}", knot.pid);
        }
        let watched = pidfd.map(|pidfd| {
            let watched = self.poll.watch(&name, pidfd);
            system("poll", watched.map_err(|(_, err)| err))
        });
        let knot = watched.transpose()?;
        let container = Container { record, knot };
        self.containers.insert(name.clone(), container);
        // Before it can be started anew.
        self.note_secrets(&name, false);
        self.feed(Event::Found {
            plan,
            history,
            state,
        });
        match gone {
            true => self.ended(&name),
            false => self.begin_to_hear(&name),
        }
        Ok(())
    }

    /// Reads all files, and wants what they ask for.
    pub(super) fn load(&mut self) -> Result<(), TreeError> {
        let loaded = self.loading.everything()?;
        let named = self.containers.keys().map(|name| name.sandbox.clone());
        let mut gone: BTreeSet<_> = named.collect();
        for (sandbox, desired) in loaded {
            gone.remove(&sandbox);
            self.reserve(&desired);
            self.feed(Event::Loaded(sandbox, desired));
        }
        for sandbox in gone {
            self.feed(Event::Loaded(sandbox, Some(BTreeMap::new())));
        }
        info!("loaded; {}", self.status());
        Ok(())
    }

    /// What will be started keeps its sockets open from now on.
    fn reserve(&mut self, desired: &Desired) {
        let processes = desired.iter().flat_map(BTreeMap::values);
        for plan in processes.flatten().flatten() {
            if !self.holds.covers(&plan.name) {
                self.sockets.reserve(plan);
            }
        }
    }
}
