//! One test for each rule of what an operator asks.

use super::tests::{EXIT_0, at, end, load, name, plan, running, web};
use super::*;

fn held(names: &[&str]) -> Event {
    let mut holds = Holds::default();
    names.iter().for_each(|selected| holds.hold(name(selected)));
    Event::Held(holds)
}

fn phase(machine: &Machine) -> Phase {
    machine.containers().next().expect("a container").1
}

fn restart(machine: &mut Machine, now: f64, selected: &str) -> Vec<Action> {
    machine.step(Event::Restart(name(selected)), at(now), 0.0)
}

fn terminate() -> Vec<Action> {
    vec![Action::Terminate(name("shop/web.0"))]
}

#[test]
fn what_is_held_ends_and_is_not_started_again() {
    for selected in ["shop", "shop/web", "shop/web.0"] {
        let mut machine = running();
        let told = machine.step(held(&[selected]), at(101.0), 0.0);
        assert_eq!(told, terminate(), "{selected}");
        let ended = end(&mut machine, 102.0, EXIT_0);
        assert!(
            matches!(&ended[..], [Action::Rest(..), Action::Hold(..)]),
            "{ended:?}"
        );
        assert_eq!((phase(&machine), machine.next_timer()), (Phase::Held, None));
        let changed = plan("shop/web.0", 2);
        assert_eq!(load(&mut machine, 200.0, web(&[&changed])), []);
    }
}

#[test]
fn what_is_released_starts_at_once_as_its_files_are_then() {
    let mut machine = running();
    machine.step(held(&["shop/web"]), at(101.0), 0.0);
    end(&mut machine, 101.0, EXIT_0);
    let changed = plan("shop/web.0", 2);
    load(&mut machine, 101.0, web(&[&changed]));
    assert_eq!(machine.step(held(&[]), at(101.5), 0.0), []);
    let started = machine.step(Event::Timer, at(101.5), 0.0);
    assert!(
        matches!(&started[..], [Action::Start(plan, _)] if *plan == changed),
        "{started:?}"
    );
}

#[test]
fn what_is_released_while_it_ends_starts_at_once_then() {
    let mut machine = running();
    machine.step(held(&["shop/web"]), at(100.1), 0.0);
    machine.step(held(&[]), at(100.2), 0.0);
    end(&mut machine, 100.3, EXIT_0);
    assert_eq!(machine.next_timer(), Some(at(100.3)));
}

#[test]
fn what_comes_while_it_is_held_is_recorded_and_not_started() {
    let mut machine = Machine::default();
    machine.step(held(&["shop"]), at(1.0), 0.0);
    let loaded = load(&mut machine, 1.0, web(&[&plan("shop/web.0", 1)]));
    assert!(matches!(&loaded[..], [Action::Hold(..)]), "{loaded:?}");
    assert_eq!(machine.next_timer(), None);
    assert_eq!(
        load(&mut machine, 2.0, web(&[])),
        [Action::Remove(name("shop/web.0"))]
    );
}

#[test]
fn a_hold_of_others_changes_nothing() {
    let mut machine = running();
    for other in ["blog", "shop/db", "shop/web.1"] {
        assert_eq!(machine.step(held(&[other]), at(101.0), 0.0), []);
    }
    assert_eq!(phase(&machine), Phase::Running);
}

#[test]
fn what_is_held_ends_although_its_files_are_broken() {
    let mut machine = running();
    load(&mut machine, 101.0, None);
    assert_eq!(
        machine.step(held(&["shop/web"]), at(102.0), 0.0),
        terminate()
    );
    end(&mut machine, 102.0, EXIT_0);
    machine.step(held(&[]), at(103.0), 0.0);
    assert_eq!(phase(&machine), Phase::Resting(None));
}

#[test]
fn everything_stops_although_something_is_held() {
    let mut machine = running();
    machine.step(held(&["shop/web"]), at(101.0), 0.0);
    end(&mut machine, 101.0, EXIT_0);
    let stopped = machine.step(Event::Stop, at(102.0), 0.0);
    assert_eq!(stopped, [Action::Remove(name("shop/web.0")), Action::Exit]);
}

#[test]
fn a_restart_waits_for_nothing_but_the_end() {
    let mut machine = running();
    assert_eq!(restart(&mut machine, 100.1, "shop/web"), terminate());
    assert_eq!(restart(&mut machine, 100.1, "shop/web"), []);
    end(&mut machine, 100.2, EXIT_0);
    assert_eq!(machine.next_timer(), Some(at(100.2)));
    machine.step(Event::Timer, at(100.2), 0.0);
    // The next start of its own waits as ever.
    end(&mut machine, 100.3, EXIT_0);
    assert_eq!(machine.next_timer(), Some(at(101.2)));
}

#[test]
fn a_restart_ends_the_wait_after_failures() {
    let mut machine = running();
    end(&mut machine, 100.0, Ending::Unknown);
    assert_eq!(restart(&mut machine, 100.1, "shop"), []);
    let started = machine.step(Event::Timer, at(100.1), 0.0);
    assert!(matches!(
        &started[..],
        [Action::Start(_, History { failures: 0, .. })]
    ));
}

#[test]
fn nothing_is_restarted_that_could_not_start() {
    let mut machine = running();
    load(&mut machine, 101.0, None);
    assert_eq!(restart(&mut machine, 102.0, "shop/web.0"), []);
    assert_eq!(phase(&machine), Phase::Running);
    let mut machine = running();
    machine.step(held(&["shop/web"]), at(101.0), 0.0);
    end(&mut machine, 101.0, EXIT_0);
    assert_eq!(restart(&mut machine, 102.0, "shop/web.0"), []);
    assert_eq!(phase(&machine), Phase::Held);
    assert_eq!(restart(&mut machine, 102.0, "blog"), []);
}

#[test]
fn tells_how_things_stand() {
    let mut machine = running();
    let standings = |machine: &Machine, selected: Option<&str>| {
        let selection = selected.map(name);
        let standings = machine.standings(&selection);
        standings
            .map(|(_, standing)| standing.broken)
            .collect::<Vec<_>>()
    };
    assert_eq!(standings(&machine, None), [false]);
    assert_eq!(standings(&machine, Some("shop/web")), [false]);
    assert!(standings(&machine, Some("shop/db")).is_empty());
    let entries = [(name("web"), None), (name("db"), None)];
    load(&mut machine, 101.0, Some(BTreeMap::from(entries)));
    assert_eq!(standings(&machine, Some("shop")), [true]);
    assert_eq!(machine.broken(), [name("shop/db"), name("shop/web")]);
    load(&mut machine, 101.0, None);
    assert_eq!(machine.broken(), [name("shop")]);
}
