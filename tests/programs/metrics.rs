//! The metrics of a real supervisor, read by a parser that is not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;
use crate::tree::Tree;

/// Longer than an answer takes, on a machine that is busy besides.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A Python that has the parser: the system's, if the first is another.
fn python() -> Option<&'static str> {
    let has_parser = |python: &&str| {
        let mut command = Command::new(python);
        let command = command.args(["-c", "import prometheus_client.openmetrics.parser"]);
        let status = command.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_parser);
    if found.is_none() {
        let must = std::env::var_os("LITHOS_TEST_ROOT").is_some_and(|value| value == "1");
        assert!(
            !must,
            "LITHOS_TEST_ROOT=1, but Debian's python3-prometheus-client is missing"
        );
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        let why = "Debian's python3-prometheus-client is missing";
        let _ = writeln!(std::io::stderr(), "SKIP {name}: {why}");
    }
    found
}

fn ground() -> Option<(Ground, &'static str)> {
    Some((Ground::new()?, python()?))
}

/// What the parser has understood.
struct Scraped(Value);

impl Scraped {
    /// The value of the sample with exactly these labels, `key=value,…`.
    fn get(&self, sample: &str, labels: &str) -> Option<f64> {
        let wanted: BTreeMap<_, _> = labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect();
        let families = self.0.as_object().unwrap().values();
        let samples = families.flat_map(|family| family["samples"].as_array().unwrap());
        let mut samples = samples.filter(|found| found["name"] == sample);
        let found = samples.find(|found| {
            let labels = found["labels"].as_object().unwrap();
            labels
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect::<BTreeMap<_, _>>()
                == wanted
        })?;
        found["value"].as_f64()
    }

    /// A sample that must be there.
    fn value(&self, sample: &str, labels: &str) -> f64 {
        let found = self.get(sample, labels);
        found.unwrap_or_else(|| panic!("no {sample} {labels} in {:#}", self.0))
    }

    /// That of the process `web` of the sandbox `shop`.
    fn web(&self, sample: &str) -> f64 {
        self.value(sample, "sandbox=shop,process=web")
    }

    fn restarts(&self, reason: &str) -> f64 {
        let labels = format!("sandbox=shop,process=web,reason={reason}");
        self.value("lithos_process_restarts_total", &labels)
    }

    fn families(&self) -> BTreeSet<String> {
        self.0.as_object().unwrap().keys().cloned().collect()
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn connect(ground: &Ground) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(ground.path("run/metrics.sock"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(ground: &Ground, request: &str) -> String {
    exchange(connect(ground).unwrap(), request).unwrap()
}

fn parse(python: &str, answer: &str) -> Scraped {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let kind = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.lines().any(|line| line == kind), "{head}");
    let length = format!("Content-Length: {}", body.len());
    assert!(head.lines().any(|line| line == length), "{head}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/openmetrics.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(body.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{body}");
    Scraped(serde_json::from_slice(&output.stdout).unwrap())
}

/// Scrapes until what is scraped is as expected; the supervisor need not be up.
fn wait_for(
    tree: &Tree<'_>,
    ground: &Ground,
    python: &str,
    what: &str,
    expected: impl Fn(&Scraped) -> bool,
) -> Scraped {
    tree.wait(&format!("metrics with {what}"), || {
        let answer = exchange(connect(ground).ok()?, REQUEST).ok()?;
        let scraped = parse(python, &answer);
        expected(&scraped).then_some(scraped)
    })
}

/// Turns cgroups on, below one of this ground's own.
fn with_cgroups(ground: &Ground) {
    let parent = ground.root().file_name().unwrap().to_str().unwrap();
    ground.master(&format!("cgroup-name: {parent}"));
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_is_there() {
    let Some((ground, python)) = ground() else {
        return;
    };
    with_cgroups(&ground);
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let scraped = parse(python, &ask(&ground, REQUEST));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `lithos_"));
    let mut documented = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = format!("lithos_{}", cells[0].trim_end_matches('`'));
        let family = name.strip_suffix("_total").unwrap_or(&name).to_owned();
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        assert_eq!(scraped.0[&family]["type"], kind, "{name}");
        let samples = scraped.0[&family]["samples"].as_array().unwrap();
        let labels = samples[0]["labels"].as_object().unwrap().keys();
        let labels: BTreeSet<_> = labels.map(|label| format!("`{label}`")).collect();
        let said: BTreeSet<_> = cells[1].split_whitespace().map(str::to_owned).collect();
        assert_eq!(said, labels, "{name}");
        documented.insert(family);
    }
    assert_eq!(documented, scraped.families());
}

#[test]
fn what_runs_and_waits_is_told_as_it_is() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.processes(
        "web: { image: probe, config: /config/web.yaml, instances: 2 }\n\
         bad: { image: probe, config: /config/bad.yaml }",
    );
    ground.container("arguments: [report, sleep]");
    ground.container_named("bad", "arguments: [exit=7]\nrestart-timeout: 600");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let scraped = wait_for(
        &tree,
        &ground,
        python,
        "a container that waits",
        |scraped| scraped.value("lithos_master_queue", "") == 1.0,
    );
    for (sample, labels, expected) in [
        ("lithos_master_sandboxes", "", 1.0),
        ("lithos_master_containers", "", 3.0),
        ("lithos_master_restarts_total", "", 0.0),
        ("lithos_containers_unknown_total", "", 0.0),
        ("lithos_containers_started_total", "", 3.0),
        ("lithos_containers_deaths_total", "", 1.0),
        ("lithos_containers_failures_total", "", 1.0),
        ("lithos_containers_running", "", 2.0),
        ("lithos_process_running", "sandbox=shop,process=web", 2.0),
        ("lithos_process_running", "sandbox=shop,process=bad", 0.0),
        (
            "lithos_process_started_total",
            "sandbox=shop,process=web",
            2.0,
        ),
        (
            "lithos_process_failures_total",
            "sandbox=shop,process=bad",
            1.0,
        ),
    ] {
        assert_eq!(scraped.value(sample, labels), expected, "{sample} {labels}");
    }
    // Cgroups are off: better nothing than a wrong 0.
    let labels = "sandbox=shop,process=web,number=0";
    assert_eq!(scraped.get("lithos_container_memory_bytes", labels), None);
}

#[test]
fn restarts_are_counted_by_their_reasons() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let process = Pid::from_raw(tree.process("shop/web.0"));
    kill(process, Signal::SIGABRT).unwrap();
    tree.results("shop/web.0", "report", 2);
    kill(Pid::from_raw(tree.knot("shop/web.0")), Signal::SIGKILL).unwrap();
    tree.results("shop/web.0", "report", 3);
    // Told to end by a reload, it did so: that is no failure.
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0\nfileno-limit: 99");
    tree.signal(Signal::SIGHUP);
    tree.results("shop/web.0", "report", 4);
    let scraped = wait_for(
        &tree,
        &ground,
        python,
        "a restart after a stop",
        |scraped| scraped.restarts("stop") == 1.0,
    );
    assert_eq!(scraped.restarts("signal"), 1.0);
    assert_eq!(scraped.restarts("unknown"), 1.0);
    assert_eq!(scraped.web("lithos_process_started_total"), 4.0);
    assert_eq!(scraped.web("lithos_process_deaths_total"), 3.0);
    assert_eq!(scraped.web("lithos_process_failures_total"), 2.0);
    // A start that fails.
    fs::remove_file(ground.path("images/probe/bin/probe")).unwrap();
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGTERM).unwrap();
    wait_for(
        &tree,
        &ground,
        python,
        "a restart after a failed start",
        |scraped| scraped.restarts("start-failure") > 0.0,
    );
}

#[test]
fn restarts_inside_a_kept_container_are_counted_through_the_end_of_the_supervisor() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0\nrestart-process-only: true");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let knot = tree.knot("shop/web.0");
    let end = |tree: &Tree<'_>, signal, reports| {
        kill(Pid::from_raw(tree.process("shop/web.0")), signal).unwrap();
        tree.results("shop/web.0", "report", reports);
    };
    let counted = |tree: &Tree<'_>, reason: &str, started: f64| {
        let what = format!("restarts inside by {reason}");
        let scraped = wait_for(tree, &ground, python, &what, |scraped| {
            scraped.web("lithos_process_started_total") == started
        });
        assert_eq!(scraped.web("lithos_process_deaths_total"), started - 1.0);
        assert_eq!(scraped.web("lithos_process_running"), 1.0);
        scraped
    };
    end(&tree, Signal::SIGABRT, 2);
    let scraped = counted(&tree, "signal", 2.0);
    assert_eq!(scraped.restarts("signal"), 1.0);
    tree.wait_for_log(&["shop/web.0: was killed by signal 6, after ", ", 0 restarts"]);
    // One that nobody saw, and then one that the next supervisor sees.
    let process = Pid::from_raw(tree.process("shop/web.0"));
    tree.abandon();
    kill(process, Signal::SIGABRT).unwrap();
    let mut tree = ground.start();
    tree.results("shop/web.0", "report", 3);
    counted(&tree, "signal, unseen", 3.0);
    end(&tree, Signal::SIGABRT, 4);
    let scraped = counted(&tree, "signal", 4.0);
    assert_eq!(scraped.restarts("signal"), 3.0);
    assert_eq!(scraped.web("lithos_process_failures_total"), 3.0);
    assert_eq!(tree.knot("shop/web.0"), knot);
    let record = fs::read(ground.path("run/state/shop/web.0/record.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["history"]["starts"], 4);
    // The knot's own end is that of its process, once.
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    tree.signal(Signal::SIGHUP);
    tree.results("shop/web.0", "report", 5);
    let scraped = counted(&tree, "stop", 5.0);
    assert_eq!(scraped.restarts("stop"), 1.0);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn memory_and_processor_time_are_those_of_the_container() {
    let Some((ground, python)) = ground() else {
        return;
    };
    with_cgroups(&ground);
    ground.write("images/probe/data/large", vec![7; 8 << 20]);
    ground.container(
        "arguments: [read=/data/large, report, sleep]\nmemory-limit: 200Mi\n\
         volumes: { /tmp: !Tmpfs { size: 100Mi } }",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let scraped = parse(python, &ask(&ground, REQUEST));
    let labels = "sandbox=shop,process=web,number=0";
    let memory = scraped.value("lithos_container_memory_bytes", labels);
    assert!((1e5..=200e6).contains(&memory), "{memory}");
    let cpu = scraped.value("lithos_container_cpu_seconds_total", labels);
    assert!(cpu > 0.0 && cpu < 60.0, "{cpu}");
    assert_eq!(
        scraped.value("lithos_container_oom_kills_total", labels),
        0.0
    );
}

#[test]
fn kills_for_memory_are_counted_though_the_cgroup_goes_with_them() {
    let Some((ground, python)) = ground() else {
        return;
    };
    with_cgroups(&ground);
    ground.container(
        "arguments: [fill=/tmp/all, sleep]\nmemory-limit: 24Mi\nrestart-timeout: 0\n\
         volumes: { /tmp: !Tmpfs { size: 200Mi } }",
    );
    let tree = ground.start();
    let labels = "sandbox=shop,process=web,number=0";
    let kills = "lithos_container_oom_kills_total";
    let cpu = "lithos_container_cpu_seconds_total";
    let first = wait_for(&tree, &ground, python, "a kill for memory", |scraped| {
        scraped.get(kills, labels) >= Some(1.0) && scraped.restarts("out-of-memory") >= 1.0
    });
    let second = wait_for(&tree, &ground, python, "another", |scraped| {
        scraped.get(kills, labels) > first.get(kills, labels)
    });
    assert!(second.get(cpu, labels) > first.get(cpu, labels));
    assert_eq!(second.restarts("signal"), 0.0);
}

#[test]
fn counters_go_on_through_reload_crash_and_upgrade_and_begin_anew_after_a_stop() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGABRT).unwrap();
    tree.results("shop/web.0", "report", 2);
    tree.signal(Signal::SIGHUP);
    let restarted = |times: f64| {
        move |scraped: &Scraped| scraped.value("lithos_master_restarts_total", "") == times
    };
    let same = |scraped: Scraped| {
        assert_eq!(scraped.web("lithos_process_started_total"), 2.0);
        assert_eq!(scraped.web("lithos_process_deaths_total"), 1.0);
        assert_eq!(scraped.web("lithos_process_running"), 1.0);
        assert_eq!(scraped.restarts("signal"), 1.0);
        assert_eq!(scraped.value("lithos_containers_started_total", ""), 2.0);
    };
    same(wait_for(&tree, &ground, python, "a reload", restarted(1.0)));
    tree.abandon();
    let mut tree = ground.start();
    same(wait_for(&tree, &ground, python, "a crash", restarted(2.0)));
    tree.signal(Signal::SIGUSR1);
    assert!(tree.ended().success());
    std::mem::forget(tree);
    let mut tree = ground.start();
    same(wait_for(&tree, &ground, python, "a detach", restarted(3.0)));
    assert!(tree.stop().success());
    for name in ["metrics.sock", "counters.json"] {
        assert!(!ground.path("run").join(name).exists(), "{name} is left");
    }
    let tree = ground.start();
    wait_for(&tree, &ground, python, "a stop", restarted(0.0));
}

#[test]
fn instances_that_are_gone_stay_counted_and_processes_that_are_gone_only_in_the_totals() {
    let Some((ground, python)) = ground() else {
        return;
    };
    let instances = |count: u32| {
        ground.processes(&format!(
            "web: {{ image: probe, config: /config/web.yaml, instances: {count} }}"
        ));
    };
    instances(3);
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    for number in 0..3 {
        tree.result(&format!("shop/web.{number}"), "report");
    }
    instances(1);
    tree.signal(Signal::SIGHUP);
    let scraped = wait_for(&tree, &ground, python, "one container", |scraped| {
        scraped.value("lithos_containers_running", "") == 1.0
    });
    assert_eq!(scraped.web("lithos_process_started_total"), 3.0);
    assert_eq!(scraped.web("lithos_process_deaths_total"), 2.0);
    instances(0);
    tree.signal(Signal::SIGHUP);
    let scraped = wait_for(&tree, &ground, python, "no container", |scraped| {
        scraped.value("lithos_master_containers", "") == 0.0
    });
    let web = scraped.get("lithos_process_started_total", "sandbox=shop,process=web");
    assert_eq!(web, None);
    assert_eq!(scraped.value("lithos_containers_started_total", ""), 3.0);
    assert_eq!(scraped.value("lithos_containers_deaths_total", ""), 3.0);
}

#[test]
fn a_knot_without_a_record_is_counted_as_unknown() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.abandon();
    fs::remove_file(ground.path("run/state/shop/web.0/record.json")).unwrap();
    let tree = ground.start();
    wait_for(&tree, &ground, python, "an unknown container", |scraped| {
        scraped.value("lithos_containers_unknown_total", "") == 1.0
    });
}

/// An address at which nobody listens.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn ask_over_tcp(address: SocketAddr) -> std::io::Result<String> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(stream, REQUEST)
}

/// The TCP addresses at which this process listens.
fn listening(pid: i32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let own: BTreeSet<_> = links.map(|link| link.display().to_string()).collect();
    let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let lines = tables
        .map(|table| fs::read_to_string(table).unwrap_or_default())
        .concat();
    let fields = lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut listening = fields.filter(|fields| fields.get(3) == Some(&"0A"));
    let inode = |fields: &Vec<&str>| format!("socket:[{}]", fields[9]);
    listening
        .by_ref()
        .filter(|fields| own.contains(&inode(fields)))
        .count()
}

#[test]
fn only_a_configured_address_is_open_and_a_reload_follows_it() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    assert_eq!(listening(tree.pid()), 0);
    let mode = fs::metadata(ground.path("run/metrics.sock"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let (first, second) = (free_address(), free_address());
    for (address, before) in [(first, None), (second, Some(first))] {
        ground.master(&format!("metrics-listen: {address}"));
        tree.signal(Signal::SIGHUP);
        let answer = tree.wait("an answer over TCP", || ask_over_tcp(address).ok());
        assert_eq!(parse(python, &answer).web("lithos_process_running"), 1.0);
        if let Some(before) = before {
            let refused = ask_over_tcp(before).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        assert_eq!(listening(tree.pid()), 1);
    }
    ground.master("");
    tree.signal(Signal::SIGHUP);
    tree.wait("a closed address", || {
        ask_over_tcp(second).is_err().then_some(())
    });
    assert!(tree.stop().success());
}

#[test]
fn an_address_that_is_taken_stops_nothing_and_is_tried_again() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    ground.master(&format!("metrics-listen: {address}"));
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.wait_for_log(&[&format!("cannot listen on {address} for `metrics-listen`")]);
    parse(python, &ask(&ground, REQUEST));
    drop(taken);
    let answer = tree.wait("an answer over TCP", || ask_over_tcp(address).ok());
    parse(python, &answer);
}

#[test]
fn hostile_scrapers_keep_nobody_waiting() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0");
    let mut tree = ground.start();
    tree.result("shop/web.0", "report");
    // Silent ones, ones that never end their request, and ones that never read.
    let begun = ["", "GET /metrics HTTP/1.1\r\nA: ", REQUEST];
    let held: Vec<_> = (0..30)
        .map(|number| {
            let mut stream = connect(&ground).unwrap();
            let _ = stream.write_all(begun[number % 3].as_bytes());
            stream
        })
        .collect();
    // Meanwhile it supervises.
    kill(Pid::from_raw(tree.process("shop/web.0")), Signal::SIGABRT).unwrap();
    tree.results("shop/web.0", "report", 2);
    // They are parted with after their time, if they do not go by themselves.
    parse(python, &ask(&ground, REQUEST));
    drop(held);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\x16\x03\x01\r\n\r\n", "400"),
        (
            &format!("GET /metrics HTTP/1.1\r\n{}", "A: b\r\n".repeat(9999)),
            "431",
        ),
    ] {
        let answer = ask(&ground, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert!(ask(&ground, "HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    parse(python, &ask(&ground, REQUEST));
    assert!(tree.stop().success());
}

#[test]
fn curl_reads_them() {
    let Some((ground, python)) = ground() else {
        return;
    };
    ground.container("arguments: [report, sleep]");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--include",
            "--unix-socket",
        ])
        .arg(ground.path("run/metrics.sock"))
        .arg("http://localhost/metrics")
        .output();
    let output = match output {
        Err(err) if err.kind() == ErrorKind::NotFound => panic!("this test needs curl"),
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{output:?}");
    parse(python, &String::from_utf8(output.stdout).unwrap());
}
