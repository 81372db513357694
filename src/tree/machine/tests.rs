//! One test for each rule.

use super::*;

/// A plan made as a record's is: from JSON.
pub fn plan(name: &str, version: u32) -> Rc<Plan> {
    let json = serde_json::json!({
        "name": name, "kind": "Daemon", "image": format!("/images/v{version}"),
        "config": "/config/web.yaml", "mount-dir": "/run/lithos/mnt", "hostname": "web",
        "mounts": [],
        "ids": { "user-namespace": true, "uid-map": [], "gid-map": [],
                 "uid": 1, "gid": 1, "host-uid": 1, "host-gid": 1 },
        "process": { "executable": "/bin/web", "arguments": [], "environ": {}, "workdir": "/" },
        "limits": { "fileno": 1024 },
        "stdio": { "log": "/dev/null" },
        "supervision": {
            "restart-timeout": { "secs": 1, "nanos": 0 },
            "kill-timeout": { "secs": 5, "nanos": 0 },
            "normal-exit-codes": [7],
        },
    });
    Rc::new(serde_json::from_value(json).expect("a plan"))
}

/// What the files of a sandbox with one process `web` ask for.
pub(super) fn web(plans: &[&Rc<Plan>]) -> Desired {
    let plans = plans.iter().map(|&p| p.clone()).collect();
    Some(BTreeMap::from([(name("web"), Some(plans))]))
}

pub(super) fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(super) fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(super) const EXIT_0: Ending = Ending::Ended(End::Exited(0));

/// A machine with `shop/web.0` started at 100 s.
pub(super) fn running() -> Machine {
    let mut machine = Machine::default();
    machine.step(
        Event::Loaded(name("shop"), web(&[&plan("shop/web.0", 1)])),
        at(100.0),
        0.0,
    );
    let actions = machine.step(Event::Timer, at(100.0), 0.0);
    assert!(matches!(&actions[..], [Action::Start(..)]), "{actions:?}");
    machine
}

pub(super) fn load(machine: &mut Machine, now: f64, desired: Desired) -> Vec<Action> {
    machine.step(Event::Loaded(name("shop"), desired), at(now), 0.0)
}

pub(super) fn end(machine: &mut Machine, now: f64, ending: Ending) -> Vec<Action> {
    machine.step(Event::Ended(name("shop/web.0"), ending), at(now), 0.0)
}

fn starts(actions: &[Action]) -> usize {
    let is_start = |a: &&Action| matches!(a, Action::Start(..));
    actions.iter().filter(is_start).count()
}

fn failures(machine: &Machine) -> u32 {
    machine.sandboxes[&name::<Name>("shop")].containers[&name::<ContainerName>("shop/web.0")]
        .history
        .failures
}

#[test]
fn a_daemon_that_ends_is_started_again_once_its_restart_timeout_has_passed() {
    let mut machine = running();
    end(&mut machine, 100.2, EXIT_0);
    assert_eq!(machine.next_timer(), Some(at(101.0)));
    assert_eq!(starts(&machine.step(Event::Timer, at(100.9), 0.0)), 0);
    assert_eq!(starts(&machine.step(Event::Timer, at(101.0), 0.0)), 1);
}

#[test]
fn a_daemon_that_ran_longer_than_its_restart_timeout_is_started_at_once() {
    let mut machine = running();
    end(&mut machine, 130.0, EXIT_0);
    assert_eq!(starts(&machine.step(Event::Timer, at(130.0), 0.0)), 1);
}

#[test]
fn each_failure_in_a_row_waits_twice_as_long() {
    let mut machine = running();
    let mut now = 100.0;
    for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        end(&mut machine, now, EXIT_0);
        assert_eq!(machine.next_timer(), Some(at(now + wait)));
        now += wait;
        assert_eq!(starts(&machine.step(Event::Timer, at(now), 0.0)), 1);
    }
}

#[test]
fn a_start_that_fails_counts_as_a_failure_and_is_tried_again() {
    let mut machine = running();
    let failed = Ending::Failed {
        reason: "cannot open image: no such file".into(),
        hint: None,
    };
    end(&mut machine, 100.0, failed);
    assert_eq!(failures(&machine), 1);
    assert_eq!(machine.next_timer(), Some(at(101.0)));
}

#[test]
fn a_start_that_fails_has_the_files_read_again_and_what_is_repaired_starts() {
    let mut machine = running();
    let failed = Ending::Failed {
        reason: "cannot open the secret P".into(),
        hint: None,
    };
    end(&mut machine, 100.0, failed);
    let actions = machine.step(Event::Timer, at(101.0), 0.0);
    assert!(
        actions.contains(&Action::Reload(name("shop"))),
        "{actions:?}"
    );
    let same = web(&[&plan("shop/web.0", 1)]);
    let actions = machine.step(Event::Retried(name("shop"), same), at(101.0), 0.0);
    assert_eq!(actions, []);
    assert_eq!(machine.next_timer(), None);
    end(&mut machine, 101.1, Ending::Unknown);
    assert_eq!(machine.next_timer(), Some(at(103.0)));
}

#[test]
fn death_by_sigterm_and_normal_exit_codes_are_no_failures() {
    for (ending, expected) in [
        (Ending::Ended(End::Signalled(15)), 0),
        (Ending::Ended(End::Exited(7)), 0),
        (Ending::Ended(End::Signalled(9)), 1),
        (Ending::Ended(End::Exited(1)), 1),
        (EXIT_0, 1),
        (Ending::Unknown, 1),
    ] {
        let mut machine = running();
        end(&mut machine, 100.5, ending.clone());
        assert_eq!(failures(&machine), expected, "{ending:?}");
    }
}

#[test]
fn an_end_after_our_own_sigterm_is_no_failure() {
    let mut machine = running();
    load(&mut machine, 102.0, web(&[&plan("shop/web.0", 2)]));
    end(&mut machine, 102.1, Ending::Ended(End::Exited(143)));
    assert_eq!(failures(&machine), 0);
}

#[test]
fn an_equal_plan_is_left_untouched() {
    let mut machine = running();
    let actions = load(&mut machine, 101.0, web(&[&plan("shop/web.0", 1)]));
    assert_eq!(actions, []);
    assert_eq!(machine.next_timer(), None);
}

#[test]
fn a_changed_plan_is_terminated_waited_for_and_started_anew() {
    let mut machine = running();
    let new = plan("shop/web.0", 2);
    let actions = load(&mut machine, 200.0, web(&[&new]));
    assert_eq!(actions, [Action::Terminate(name("shop/web.0"))]);
    assert_eq!(starts(&machine.step(Event::Timer, at(204.0), 0.0)), 0);
    end(&mut machine, 204.5, EXIT_0);
    let actions = machine.step(Event::Timer, at(204.5), 0.0);
    assert!(matches!(&actions[..], [Action::Start(plan, _)] if *plan == new));
}

#[test]
fn what_does_not_end_in_its_kill_timeout_is_killed_once() {
    let mut machine = running();
    load(&mut machine, 200.0, web(&[]));
    assert_eq!(machine.step(Event::Timer, at(204.9), 0.0), []);
    let killed = [Action::Kill(name("shop/web.0"))];
    assert_eq!(machine.step(Event::Timer, at(205.0), 0.0), killed);
    assert_eq!(machine.step(Event::Timer, at(300.0), 0.0), []);
    assert_eq!(machine.next_timer(), None);
}

#[test]
fn what_is_removed_is_terminated_and_cleaned_up() {
    let mut machine = running();
    load(&mut machine, 200.0, Some(BTreeMap::new()));
    let actions = end(&mut machine, 201.0, EXIT_0);
    assert_eq!(actions, [Action::Remove(name("shop/web.0"))]);
    assert_eq!(machine.containers().count(), 0);
    assert_eq!(machine.next_timer(), None);
}

#[test]
fn fewer_instances_stop_the_last_and_leave_the_first() {
    let (first, second) = (plan("shop/web.0", 1), plan("shop/web.1", 1));
    let mut machine = Machine::default();
    load(&mut machine, 100.0, web(&[&first, &second]));
    assert_eq!(starts(&machine.step(Event::Timer, at(100.0), 0.0)), 2);
    let actions = load(&mut machine, 101.0, web(&[&first]));
    assert_eq!(actions, [Action::Terminate(name("shop/web.1"))]);
}

#[test]
fn a_changed_plan_forgets_failures_but_not_the_restart_timeout() {
    let mut machine = running();
    for _ in 0..4 {
        let now = machine.next_timer().unwrap_or(at(100.0));
        machine.step(Event::Timer, now, 0.0);
        end(&mut machine, now.as_secs_f64(), EXIT_0);
    }
    assert_eq!(machine.next_timer(), Some(at(107.0 + 8.0)));
    load(&mut machine, 107.1, web(&[&plan("shop/web.0", 2)]));
    assert_eq!(machine.next_timer(), Some(at(108.0)));
}

#[test]
fn broken_files_leave_alone_what_runs() {
    for broken in [None, Some(BTreeMap::from([(name("web"), None)]))] {
        let mut machine = running();
        assert_eq!(load(&mut machine, 101.0, broken), []);
        assert_eq!(machine.containers().next().unwrap().1, Phase::Running);
    }
}

#[test]
fn broken_files_are_read_again_and_what_they_ask_for_then_starts() {
    for broken in [None, Some(BTreeMap::from([(name("web"), None)]))] {
        let mut machine = Machine::default();
        load(&mut machine, 100.0, broken.clone());
        assert_eq!(machine.next_timer(), Some(at(101.0)));
        let reload = [Action::Reload(name("shop"))];
        assert_eq!(machine.step(Event::Timer, at(101.0), 0.0), reload);
        machine.step(Event::Retried(name("shop"), broken), at(101.0), 0.0);
        assert_eq!(machine.next_timer(), Some(at(103.0)));
        assert_eq!(machine.step(Event::Timer, at(103.0), 0.0), reload);
        let good = web(&[&plan("shop/web.0", 1)]);
        machine.step(Event::Retried(name("shop"), good), at(103.0), 0.0);
        assert_eq!(starts(&machine.step(Event::Timer, at(103.0), 0.0)), 1);
        assert_eq!(machine.next_timer(), None);
    }
}

#[test]
fn reading_broken_files_again_changes_nothing_that_was_not_broken() {
    let old = plan("shop/web.0", 1);
    let both = |web: &Rc<Plan>, db| {
        let web = (name("web"), Some(vec![web.clone()]));
        Some(BTreeMap::from([web, (name("db"), db)]))
    };
    let mut machine = Machine::default();
    load(&mut machine, 100.0, both(&old, None));
    machine.step(Event::Timer, at(100.0), 0.0);
    let half_edited = both(&plan("shop/web.0", 2), Some(vec![plan("shop/db.0", 1)]));
    let actions = machine.step(Event::Retried(name("shop"), half_edited), at(101.0), 0.0);
    assert_eq!(actions, []);
    let actions = machine.step(Event::Timer, at(101.0), 0.0);
    assert!(matches!(&actions[..], [Action::Start(p, _)] if p.name == name("shop/db.0")));
}

#[test]
fn what_ends_while_its_files_are_broken_waits_for_them() {
    let mut machine = running();
    load(&mut machine, 101.0, None);
    end(&mut machine, 101.5, EXIT_0);
    let actions = machine.step(Event::Timer, at(102.0), 0.0);
    assert_eq!(actions, [Action::Reload(name("shop"))]);
    let same = web(&[&plan("shop/web.0", 1)]);
    machine.step(Event::Retried(name("shop"), same), at(102.0), 0.0);
    assert_eq!(starts(&machine.step(Event::Timer, at(102.0), 0.0)), 1);
}

#[test]
fn stopping_terminates_everything_kills_what_stays_and_exits_when_nothing_is_left() {
    let mut machine = running();
    let actions = machine.step(Event::Stop, at(101.0), 0.0);
    assert_eq!(actions, [Action::Terminate(name("shop/web.0"))]);
    assert_eq!(machine.step(Event::Stop, at(102.0), 0.0), []);
    let killed = [Action::Kill(name("shop/web.0"))];
    assert_eq!(machine.step(Event::Timer, at(106.0), 0.0), killed);
    let actions = end(&mut machine, 106.1, Ending::Unknown);
    assert_eq!(actions, [Action::Remove(name("shop/web.0")), Action::Exit]);
}

#[test]
fn stopping_forgets_what_waits_and_what_is_broken() {
    let mut machine = running();
    end(&mut machine, 100.1, EXIT_0);
    machine.step(Event::Loaded(name("other"), None), at(100.2), 0.0);
    let actions = machine.step(Event::Stop, at(100.3), 0.0);
    assert_eq!(actions, [Action::Remove(name("shop/web.0")), Action::Exit]);
    assert_eq!(machine.next_timer(), None);
}

#[test]
fn files_read_while_stopping_start_nothing() {
    let mut machine = running();
    machine.step(Event::Stop, at(101.0), 0.0);
    load(&mut machine, 101.0, web(&[&plan("shop/web.1", 1)]));
    assert_eq!(machine.next_timer(), Some(at(106.0)));
    assert_eq!(machine.containers().count(), 1);
}

fn found(state: Found, failures: u32) -> Machine {
    let mut machine = Machine::default();
    let history = History {
        starts: 9,
        failures,
        started: Some(at(90.0)),
    };
    let plan = plan("shop/web.0", 1);
    let event = Event::Found {
        plan,
        history,
        state,
    };
    assert_eq!(machine.step(event, at(100.0), 0.0), []);
    machine
}

#[test]
fn what_is_found_running_with_an_equal_plan_is_adopted_untouched() {
    let mut machine = found(Found::Running, 0);
    let actions = load(&mut machine, 100.0, web(&[&plan("shop/web.0", 1)]));
    assert_eq!(actions, []);
    assert_eq!(machine.next_timer(), None);
}

#[test]
fn what_is_found_running_and_is_wanted_no_more_is_terminated() {
    let mut machine = found(Found::Running, 0);
    let actions = load(&mut machine, 100.0, Some(BTreeMap::new()));
    assert_eq!(actions, [Action::Terminate(name("shop/web.0"))]);
}

#[test]
fn what_is_found_stopping_is_killed_in_time_and_not_terminated_again() {
    let mut machine = found(Found::Stopping(at(97.0)), 0);
    let actions = load(&mut machine, 100.0, web(&[&plan("shop/web.0", 2)]));
    assert_eq!(actions, []);
    let killed = [Action::Kill(name("shop/web.0"))];
    assert_eq!(machine.step(Event::Timer, at(102.0), 0.0), killed);
}

#[test]
fn what_is_found_resting_keeps_its_history() {
    let mut machine = found(Found::Resting, 5);
    load(&mut machine, 100.0, web(&[&plan("shop/web.0", 1)]));
    assert_eq!(machine.next_timer(), Some(at(90.0 + 16.0)));
}

#[test]
fn hundreds_of_starts_are_spread_over_steps() {
    let plans: Vec<_> = (0..100)
        .map(|n| plan(&format!("shop/web.{n}"), 1))
        .collect();
    let mut machine = Machine::default();
    load(&mut machine, 100.0, web(&plans.iter().collect::<Vec<_>>()));
    let mut seen = 0;
    while machine.next_timer().is_some() {
        let now = starts(&machine.step(Event::Timer, at(100.0), 0.0));
        assert!(now <= STARTS_PER_STEP);
        seen += now;
    }
    assert_eq!(seen, 100);
}

#[test]
fn starts_inside_a_kept_container_count_and_are_waited_from() {
    let mut machine = running();
    let web_0: ContainerName = "shop/web.0".parse().unwrap();
    let actions = machine.step(Event::StartedInside(web_0.clone(), 2), at(107.0), 0.0);
    let [Action::Keep(kept, history)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!((kept, history.starts), (&web_0, 3));
    assert_eq!(history.started, Some(at(107.0)));
    let strange = "other/web.0".parse().unwrap();
    assert_eq!(
        machine.step(Event::StartedInside(strange, 1), at(107.0), 0.0),
        []
    );
}
