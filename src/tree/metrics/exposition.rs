//! The counters as OpenMetrics text. docs/metrics.md lists them for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Add;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::knot::cgroup::Usage;
use crate::name::{ContainerName, Name};
use crate::tree::tally::Tally;

/// What there is to tell at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// How often a supervisor took over from another.
    pub restarts: u64,
    /// Sandboxes that are configured.
    pub sandboxes: usize,
    /// Containers that are supervised, running or not.
    pub containers: usize,
    /// Those of them that wait for their next start.
    pub queue: usize,
    /// Knots found that no record named.
    pub unknown: u64,
    /// Lines of the audit log that wait to be written.
    pub audit_owed: usize,
    /// Times that such lines could not even be kept.
    pub audit_lost: u64,
    /// Secrets that are past their last day, where there are any.
    pub expired: BTreeMap<(Name, Name), usize>,
    /// Everything that was counted, of processes that are gone, too.
    pub total: Tally,
    /// By sandbox and process.
    pub processes: BTreeMap<(Name, Name), Figures>,
    /// What containers use in their cgroups, and used in those that are gone.
    pub used: Vec<Used>,
}

/// A container, what it uses, and what was counted of it before.
pub type Used = (ContainerName, Usage, Tally);

/// What there is to tell of one process.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    /// What was counted.
    pub tally: Tally,
    /// How many of its containers run.
    pub running: usize,
}

impl Snapshot {
    /// As text, up to and with the end of it.
    pub fn render(self) -> String {
        let mut registry = Registry::with_prefix("lithos");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Into a String: nothing can fail but what we encode.
        let _ = text::encode(&mut text, &registry);
        text
    }

    fn supervisor(&self, out: &mut Encoder<'_>) -> fmt::Result {
        out.counter(
            "master_restarts",
            "Times that a supervisor took over from another, by a reload or after its end",
            self.restarts,
        )?;
        let sandboxes = "Sandboxes that are configured";
        out.gauge("master_sandboxes", sandboxes, self.sandboxes)?;
        let containers = "Containers that are supervised, running or not";
        out.gauge("master_containers", containers, self.containers)?;
        let queue = "Containers that wait for their next start";
        out.gauge("master_queue", queue, self.queue)?;
        self.audit(out)
    }

    fn audit(&self, out: &mut Encoder<'_>) -> fmt::Result {
        let help = "Lines of the audit log that wait until it can be written";
        out.gauge("audit_lines_owed", help, self.audit_owed)?;
        let help = "Times that lines of the audit log were lost, since they could not be kept";
        out.counter("audit_losses", help, self.audit_lost)
    }

    fn totals(&self, out: &mut Encoder<'_>) -> fmt::Result {
        let Tally {
            started,
            deaths,
            failures,
            ..
        } = self.total;
        out.counter("containers_started", "Starts of containers", started)?;
        out.counter("containers_deaths", "Ends of containers", deaths)?;
        let help = "Ends of containers that were failures";
        out.counter("containers_failures", help, failures)?;
        let running = self.processes.values().map(|process| process.running).sum();
        out.gauge("containers_running", "Containers that run", running)?;
        let help = "Knots found, and killed, that no record named";
        out.counter("containers_unknown", help, self.unknown)
    }

    fn by_process(&self, out: &mut Encoder<'_>) -> fmt::Result {
        let counters: [Counted; 3] = [
            ("process_started", "Starts, failed ones included", |t| {
                t.started
            }),
            ("process_deaths", "Ends, and starts that failed", |t| {
                t.deaths
            }),
            ("process_failures", "Deaths that were failures", |t| {
                t.failures
            }),
        ];
        let help = "Secrets past the last day that their config says";
        let mut family = out.family("process_secrets_expired", help, None, MetricType::Gauge)?;
        let all: BTreeSet<_> = self.processes.keys().chain(self.expired.keys()).collect();
        for process in all {
            let count = self.expired.get(process).copied().unwrap_or_default();
            measure(&mut family, &labels(process), count)?;
        }
        for (name, help, of) in counters {
            let mut family = out.family(name, help, None, MetricType::Counter)?;
            for (process, figures) in &self.processes {
                count(&mut family, &labels(process), &of(&figures.tally))?;
            }
        }
        let help = "Containers that run";
        let mut family = out.family("process_running", help, None, MetricType::Gauge)?;
        for (process, figures) in &self.processes {
            measure(&mut family, &labels(process), figures.running)?;
        }
        let help = "Starts after an end, by the reason of that end";
        let mut family = out.family("process_restarts", help, None, MetricType::Counter)?;
        for (process, figures) in &self.processes {
            let [sandbox, name] = labels(process);
            for (reason, restarts) in figures.tally.restarts.by_reason() {
                count(&mut family, &[sandbox, name, ("reason", reason)], &restarts)?;
            }
        }
        Ok(())
    }

    fn by_container(&self, out: &mut Encoder<'_>) -> fmt::Result {
        let help = "Memory of the container, with its file cache, now";
        let unit = Some(&Unit::Bytes);
        let mut family = out.family("container_memory", help, unit, MetricType::Gauge)?;
        for (name, usage, _) in &self.used {
            if let Some(bytes) = usage.memory {
                let number = name.number.to_string();
                measure(&mut family, &labels_of(name, &number), bytes)?;
            }
        }
        let help = "Processor time used, by all starts of the container";
        let unit = Some(&Unit::Seconds);
        let mut family = out.family("container_cpu", help, unit, MetricType::Counter)?;
        for (name, usage, before) in &self.used {
            if let Some(cpu) = sum(usage.cpu, before.cpu) {
                let (number, seconds) = (name.number.to_string(), cpu.as_secs_f64());
                count(&mut family, &labels_of(name, &number), &seconds)?;
            }
        }
        let help = "Processes killed for memory, in all starts of the container";
        let mut family = out.family("container_oom_kills", help, None, MetricType::Counter)?;
        for (name, usage, before) in &self.used {
            if let Some(kills) = sum(usage.oom_kills, before.oom_kills) {
                let number = name.number.to_string();
                count(&mut family, &labels_of(name, &number), &kills)?;
            }
        }
        Ok(())
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Encoder(encoder);
        self.supervisor(&mut out)?;
        self.totals(&mut out)?;
        self.by_process(&mut out)?;
        self.by_container(&mut out)
    }
}

/// Names are without characters that would have to be escaped; the library
/// would escape them.
type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

fn labels((sandbox, process): &(Name, Name)) -> Labels<'_, 2> {
    [("sandbox", sandbox.as_str()), ("process", process.as_str())]
}

/// Not `instance`, which Prometheus calls what it scrapes.
fn labels_of<'a>(name: &'a ContainerName, number: &'a str) -> Labels<'a, 3> {
    let (sandbox, process) = (name.sandbox.as_str(), name.process.as_str());
    [
        ("sandbox", sandbox),
        ("process", process),
        ("number", number),
    ]
}

/// What is used now and what was used before; none: nobody accounts it.
fn sum<T: Add<Output = T> + Default + PartialEq>(now: Option<T>, before: T) -> Option<T> {
    match now {
        None if before == T::default() => None,
        now => Some(before + now.unwrap_or_default()),
    }
}

fn count<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &Labels<'_, N>,
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    let mut metric = family.encode_family(labels)?;
    metric.encode_counter::<NoLabelSet, _, f64>(value, None)
}

fn measure<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &Labels<'_, N>,
    value: impl TryInto<u64>,
) -> fmt::Result {
    let value = value.try_into().unwrap_or(u64::MAX);
    family.encode_family(labels)?.encode_gauge(&value)
}

/// Name and help of a counter, and where it is in a tally.
type Counted = (&'static str, &'static str, fn(&Tally) -> u64);

struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.family(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let value = value as u64;
        self.family(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_empty_snapshot_has_every_family_and_an_end() {
        let text = Snapshot::default().render();
        assert!(text.starts_with("# HELP lithos_master_restarts "), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert!(
            text.contains("\nlithos_master_restarts_total 0\n"),
            "{text}"
        );
        assert!(
            text.contains("\n# UNIT lithos_container_cpu_seconds seconds\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_known_is_told_with_its_labels() {
        let name: ContainerName = "shop/web.3".parse().unwrap();
        let mut tally = Tally {
            oom_kills: 2,
            cpu: Duration::from_millis(1500),
            ..Tally::default()
        };
        tally.started(None);
        let process = (name.sandbox.clone(), name.process.clone());
        let usage = Usage {
            memory: Some(4096),
            cpu: Some(Duration::from_secs(2)),
            oom_kills: Some(1),
        };
        let nothing = Usage::default();
        let snapshot = Snapshot {
            processes: [(process, Figures { tally, running: 1 })].into(),
            used: vec![
                (name, usage, tally),
                ("shop/rests.0".parse().unwrap(), nothing, tally),
                ("shop/off.0".parse().unwrap(), nothing, Tally::default()),
            ],
            ..Snapshot::default()
        };
        let text = snapshot.render();
        for line in [
            r#"lithos_process_started_total{sandbox="shop",process="web"} 1"#,
            r#"lithos_process_running{sandbox="shop",process="web"} 1"#,
            r#"lithos_process_restarts_total{sandbox="shop",process="web",reason="exit"} 0"#,
            r#"lithos_container_memory_bytes{sandbox="shop",process="web",number="3"} 4096"#,
            r#"lithos_container_cpu_seconds_total{sandbox="shop",process="web",number="3"} 3.5"#,
            r#"lithos_container_oom_kills_total{sandbox="shop",process="web",number="3"} 3"#,
            r#"lithos_container_oom_kills_total{sandbox="shop",process="rests",number="0"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        // Nobody accounts it: better nothing than a wrong 0.
        assert!(!text.contains(r#"process="off""#), "{text}");
    }
}
