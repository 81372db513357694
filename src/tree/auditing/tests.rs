//! What is noted of each course that a report can take, and of each moment at
//! which whoever notes it can be killed.

use std::fs;
use std::io::Write;
use std::rc::Rc;

use super::*;
use crate::audit::Line;
use crate::report::{End, RefusedSecret};
use crate::resolve::plan::{Sealed, Secrets};
use crate::sys::pidfd;
use crate::tree::backoff::History;
use crate::tree::records::Knot;
use crate::tree::scratch::Scratch;

/// A container that was started by itself, so that its knot is us.
struct Stage {
    scratch: Scratch,
    records: Records,
    record: Record,
}

impl Stage {
    fn new(kept: bool) -> Self {
        let scratch = Scratch::new();
        let records = Records::open(&scratch.path().join("state")).unwrap();
        let mut plan = Plan::clone(&crate::tree::machine::tests::plan("shop/web.0", 1));
        plan.supervision.restart_process_only = kept;
        let sealed = Sealed {
            tokens: vec!["no token".to_owned()],
            ..Sealed::default()
        };
        plan.secrets = Rc::new(Secrets {
            environ: [("P".to_owned(), sealed)].into(),
            ..Secrets::default()
        });
        let mut record = records.intent(Rc::new(plan), History::default(), None);
        record.audit = Progress::begin(&record.plan);
        let own = std::process::id().cast_signed();
        let note = Knot::note(own, pidfd::open(own).unwrap(), Vec::new());
        record.knot = Some(note.unwrap());
        records.write(&record).unwrap();
        records.new_report(&record.plan.name).unwrap();
        Self {
            scratch,
            records,
            record,
        }
    }

    fn tell(&self, report: &Report) {
        let path = self.records.report(&self.record.plan.name);
        let mut file = fs::File::options().append(true).open(path).unwrap();
        writeln!(file, "{}", serde_json::to_string(report).unwrap()).unwrap();
    }

    fn log(&self) -> Log {
        Log::at(
            self.scratch.path().join("audit.log"),
            self.scratch.path().join("audit.owed"),
        )
    }

    fn note(&mut self, ended: bool) {
        let log = self.log();
        note(&log, &self.records, &mut self.record, ended)
            .1
            .unwrap();
    }

    /// The outcome of each line, and whether its id has been there before.
    fn outcomes(&self) -> Vec<(String, bool)> {
        let text = fs::read_to_string(self.scratch.path().join("audit.log"));
        let lines = text.unwrap_or_default();
        let lines = lines.lines().map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            (line.outcome, line.start)
        });
        let mut seen = std::collections::BTreeSet::new();
        lines
            .map(|(outcome, start)| (outcome, !seen.insert(start)))
            .collect()
    }

    fn expect(&self, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|o| (o.to_string(), false)).collect();
        assert_eq!(self.outcomes(), expected);
    }
}

fn started() -> Report {
    Report::Started {
        time: 1,
        pid: None,
        landlock: None,
        opened: Vec::new(),
    }
}

fn ended() -> Report {
    Report::Ended {
        end: End::Exited(0),
        time: 2,
        ran: None,
        out_of_memory: None,
    }
}

fn failed(refused: Vec<RefusedSecret>) -> Report {
    Report::Failed {
        reason: "cannot".to_owned(),
        hint: None,
        status: 125,
        refused,
    }
}

#[test]
fn a_start_is_noted_once_however_often_it_is_looked_at() {
    let mut stage = Stage::new(false);
    stage.note(false);
    stage.expect(&[]);
    stage.tell(&started());
    stage.note(false);
    stage.note(false);
    stage.tell(&ended());
    stage.note(false);
    stage.note(true);
    stage.note(true);
    stage.expect(&["delivered"]);
}

#[test]
fn a_refused_start_is_noted_with_its_outcome() {
    let mut stage = Stage::new(false);
    stage.tell(&failed(vec![RefusedSecret {
        name: "P".to_owned(),
        outcomes: vec!["malformed".to_owned()],
    }]));
    stage.note(true);
    stage.expect(&["malformed"]);
}

#[test]
fn a_start_that_fails_for_another_reason_withholds_the_secrets() {
    let mut stage = Stage::new(false);
    stage.tell(&failed(Vec::new()));
    stage.note(true);
    stage.expect(&["withheld"]);
    // Told to end before its process was there.
    let mut stage = Stage::new(false);
    stage.tell(&ended());
    stage.note(true);
    stage.expect(&["withheld"]);
}

#[test]
fn a_failure_of_the_knot_after_the_start_is_no_other_start() {
    let mut stage = Stage::new(false);
    stage.tell(&started());
    stage.tell(&failed(Vec::new()));
    stage.note(true);
    stage.expect(&["delivered"]);
}

#[test]
fn a_knot_that_was_killed_before_it_told_anything_leaves_it_unknown() {
    let mut stage = Stage::new(false);
    stage.note(true);
    stage.note(true);
    stage.expect(&["unknown"]);
}

#[test]
fn what_never_passed_the_gate_was_given_nothing_whatever_an_old_report_says() {
    let mut stage = Stage::new(false);
    stage.tell(&started());
    stage.record.knot = None;
    stage.note(false);
    stage.note(false);
    stage.expect(&["withheld"]);
}

#[test]
fn each_restart_inside_a_kept_container_is_noted() {
    let mut stage = Stage::new(true);
    for report in [started(), ended(), started(), ended(), failed(Vec::new())] {
        stage.tell(&report);
        stage.note(false);
    }
    stage.note(true);
    stage.expect(&["delivered", "delivered", "withheld"]);
}

#[test]
fn a_kept_container_that_was_killed_between_two_starts_leaves_the_next_unknown() {
    for (stopping, expected) in [
        (false, &["delivered", "unknown"][..]),
        (true, &["delivered"]),
    ] {
        let mut stage = Stage::new(true);
        stage.tell(&started());
        stage.tell(&ended());
        stage.record.stopping = stopping.then_some(std::time::Duration::ZERO);
        stage.note(true);
        stage.note(true);
        stage.expect(expected);
    }
}

#[test]
fn whoever_was_killed_before_the_record_was_written_lets_a_line_come_twice_with_its_id() {
    let mut stage = Stage::new(true);
    stage.tell(&started());
    let before = stage.record.clone();
    stage.note(false);
    stage.record = before;
    stage.tell(&ended());
    stage.tell(&started());
    stage.note(false);
    let expected = [
        ("delivered", false),
        ("delivered", true),
        ("delivered", false),
    ];
    assert_eq!(
        stage.outcomes(),
        expected.map(|(o, again)| (o.to_owned(), again))
    );
}

#[test]
fn a_container_without_secrets_has_no_lines() {
    let mut stage = Stage::new(false);
    let plan = crate::tree::machine::tests::plan("shop/web.0", 1);
    stage.record.audit = Progress::begin(&plan);
    stage.tell(&started());
    stage.note(true);
    stage.expect(&[]);
}
