//! The metrics of a real supervisor, read by a parser that is not ours.

mod counted;
mod served;
mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ground::Ground;
use crate::tree::Tree;

/// Longer than an answer takes, on a machine that is busy besides.
const PATIENCE: Duration = Duration::from_secs(60);
pub const REQUEST: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

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

pub fn ask(ground: &Ground, request: &str) -> String {
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
