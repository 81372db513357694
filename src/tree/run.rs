//! The supervisor's procedure: one thread around one poll.
//!
//! It does what [`machine`](super::machine) decides, and tells it what came of
//! it. Nothing here waits for anything but the poll.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::log::{LevelFilter, error, info, warn};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use quick_error::quick_error;
use rustix::fs::Mode;
use rustix::process::{Signal, pidfd_send_signal, umask};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

use self::audit::Audit;
use super::backoff::History;
use super::clients::{Asked, Clients, Protocol};
use super::commands;
use super::ending::{LastEnd, Told};
use super::heritage::{Heritage, Program};
use super::holds::{Holds, HoldsError};
use super::launch::{self, LaunchError, Launcher};
use super::loading::Loading;
use super::log::{self, Destination, about};
use super::machine::{Action, Ending, Event, Machine};
use super::metrics::Scrapes;
use super::past::Past;
use super::pid_file::{PidFile, PidFileError};
use super::poll::{Poll, Ready, Watched};
use super::records::{Record, Records, RecordsError};
use super::reports::Reports;
use super::service::{self, Watchdog};
use super::signals::{Request, Signals};
use super::sockets::Sockets;
use crate::cause::Cause;
use crate::knot::cgroup::{Hierarchies, Meters};
use crate::load;
use crate::name::ContainerName;
use crate::problem::Problem;
use crate::resolve::plan::Plan;

quick_error! {
    /// Why the supervisor cannot go on.
    #[derive(Debug)]
    pub enum TreeError {
        /// The master config, or the directory of the sandbox configs.
        Config(problems: Vec<Problem>) {
            display("cannot use the configuration: it has problems")
            from()
        }
        /// Another supervisor runs.
        PidFile(err: PidFileError) {
            display("{}", err)
            source(err)
            from()
        }
        /// The records cannot be gone by.
        Records(err: RecordsError) {
            display("{}", err)
            source(err)
            from()
        }
        /// What is held cannot be told.
        Holds(err: HoldsError) {
            display("{}", err)
            source(err)
            from()
        }
        /// There is no knot to launch.
        Knot(err: LaunchError) {
            display("{}", err)
            source(err)
            from()
        }
        /// A system call.
        System(what: &'static str, err: io::Error) {
            display("cannot {}: {}", what, Cause(err))
            source(err)
        }
    }
}

fn system<T>(what: &'static str, result: Result<T, impl Into<io::Error>>) -> Result<T, TreeError> {
    result.map_err(|err| TreeError::System(what, err.into()))
}

/// Supervises what the config asks for until told to stop.
///
/// `to_stderr`: log there; `level`: log so much, whatever the configs say.
pub fn run(config: &Path, to_stderr: bool, level: Option<LevelFilter>) -> Result<(), TreeError> {
    let heritage = system("take over from an earlier program", Heritage::take())?;
    let program = system("find lithos_tree", Program::of_this_process())?;
    // Before anyone can find out our pid: SIGHUP would kill us until then.
    let signals = system("block signals", Signals::block())?;
    let home = load::home(config)?;
    umask(Mode::from_raw_mode(0o022));
    system(
        "make the runtime directory",
        fs::create_dir_all(&home.runtime_dir),
    )?;
    let pid_file = home.runtime_dir.join("master.pid");
    let pid_file = PidFile::take(&pid_file, heritage.pid_file)?;
    let launcher = Launcher::open(program.dir())?;
    let master = &home.master;
    let destination = match &master.syslog_facility {
        _ if to_stderr => Destination::Stderr,
        Some(facility) => Destination::Syslog {
            facility,
            app_name: &master.syslog_app_name,
        },
        None => Destination::Files(&home.log_file),
    };
    log::begin(&destination, master.log_level, level);
    launch::tell_landlock();
    raise_open_file_limit();
    let records = Records::open(&home.state_dir)?;
    let past = Past::take(&home.runtime_dir, records.boot_id());
    let audit = Audit::new(&home);
    commands::discard_stale(&records, audit.log());
    system(
        "make the mount directory",
        fs::create_dir_all(&home.mount_dir),
    )?;
    let mut poll = system("poll", Poll::new(&signals))?;
    let reports = Reports::new(&mut poll).inspect_err(|err| {
        warn!("cannot watch reports, what they tell is noted at the end of their containers: {err}")
    });
    let hierarchies = Hierarchies::find()
        .inspect_err(|err| warn!("cannot find the cgroup hierarchies: {err}"))
        .unwrap_or_default();
    if let Err(err) = launcher.tell_cgroups(&hierarchies) {
        warn!("{err}");
    }
    let mut tree = Tree {
        machine: Machine::default(),
        holds: Holds::read(&home.holds_file())?,
        containers: BTreeMap::new(),
        sockets: Sockets::new(heritage.sockets),
        poll,
        reports: reports.ok(),
        clients: Clients::default(),
        loading: Loading::new(home),
        records,
        audit,
        past,
        hierarchies,
        meters: Meters::find(),
        scrapes: Scrapes::default(),
        launcher,
        watchdog: Watchdog::from_environment(),
        stopping: false,
        exit: false,
        generation: u64::try_from(now().as_micros()).unwrap_or_default(),
        refused_reloads: 0,
        refused: Vec::new(),
    };
    heritage
        .strange
        .iter()
        .for_each(|name| service::give_up_named(name));
    tree.listen();
    tree.listen_for_scrapers();
    tree.recover()?;
    tree.load()?;
    tree.sockets.close_left();
    service::ready(&tree.status());
    loop {
        let request = tree.supervise(&signals)?;
        tree.past.keep();
        match request {
            Request::Detach => {
                info!("exiting; the containers keep running");
                service::stopping("exiting; the containers keep running");
                tree.hang_up();
                pid_file.remove();
                return Ok(());
            }
            Request::Stop => {
                tree.clean_up();
                tree.hang_up();
                pid_file.remove();
                // Fails if something outlives the stop, as it should.
                let _ = fs::remove_dir(&tree.loading.home().runtime_dir);
                info!("stopped");
                return Ok(());
            }
            Request::Reload => tree.reload(&program, &pid_file),
        }
    }
}

mod audit;
mod control;
mod counting;
mod inside;
mod metrics;
mod reloading;
mod taking_over;

/// A descriptor for each knot, and some for each launch.
fn raise_open_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(err) = raised {
        warn!("cannot raise the limit of open files: {err}");
    }
}

struct Tree {
    machine: Machine,
    /// What the machine was told last, and what the file has.
    holds: Holds,
    /// Every container with a record.
    containers: BTreeMap<ContainerName, Container>,
    sockets: Sockets,
    poll: Poll,
    /// Of containers that are kept when their process ends.
    reports: Option<Reports>,
    clients: Clients,
    loading: Loading,
    records: Records,
    audit: Audit,
    past: Past,
    hierarchies: Hierarchies,
    meters: Meters,
    scrapes: Scrapes,
    launcher: Launcher,
    watchdog: Watchdog,
    stopping: bool,
    exit: bool,
    /// When this program began, by the monotonic clock: another with each reload.
    generation: u64,
    refused_reloads: u64,
    /// Why the last of them was refused.
    refused: Vec<String>,
}

struct Container {
    record: Record,
    knot: Option<Watched>,
}

impl Tree {
    /// What the supervisor is about, in a few words.
    fn status(&self) -> String {
        let containers = self.machine.containers().count();
        format!("supervising {containers} containers")
    }

    /// Polls, until there is something that ends or replaces this supervisor.
    fn supervise(&mut self, signals: &Signals) -> Result<Request, TreeError> {
        loop {
            self.feed(Event::Timer);
            if self.exit {
                return Ok(Request::Stop);
            }
            self.past.keep();
            self.clients.expire(&mut self.poll, now());
            self.scrape();
            self.catch_up_audit();
            let timeout = self.next().map(|at| at.saturating_sub(now()));
            for ready in system("poll", self.poll.wait(timeout))? {
                match ready {
                    Ready::Ended(name) => self.ended(&name),
                    Ready::Socket(number) if self.is_reports(number) => self.hear_all(),
                    Ready::Socket(number) => {
                        if let Some(request) = self.attend(number) {
                            return Ok(request);
                        }
                    }
                    Ready::Signal => match system("read a signal", signals.next())? {
                        None => {}
                        Some(Request::Reload) if self.stopping => {}
                        Some(Request::Stop) => {
                            info!("stopping every container");
                            service::stopping("stopping every container");
                            self.stopping = true;
                            self.feed(Event::Stop);
                        }
                        Some(request) => return Ok(request),
                    },
                }
            }
        }
    }

    /// When there is something to do, whatever happens until then.
    fn next(&mut self) -> Option<Duration> {
        let timers = [
            self.machine.next_timer(),
            self.watchdog.alive(now()),
            self.clients.next_deadline(),
            self.scrapes.next(),
            self.audit.next(),
        ];
        timers.into_iter().flatten().min()
    }

    /// Attends to a client, who may have something done for good.
    fn attend(&mut self, number: u64) -> Option<Request> {
        let asked = self.clients.ready(&mut self.poll, number, now())?;
        let Asked {
            client,
            protocol,
            request,
        } = asked;
        let (answer, follows) = match protocol {
            Protocol::Control => {
                let (answer, follows) = self.control(&request);
                (Some(answer), follows)
            }
            Protocol::Metrics => (self.metrics(client, &request), None),
        };
        if let Some(answer) = answer {
            self.clients.answer(&mut self.poll, client, answer, now());
        }
        follows
    }

    /// Tells the machine, does what it decides, and tells it what came of that.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.step(event, now(), jitter()) {
                events.extend(self.perform(action));
            }
        }
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Start(plan, history) => {
                let name = plan.name.clone();
                let before = self.containers.remove(&name);
                let before = before.map(|container| container.record);
                let record = self.records.intent(plan, history, before);
                return self.start(name, record);
            }
            Action::Terminate(name) => {
                self.signal(&name, Signal::TERM);
                self.update(&name, |record| record.stopping = Some(now()));
            }
            Action::Kill(name) => {
                warn!(target: &about(&name.sandbox), "{name}: still runs after its kill-timeout, killing it");
                self.signal(&name, Signal::KILL);
            }
            Action::Rest(name, history) => {
                self.count_usage(&name);
                self.remove_cgroup(&name);
                self.update(&name, |record| {
                    record.history = history;
                    record.knot = None;
                    record.stopping = None;
                });
            }
            Action::Keep(name, history) => self.update(&name, |record| record.history = history),
            Action::Hold(plan, history) => {
                self.sockets.release(&plan.name);
                self.keep(plan, history);
            }
            Action::Remove(name) => {
                self.remove_cgroup(&name);
                self.sockets.release(&name);
                self.count_gone(&name);
                if let Err(err) = self.records.remove(&name) {
                    error!(target: &about(&name.sandbox), "{name}: cannot remove its record: {err}");
                }
            }
            Action::Reload(sandbox) => {
                let desired = self.loading.again(&sandbox);
                return Some(Event::Retried(sandbox, desired));
            }
            Action::Exit => self.exit = true,
        }
        None
    }

    /// Keeps a record of one that does not run, if there is none.
    fn keep(&mut self, plan: Rc<Plan>, history: History) {
        let name = plan.name.clone();
        self.containers.entry(name.clone()).or_insert_with(|| {
            let record = self.records.resting(plan, history);
            Container { record, knot: None }
        });
        self.update(&name, |record| record.history = history);
    }

    fn start(&mut self, name: ContainerName, mut record: Record) -> Option<Event> {
        let launched = self
            .launcher
            .launch(&self.records, &mut self.sockets, &mut record);
        let watched = launched.and_then(|pidfd| {
            self.poll.watch(&name, pidfd).map_err(|(pidfd, err)| {
                launch::undo(&pidfd);
                LaunchError::Step("watch the knot", err)
            })
        });
        let (knot, failure) = match watched {
            Ok(watched) => (Some(watched), None),
            Err(err) => (None, Some(err.to_string())),
        };
        let target = about(&name.sandbox);
        if let Some(knot) = &record.knot {
            let (pid, starts) = (knot.pid, record.history.starts);
            info!(target: &target, "{name}: started, pid {pid}, start {starts}");
        }
        let ending = failure.map(|reason| {
            let hint = None;
            Ending::Failed { reason, hint }
        });
        if let Some(ending) = &ending {
            note_end(&mut record, ending.clone().into());
        }
        self.containers
            .insert(name.clone(), Container { record, knot });
        match ending {
            None => self.begin_to_hear(&name),
            Some(_) => self.note_secrets(&name, true),
        }
        ending.map(|ending| Event::Ended(name, ending))
    }

    /// The container's knot has ended.
    fn ended(&mut self, name: &ContainerName) {
        let Some(container) = self.containers.get_mut(name) else {
            return;
        };
        if let Some(Err(err)) = container.knot.take().map(|knot| self.poll.forget(knot)) {
            warn!("{name}: cannot reap its knot: {err}");
        }
        self.hear(name);
        self.note_secrets(name, true);
        let told = self.records.ending(name);
        let ending = told.ending.clone();
        if let Some(container) = self.containers.get_mut(name)
            && !container.record.heard.ended
        {
            note_end(&mut container.record, told);
        }
        self.feed(Event::Ended(name.clone(), ending));
    }

    fn signal(&mut self, name: &ContainerName, signal: Signal) {
        let knot = self.containers.get(name).and_then(|c| c.knot.as_ref());
        let Some(knot) = knot else { return };
        match pidfd_send_signal(&knot.pidfd, signal) {
            // It has just ended, which the poll tells next.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(err) => {
                error!(target: &about(&name.sandbox), "{name}: cannot send {signal:?}: {err}")
            }
        }
    }

    /// Changes a record. One that cannot be written is out of date, which a
    /// later supervisor notices; nothing stops because of it.
    fn update(&mut self, name: &ContainerName, change: impl FnOnce(&mut Record)) {
        if let Some(container) = self.containers.get_mut(name) {
            change(&mut container.record);
            if let Err(err) = self.records.write(&container.record) {
                error!(target: &about(&name.sandbox), "{name}: cannot write its record: {err}");
            }
        }
    }

    /// What is left of it is killed; a next start makes it anew.
    fn remove_cgroup(&self, name: &ContainerName) {
        let container = self.containers.get(name);
        let Some(cgroup) = container.and_then(|c| c.record.plan.cgroup.as_ref()) else {
            return;
        };
        if let Err(err) = self.hierarchies.remove(cgroup) {
            warn!(target: &about(&name.sandbox), "{name}: cannot remove its cgroup: {err}");
        }
        // Nobody will be put below a former parent again.
        if self.loading.home().master.cgroup_name.as_ref() != Some(&cgroup.parent) {
            self.hierarchies.remove_parent(&cgroup.parent);
        }
    }

    /// Nothing runs any more: removes what was made for it.
    fn clean_up(&self) {
        let home = self.loading.home();
        self.past.forget();
        let _ = fs::remove_file(home.metrics_socket());
        commands::discard_stale(&self.records, self.audit.log());
        self.records.remove_dir();
        if home.state_dir.exists() {
            // Someone runs a command, which needs the rest.
            return;
        }
        // Fails if it is not empty, as it should.
        let _ = fs::remove_dir(&home.mount_dir);
        if let Some(parent) = &home.master.cgroup_name {
            self.hierarchies.remove_parent(parent);
        }
    }
}

/// Notes in the record how it ended, and logs it.
fn note_end(record: &mut Record, told: Told) {
    let since_start = now().saturating_sub(record.history.started.unwrap_or_default());
    let last = LastEnd {
        ending: told.ending,
        out_of_memory: told.out_of_memory,
        stopped: record.stopping.is_some(),
        ran: told.ran.unwrap_or(since_start),
        restarts: record.history.starts.saturating_sub(1),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
    };
    let name = &record.plan.name;
    let failed = last.ending.is_failure(&record.plan.supervision);
    let level = last.level(failed);
    ::log::log!(target: &about(&name.sandbox), level, "{name}: {last}");
    record.tally.ended(failed && !last.stopped);
    record.last_end = Some(last);
}

/// The monotonic clock.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A random number between -1 and 1.
fn jitter() -> f64 {
    let mut random = [0; 4];
    // Without random numbers, restarts are only less well spread.
    let _ = getrandom(&mut random, GetRandomFlags::NONBLOCK);
    f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX) * 2.0 - 1.0
}
