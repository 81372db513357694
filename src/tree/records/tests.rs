//! Records survive, and what is wrong with one is recognised.

use super::*;
use crate::report::{End, OutOfMemory, RefusedSecret};
use crate::tree::machine::tests::plan;
use crate::tree::scratch::Scratch;

fn records(scratch: &Scratch) -> Records {
    Records::open(&scratch.path().join("state")).unwrap()
}

fn last_end() -> LastEnd {
    LastEnd {
        ending: Ending::Ended(End::Signalled(9)),
        out_of_memory: Some(OutOfMemory {
            cgroup: "lithos.slice/shop:web.0".to_owned(),
            limit: Some(1000),
            peak: None,
        }),
        stopped: false,
        ran: Duration::from_millis(1500),
        restarts: 2,
        time: 1_800_000_000,
    }
}

fn record(records: &Records) -> Record {
    let history = History {
        starts: 3,
        failures: 2,
        started: Some(Duration::from_millis(1234)),
    };
    let mut record = records.intent(plan("shop/web.0", 1), history, None);
    record.last_end = Some(last_end());
    record.tally.ended(true);
    record.heard = Heard {
        bytes: 99,
        ended: true,
    };
    let pid = std::process::id() as i32;
    let pidfd = pidfd::open(pid).unwrap();
    record.knot = Some(Knot::note(pid, pidfd, vec![7, 9]).unwrap());
    record
}

fn file(records: &Records) -> PathBuf {
    let name = "shop/web.0".parse().unwrap();
    records.container_dir(&name).join("record.json")
}

/// Writes a record, changes its JSON, and reads it.
fn changed(change: impl Fn(&mut serde_json::Value)) -> Result<Vec<Found>, RecordsError> {
    let scratch = Scratch::new();
    let records = records(&scratch);
    records.write(&record(&records)).unwrap();
    let json = fs::read(file(&records)).unwrap();
    let mut json = serde_json::from_slice(&json).unwrap();
    change(&mut json);
    fs::write(file(&records), json.to_string()).unwrap();
    records.read_all()
}

#[test]
fn a_record_survives_a_round_trip() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    let record = record(&records);
    records.write(&record).unwrap();
    match &records.read_all().unwrap()[..] {
        [Found::Record(found)] => assert_eq!(**found, record),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_intent_counts_on_from_the_record_before() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    let before = record(&records);
    let next = records.intent(plan("shop/web.0", 2), before.history, Some(before.clone()));
    assert_eq!(next.last_end, before.last_end);
    assert_eq!((next.tally.started, next.tally.deaths), (2, 1));
    let reasons = next.tally.restarts.by_reason();
    assert!(reasons.contains(&("out-of-memory", 1)), "{reasons:?}");
    assert_eq!((next.heard, next.knot), (Heard::default(), None));
}

#[test]
fn what_was_never_started_is_not_counted() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    let history = History::default();
    let held = records.resting(plan("shop/web.0", 1), history);
    assert_eq!(held.tally, Tally::default());
    let next = records.intent(plan("shop/web.0", 1), history, Some(held));
    assert_eq!(next.tally.started, 1);
    assert!(next.tally.restarts.by_reason().iter().all(|(_, n)| *n == 0));
}

#[test]
fn a_report_is_heard_by_whole_lines_from_where_it_was_left() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    let record = record(&records);
    let name = &record.plan.name;
    records.write(&record).unwrap();
    let mut report = records.new_report(name).unwrap();
    let started = |time| Report::Started {
        time,
        pid: Some(2),
        landlock: None,
        opened: Vec::new(),
    };
    let line = |time| serde_json::to_string(&started(time)).unwrap() + "\n";
    let half = line(2).len() / 2;
    write!(report, "{}{}", line(1), &line(2)[..half]).unwrap();
    let (told, bytes) = records.told_after(name, 0).unwrap();
    assert_eq!(told, [started(1)]);
    assert_eq!(records.told_after(name, bytes).unwrap(), (vec![], 0));
    write!(report, "{}{}", &line(2)[half..], line(3)).unwrap();
    let (told, _) = records.told_after(name, bytes).unwrap();
    assert_eq!(told, [started(2), started(3)]);
}

#[test]
fn a_report_is_understood_however_long_its_lines_are() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    let record = record(&records);
    let name = &record.plan.name;
    records.write(&record).unwrap();
    let refused = |secret: usize| RefusedSecret {
        name: format!("SECRET_{secret}"),
        outcomes: vec!["key-mismatch".to_owned(); 10],
    };
    for secrets in [10, 1000, 10_000] {
        let failed = Report::Failed {
            reason: "cannot open the secret".to_owned(),
            hint: None,
            status: 125,
            refused: (0..secrets).map(refused).collect(),
        };
        let line = serde_json::to_vec(&failed).unwrap();
        let mut report = records.new_report(name).unwrap();
        report.write_all(&line).unwrap();
        assert_eq!(records.told_after(name, 0).unwrap(), (vec![], 0));
        report.write_all(b"\n").unwrap();
        let length = line.len() as u64 + 1;
        assert!(length < REPORT_LONGEST);
        let failed = vec![failed];
        assert_eq!(records.told_after(name, 0).unwrap(), (failed, length));
        let ending = records.ending(name).ending;
        assert!(matches!(ending, Ending::Failed { .. }), "{secrets}");
        // Another, of which only a part is there.
        report.write_all(&line[..line.len() - 1]).unwrap();
        assert_eq!(records.told_after(name, length).unwrap(), (vec![], 0));
        assert_eq!(records.ending(name).ending, ending, "{secrets}");
    }
}

#[test]
fn only_root_can_look_into_records() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    records.write(&record(&records)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&file(&records)), 0o600);
    for dir in file(&records).ancestors().skip(1).take(3) {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
}

#[test]
fn a_directory_that_others_may_enter_is_closed_to_them() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("state");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    Records::open(&dir).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn refuses_a_symlink_in_place_of_its_directory() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("state");
    std::os::unix::fs::symlink(scratch.path(), &dir).unwrap();
    assert!(matches!(Records::open(&dir), Err(RecordsError::NotOurs(_))));
}

#[test]
fn refuses_an_unknown_version() {
    let result = changed(|json| json["version"] = 2.into());
    assert!(matches!(result, Err(RecordsError::Version(_, 2))));
}

#[test]
fn a_version_of_another_boot_is_no_reason_to_refuse() {
    let found = changed(|json| {
        json["version"] = 2.into();
        json["boot-id"] = "another".into();
    });
    assert!(matches!(&found.unwrap()[..], [Found::OtherBoot(_)]));
}

#[test]
fn recognises_torn_records() {
    let whole = {
        let scratch = Scratch::new();
        let records = records(&scratch);
        records.write(&record(&records)).unwrap();
        let text = fs::read_to_string(file(&records)).unwrap();
        text.trim_end().to_owned()
    };
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        let scratch = Scratch::new();
        let records = records(&scratch);
        records.write(&record(&records)).unwrap();
        fs::write(file(&records), &whole[..length]).unwrap();
        let found = records.read_all().unwrap();
        assert!(matches!(&found[..], [Found::Torn(_)]), "{length}");
    }
}

#[test]
fn a_record_in_another_containers_place_is_torn() {
    let found = changed(|json| json["plan"]["name"] = "shop/db.0".into());
    assert!(matches!(&found.unwrap()[..], [Found::Torn(_)]));
}

#[test]
fn unknown_fields_of_a_later_release_are_no_reason_to_refuse() {
    let found = changed(|json| json["later"] = true.into());
    assert!(matches!(&found.unwrap()[..], [Found::Record(_)]));
}

#[test]
fn commands_are_left_to_those_who_run_them() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    fs::create_dir_all(scratch.path().join("state/shop/cmd.migrate.4711")).unwrap();
    assert!(records.read_all().unwrap().is_empty());
}

#[test]
fn pins_the_very_process_that_was_noted() {
    let scratch = Scratch::new();
    let knot = record(&records(&scratch)).knot.unwrap();
    assert!(knot.pin().unwrap().is_some());
}

#[test]
fn does_not_pin_another_process_that_has_the_pid() {
    let scratch = Scratch::new();
    let knot = record(&records(&scratch)).knot.unwrap();
    let mut older = knot.clone();
    older.start_time -= 1;
    assert!(older.pin().unwrap().is_none());
    if let Some(inode) = knot.pidfd_inode {
        let mut other = knot;
        other.pidfd_inode = Some(inode + 1);
        assert!(other.pin().unwrap().is_none());
    }
}

#[test]
fn does_not_pin_a_process_that_is_gone() {
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let pid = child.id() as i32;
    let knot = Knot::note(pid, pidfd::open(pid).unwrap(), vec![]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(knot.pin().unwrap().is_none());
}

#[test]
fn the_ending_is_the_last_whole_line_of_the_report() {
    let started = r#"{"started":{"time":1}}"#;
    let ended = r#"{"ended":{"end":{"exited":3},"time":2}}"#;
    let failed = r#"{"failed":{"reason":"cannot open image: x","status":125}}"#;
    let exited = Ending::Ended(End::Exited(3));
    for (report, expected) in [
        (String::new(), Ending::Unknown),
        (format!("{started}\n"), Ending::Unknown),
        (format!("{started}\n{ended}\n"), exited.clone()),
        (format!("{started}\n{ended}\n{{\"sta"), exited),
        (format!("{started}\n{ended}\n{started}\n"), Ending::Unknown),
        (
            format!("{failed}\n"),
            Ending::Failed {
                reason: "cannot open image: x".into(),
                hint: None,
            },
        ),
    ] {
        let scratch = Scratch::new();
        let records = records(&scratch);
        records.write(&record(&records)).unwrap();
        let name = "shop/web.0".parse().unwrap();
        let mut file = records.new_report(&name).unwrap();
        file.write_all(report.as_bytes()).unwrap();
        assert_eq!(records.ending(&name).ending, expected, "{report}");
    }
}

#[test]
fn a_new_report_is_not_the_file_that_an_earlier_knot_may_still_hold() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    records.write(&record(&records)).unwrap();
    let name = "shop/web.0".parse().unwrap();
    let mut old = records.new_report(&name).unwrap();
    let _new = records.new_report(&name).unwrap();
    old.write_all(b"{\"ended\":{\"end\":{\"exited\":0},\"time\":2}}\n")
        .unwrap();
    assert_eq!(records.ending(&name).ending, Ending::Unknown);
}

#[test]
fn removing_the_last_container_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let records = records(&scratch);
    records.write(&record(&records)).unwrap();
    records.remove(&"shop/web.0".parse().unwrap()).unwrap();
    records.remove_dir();
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}
