//! Supervisors are killed at random moments while containers with secrets start all
//! the time: afterwards every start has its lines in the audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;
use crate::random::Random;

/// So many supervisors are killed.
const BLOWS: usize = 30;

#[test]
fn every_start_has_its_lines_though_supervisors_are_killed_at_random() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "a secret");
    let secrets = format!("secret-environ: {{ A: {token}, B: {token} }}");
    let times = "restart-timeout: 0.02\nrestart-timeout-max: 0.05";
    ground.container(&format!("arguments: [report, exit=0]\n{times}\n{secrets}"));
    ground.container_named(
        "kept",
        &format!("arguments: [exit=0]\nrestart-process-only: true\n{times}\n{secrets}"),
    );
    ground.processes(
        "web: { image: probe, config: /config/web.yaml, instances: 6 }\n\
         kept: { image: probe, config: /config/kept.yaml, instances: 3 }",
    );
    let mut random = Random::new();
    for blow in 0..BLOWS {
        let mut tree = ground.start();
        sleep(Duration::from_millis(20 + random.below(180) as u64));
        tree.signal(Signal::SIGKILL);
        tree.ended();
        // Dropped, it would kill what it leaves.
        std::mem::forget(tree);
        // Now and then a knot that nobody sees end.
        if blow % 3 == 0
            && let Some(knot) = random.one_of(&ground.knots())
        {
            let _ = kill(Pid::from_raw(knot), Signal::SIGKILL);
        }
    }
    let mut last = ground.start();
    last.listens();
    assert!(last.stop().success());
    let (starts, audited) = (starts(&ground), Audited::read(&ground));
    eprintln!(
        "{} starts, {} lines came twice",
        starts.values().sum::<usize>(),
        audited.twice
    );
    assert!(starts.values().sum::<usize>() > BLOWS, "{starts:?}");
    for (container, starts) in starts {
        let of = |outcome: &str| audited.count(&container, outcome);
        let (delivered, unknown) = (of("delivered"), of("unknown"));
        // A knot that was killed may have told people, and not yet its report.
        let most = delivered + unknown;
        assert!(
            (delivered..=most).contains(&starts),
            "{container}: {starts} starts, {delivered} delivered, {unknown} unknown"
        );
    }
    audited.expect_whole();
}

/// How often each container was started, by what its knots have said of that.
fn starts(ground: &Ground) -> BTreeMap<String, usize> {
    let stdio = fs::read_to_string(ground.path("log/stdio/shop.log")).unwrap();
    let mut starts = BTreeMap::new();
    for line in stdio.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let [_, "lithos:", container, started, ..] = words[..]
            && started.trim_end_matches(',') == "started"
        {
            *starts.entry(container.to_owned()).or_default() += 1;
        }
    }
    starts
}

#[derive(Default)]
struct Audited {
    /// By container and start: the outcome, and the secrets that have it.
    starts: BTreeMap<(String, String), (String, BTreeSet<String>)>,
    twice: usize,
}

impl Audited {
    fn read(ground: &Ground) -> Self {
        let text = fs::read_to_string(ground.path("log/audit.log")).unwrap();
        let mut audited = Self::default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| line[field].as_str().unwrap().to_owned();
            let key = (text("container"), text("start"));
            let (outcome, secrets) = audited
                .starts
                .entry(key)
                .or_insert_with(|| (text("outcome"), BTreeSet::new()));
            assert_eq!(*outcome, text("outcome"), "one start, two outcomes");
            audited.twice += usize::from(!secrets.insert(text("secret")));
        }
        audited
    }

    fn count(&self, container: &str, outcome: &str) -> usize {
        let starts = self.starts.iter();
        let of = starts.filter(|((name, _), (found, _))| name == container && found == outcome);
        of.count()
    }

    /// No start has lines for some of its secrets only.
    fn expect_whole(&self) {
        let both = BTreeSet::from(["A".to_owned(), "B".to_owned()]);
        for (start, (_, secrets)) in &self.starts {
            assert_eq!(*secrets, both, "{start:?}");
        }
    }
}
