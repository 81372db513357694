//! Random sequences of events against a small model of the world, with the
//! promises of the module checked after each step.

use proptest::prelude::*;

use super::tests::plan;
use super::*;

const SANDBOXES: [&str; 2] = ["shop", "blog"];
const PROCESSES: [&str; 2] = ["web", "db"];

/// What happens next. Numbers are indices, taken modulo what there is.
#[derive(Debug, Clone)]
enum Move {
    Pass(u64),
    Load(usize, Files),
    End(usize, Ending),
    /// From now on starts fail, or no longer.
    Break(bool),
    Hold(usize),
    Release(usize),
    Restart(usize),
    Stop,
}

/// What an operator may name.
const SELECTIONS: [&str; 7] = [
    "shop",
    "blog",
    "shop/web",
    "shop/db",
    "blog/web",
    "shop/web.0",
    "shop/web.1",
];

fn selection(index: usize) -> Selection {
    SELECTIONS[index].parse().unwrap()
}

/// A sandbox's files: broken as a whole, or each process with its number of
/// instances and its version; 9 instances stand for a broken process.
type Files = Option<[Option<(u32, u32)>; 2]>;

fn files() -> impl Strategy<Value = Files> {
    let process = prop_oneof![
        1 => Just(None),
        1 => Just(Some((9, 0))),
        4 => (0u32..3, 1u32..3).prop_map(Some),
    ];
    prop_oneof![
        1 => Just(None),
        4 => [process.clone(), process].prop_map(Some),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        any::<u8>().prop_map(|status| Ending::Ended(End::Exited(status))),
        (1i32..16).prop_map(|signal| Ending::Ended(End::Signalled(signal))),
        Just(Ending::Unknown),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        20 => (0u64..3000).prop_map(Move::Pass),
        5 => (60_000u64..90_000).prop_map(Move::Pass),
        10 => (0usize..2, files()).prop_map(|(s, f)| Move::Load(s, f)),
        10 => (any::<usize>(), ending()).prop_map(|(i, e)| Move::End(i, e)),
        2 => any::<bool>().prop_map(Move::Break),
        3 => (0usize..7).prop_map(Move::Hold),
        3 => (0usize..7).prop_map(Move::Release),
        3 => (0usize..7).prop_map(Move::Restart),
        1 => Just(Move::Stop),
    ];
    prop::collection::vec(one, 1..80)
}

fn desired(sandbox: &str, files: &Files) -> Desired {
    let processes = files.as_ref()?;
    let entry = |(process, entry): (&&str, &Option<(u32, u32)>)| {
        let (instances, version) = (*entry)?;
        let name = |n| format!("{sandbox}/{process}.{n}");
        let plans = (0..instances).map(|n| plan(&name(n), version)).collect();
        let plans = (instances < 9).then_some(plans);
        Some((process.parse().unwrap(), plans))
    };
    Some(PROCESSES.iter().zip(processes).filter_map(entry).collect())
}

/// Something that runs.
struct Alive {
    plan: Rc<Plan>,
    /// When it was told to end.
    told: Option<Duration>,
    killed: bool,
}

/// What went before the next start.
struct Past {
    started: Duration,
    failures: u32,
    /// What ran last, or is the next to run.
    plan: Rc<Plan>,
    /// An operator does not want it to wait for its time.
    hurried: bool,
}

impl Past {
    /// Reckoned apart from the module under test.
    fn least_wait(&self) -> Duration {
        let doubled = match self.failures {
            0 => 1.0,
            n => f64::from(n - 1).exp2().min(60.0) * 0.9,
        };
        Duration::from_secs_f64(doubled.max(1.0))
    }
}

/// The world outside: what runs, what was started when, what the files say.
#[derive(Default)]
struct World {
    machine: Machine,
    now: Duration,
    files: BTreeMap<&'static str, Files>,
    alive: BTreeMap<ContainerName, Alive>,
    past: BTreeMap<ContainerName, Past>,
    holds: Holds,
    /// Those of which a record is kept although they have never been started.
    held: BTreeSet<ContainerName>,
    starts_fail: bool,
    stopped: bool,
    exited: bool,
}

impl World {
    fn event(&mut self, event: Event, jitter: f64) {
        let actions = self.machine.step(event, self.now, jitter);
        for action in actions {
            self.act(action, jitter);
        }
    }

    fn act(&mut self, action: Action, jitter: f64) {
        match action {
            Action::Start(plan, _) => self.start(plan, jitter),
            Action::Terminate(name) => {
                let alive = self
                    .alive
                    .get_mut(&name)
                    .expect("told while it is not alive");
                assert_eq!(alive.told, None, "{name} told to end twice");
                alive.told = Some(self.now);
            }
            Action::Kill(name) => {
                let alive = self
                    .alive
                    .get_mut(&name)
                    .expect("killed while it is not alive");
                let told = alive.told.expect("told before it is killed");
                let least = told + alive.plan.supervision.kill_timeout;
                assert!(self.now >= least, "{name} killed before its time");
                assert!(!alive.killed, "{name} killed twice");
                alive.killed = true;
            }
            Action::Rest(name, _) => assert!(!self.alive.contains_key(&name)),
            Action::Keep(name, _) => assert!(self.alive.contains_key(&name)),
            Action::Hold(plan, _) => {
                assert!(!self.alive.contains_key(&plan.name));
                assert!(self.holds.covers(&plan.name));
                self.held.insert(plan.name.clone());
            }
            Action::Remove(name) => {
                assert!(!self.alive.contains_key(&name), "{name} removed alive");
                self.held.remove(&name);
                self.past.remove(&name);
            }
            Action::Reload(sandbox) => {
                let files = self.files[sandbox.as_str()];
                let desired = desired(sandbox.as_str(), &files);
                self.event(Event::Retried(sandbox, desired), jitter);
            }
            Action::Exit => {
                assert!(self.stopped && self.alive.is_empty(), "exits too early");
                self.exited = true;
            }
        }
    }

    fn start(&mut self, plan: Rc<Plan>, jitter: f64) {
        let name = plan.name.clone();
        assert!(!self.alive.contains_key(&name), "two generations of {name}");
        assert!(!self.stopped, "{name} started while stopping");
        assert!(!self.holds.covers(&name), "{name} started while it is held");
        let mut failures = 0;
        if let Some(past) = self.past.get(&name) {
            let least = past.started + past.least_wait();
            let in_time = self.now >= least || past.hurried;
            assert!(in_time, "{name} started before its time");
            failures = past.failures;
        }
        let past = Past {
            started: self.now,
            failures,
            plan: plan.clone(),
            hurried: false,
        };
        self.past.insert(name.clone(), past);
        let alive = Alive {
            plan,
            told: None,
            killed: false,
        };
        self.alive.insert(name.clone(), alive);
        if self.starts_fail {
            let (reason, hint) = ("cannot start".to_owned(), None);
            self.end(name, Ending::Failed { reason, hint }, jitter);
        }
    }

    fn end(&mut self, name: ContainerName, ending: Ending, jitter: f64) {
        let alive = self.alive.remove(&name).expect("it is alive");
        let past = self.past.get_mut(&name).expect("it was started");
        if self.now - past.started > Duration::from_secs(60) {
            past.failures = 0;
        }
        let failed = alive.told.is_none() && ending.is_failure(&alive.plan.supervision);
        past.failures = if failed { past.failures + 1 } else { 0 };
        self.event(Event::Ended(name, ending), jitter);
    }

    /// Another plan than the one that failed has no failures yet.
    fn forgive(&mut self, sandbox: &str, files: &Files) {
        let plans = desired(sandbox, files).into_iter().flatten();
        for plan in plans.filter_map(|(_, plans)| plans).flatten() {
            let resting = !self.alive.contains_key(&plan.name);
            if let Some(past) = self.past.get_mut(&plan.name)
                && resting
                && past.plan != plan
            {
                past.failures = 0;
                past.plan = plan;
            }
        }
    }

    /// Those that are not held need not wait for their next start.
    fn hurry(&mut self, who: impl Fn(&ContainerName) -> bool) {
        for (name, past) in &mut self.past {
            if who(name) && !self.holds.covers(name) {
                past.hurried = true;
                if !self.alive.contains_key(name) {
                    past.failures = 0;
                }
            }
        }
    }

    /// What was restarted and can start again has been told to end.
    fn check_restarted(&self, selection: &Selection) {
        let files = self.files.iter();
        let plans = files.filter_map(|(sandbox, files)| desired(sandbox, files));
        let plans = plans.flat_map(BTreeMap::into_values).flatten().flatten();
        for plan in plans.filter(|plan| selection.covers(&plan.name)) {
            if let Some(alive) = self.alive.get(&plan.name) {
                let told = alive.told.is_some();
                assert!(told, "{} was not restarted", plan.name);
            }
        }
    }

    fn make(&mut self, step: Move, jitter: f64) {
        match step {
            Move::Pass(millis) => {
                self.now += Duration::from_millis(millis);
                self.event(Event::Timer, jitter);
            }
            Move::Load(index, files) => {
                let sandbox = SANDBOXES[index];
                self.files.insert(sandbox, files);
                self.forgive(sandbox, &files);
                let desired = desired(sandbox, &files);
                self.event(Event::Loaded(sandbox.parse().unwrap(), desired), jitter);
            }
            Move::End(index, ending) => {
                let count = self.alive.len().max(1);
                if let Some(name) = self.alive.keys().nth(index % count).cloned() {
                    self.end(name, ending, jitter);
                }
            }
            Move::Break(fail) => self.starts_fail = fail,
            Move::Hold(index) => {
                self.holds.hold(selection(index));
                self.event(Event::Held(self.holds.clone()), jitter);
            }
            Move::Release(index) => {
                let before = self.holds.clone();
                self.holds.release(selection(index));
                self.hurry(|name| before.covers(name));
                self.event(Event::Held(self.holds.clone()), jitter);
            }
            Move::Restart(index) => {
                let selection = selection(index);
                self.hurry(|name| selection.covers(name));
                self.event(Event::Restart(selection.clone()), jitter);
                self.check_restarted(&selection);
            }
            Move::Stop => {
                self.stopped = true;
                self.event(Event::Stop, jitter);
            }
        }
    }

    /// The promises of the module.
    fn check(&self) {
        for (name, phase) in self.machine.containers() {
            let runs = !matches!(phase, Phase::Resting(_) | Phase::Held);
            assert_eq!(runs, self.alive.contains_key(name), "{name}: {phase:?}");
        }
        for name in self.alive.keys() {
            assert!(self.phase(name).is_some(), "{name} forgotten while it runs");
        }
        if self.stopped {
            assert!(
                self.exited || !self.alive.is_empty(),
                "nothing left, no exit"
            );
            return;
        }
        for (sandbox, files) in &self.files {
            self.check_wanted(sandbox, files);
        }
    }

    fn check_wanted(&self, sandbox: &str, files: &Files) {
        let retried = || {
            let due = Due::Files(sandbox.parse().unwrap());
            self.machine.timers.iter().any(|(_, d)| *d == due)
        };
        let Some(processes) = desired(sandbox, files) else {
            return assert!(retried(), "broken files of {sandbox} forgotten");
        };
        self.check_unwanted(sandbox, &processes);
        for plans in processes.into_values() {
            let Some(plans) = plans else {
                assert!(retried(), "broken files of {sandbox} forgotten");
                continue;
            };
            for plan in plans {
                let held = self.holds.covers(&plan.name);
                match self.phase(&plan.name) {
                    Some(Phase::Held | Phase::Stopping(_)) if held => {}
                    Some(Phase::Resting(Some(at))) if !held => {
                        let due = (at, Due::Container(plan.name.clone()));
                        assert!(
                            self.machine.timers.contains(&due),
                            "{} forgotten",
                            plan.name
                        );
                    }
                    Some(Phase::Running | Phase::Stopping(_)) if !held => {}
                    other => panic!("{} forgotten: {other:?}", plan.name),
                }
            }
        }
    }

    /// What runs otherwise than the files say has been told to end.
    fn check_unwanted(&self, sandbox: &str, processes: &BTreeMap<Name, Option<Vec<Rc<Plan>>>>) {
        let untold = self.alive.iter().filter(|(_, alive)| alive.told.is_none());
        for (name, alive) in untold.filter(|(name, _)| name.sandbox.as_str() == sandbox) {
            assert!(!self.holds.covers(name), "{name} runs on while it is held");
            let wanted = match processes.get(&name.process) {
                // Broken: left alone.
                Some(None) => true,
                Some(Some(plans)) => plans.contains(&alive.plan),
                None => false,
            };
            assert!(wanted, "{name} runs on otherwise than wanted");
        }
    }

    fn phase(&self, name: &ContainerName) -> Option<Phase> {
        let sandbox = self.machine.sandboxes.get(&name.sandbox)?;
        Some(sandbox.containers.get(name)?.phase)
    }

    /// Given time and files that hold still, everything is as it should be.
    fn calm_down(&mut self) {
        self.starts_fail = false;
        for _ in 0..200 {
            let told = self.alive.iter().filter(|(_, alive)| alive.told.is_some());
            let told: Vec<_> = told.map(|(name, _)| name.clone()).collect();
            for name in told {
                self.end(name, Ending::Unknown, 0.0);
            }
            let Some(next) = self.machine.next_timer().filter(|_| !self.exited) else {
                break;
            };
            self.now = self.now.max(next);
            self.event(Event::Timer, 0.0);
            self.check();
        }
    }
}

proptest! {
    #[test]
    fn keeps_its_promises_whatever_happens(
        moves in moves(),
        jitters in prop::collection::vec(-1.0f64..1.0, 80),
    ) {
        let mut world = World::default();
        for (step, jitter) in moves.into_iter().zip(jitters) {
            world.make(step, jitter);
            if world.exited {
                return Ok(());
            }
            world.check();
        }
        world.calm_down();
        for (sandbox, files) in &world.files {
            let all = desired(sandbox, files).into_iter().flatten();
            let plans = all.filter_map(|(_, plans)| plans).flatten();
            for plan in plans.filter(|_| !world.stopped) {
                let (alive, held) = (world.alive.contains_key(&plan.name), world.holds.covers(&plan.name));
                prop_assert!(alive != held, "{}: alive {alive}, held {held}", plan.name);
            }
        }
    }

    #[test]
    fn a_new_supervisor_continues_where_another_was_killed(
        moves in moves(),
        jitters in prop::collection::vec(-1.0f64..1.0, 80),
        killed_after in 1usize..40,
    ) {
        let mut world = World::default();
        for (number, (step, jitter)) in moves.into_iter().zip(jitters).enumerate() {
            if number % killed_after == 0 && !world.stopped {
                world.replace_supervisor();
            }
            world.make(step, jitter);
            if world.exited {
                return Ok(());
            }
            world.check();
        }
    }
}

impl World {
    /// All that a new supervisor knows is the records and the files.
    fn replace_supervisor(&mut self) {
        let old = std::mem::take(&mut self.machine);
        self.event(Event::Held(self.holds.clone()), 0.0);
        for sandbox in old.sandboxes.values() {
            for (name, container) in &sandbox.containers {
                if container.history.started.is_none() && !self.held.contains(name) {
                    continue;
                }
                let state = match self.alive.get_mut(name).map(|alive| (alive.told, alive)) {
                    None => Found::Resting,
                    Some((None, _)) => Found::Running,
                    Some((Some(told), alive)) => {
                        // The new one does not know that.
                        alive.killed = false;
                        Found::Stopping(told)
                    }
                };
                let (plan, history) = (container.plan.clone(), container.history);
                let event = Event::Found {
                    plan,
                    history,
                    state,
                };
                self.event(event, 0.0);
            }
        }
        for (sandbox, files) in self.files.clone() {
            let event = Event::Loaded(sandbox.parse().unwrap(), desired(sandbox, &files));
            self.event(event, 0.0);
        }
    }
}
