//! Fifty containers while knots, processes and supervisors are killed at
//! random, configs switch, and clients hammer a shared port.
//!
//! One thing is spared: the knot of `api.0`. Without a service manager's
//! descriptor store a listening socket lives as long as the supervisor or one
//! knot that holds it; kill all of them at once and it is gone, as it must be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clients::{Clients, free_port, listening};
use crate::ground::Ground;
use crate::random::Random;
use crate::scene::{Scene, cgroups, kept, record};
use crate::tree::Tree;

/// Everything is as it should be that soon after the last blow.
const CALM: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_lost_doubled_refused_or_leaked() {
    let Some(ground) = Ground::new() else { return };
    let seconds = std::env::var("LITHOS_CHAOS_SECONDS").ok();
    let seconds = seconds.map_or(30, |text| text.parse().expect("a number of seconds"));
    let mut stage = Stage::build(&ground, Random::new());
    stage.calm();
    let (clients, over) = (Clients::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let at_work = clients.hammer(scope, stage.port, 4);
        let (is_ours, over) = (stage.is_ours(), &over);
        let witness = scope.spawn(move || watch_for_doubles(is_ours, over));
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end && !witness.is_finished() {
            stage.blow();
            at_work.expect_all();
            let pause = 10 + stage.random.below(50) as u64;
            sleep(Duration::from_millis(pause));
        }
        over.store(true, Ordering::Relaxed);
        witness.join().unwrap();
        stage.calm();
        at_work.stop();
    });
    eprintln!("{:?}", stage.blows);
    stage.expect_no_leaks();
    stage.expect_to_leave_nothing();
}

/// Fails when two generations of one container are seen twice.
fn watch_for_doubles(is_ours: impl Fn(&str) -> bool, over: &AtomicBool) {
    let mut earlier = Scene::default();
    while !over.load(Ordering::Relaxed) {
        let now = Scene::look(&is_ours);
        let doubled = now.doubled(&earlier);
        assert!(doubled.is_empty(), "two generations of {doubled:?}");
        earlier = now;
        sleep(Duration::from_millis(100));
    }
}

/// How often what was done.
#[derive(Debug, Default)]
struct Blows {
    knots: usize,
    processes: usize,
    supervisors: usize,
    detached: usize,
    reloads: usize,
    switches: usize,
}

struct Stage<'a> {
    ground: &'a Ground,
    tree: Option<Tree<'a>>,
    random: Random,
    port: u16,
    /// Of this run alone, so that nobody else's containers are taken for ours.
    suffix: String,
    slice: String,
    /// The variable of `web`, and the instances of `worker`.
    dir: &'static str,
    workers: usize,
    blows: Blows,
}

impl<'a> Stage<'a> {
    fn build(ground: &'a Ground, random: Random) -> Self {
        let mut stage = Self {
            ground,
            tree: None,
            random,
            port: free_port(),
            suffix: std::process::id().to_string(),
            slice: format!("{}.slice", ground.root().file_name().unwrap().display()),
            dir: "bin",
            workers: 20,
            blows: Blows::default(),
        };
        stage.write();
        stage.tree = Some(ground.start());
        stage
    }

    /// Three sandboxes; in `shop` two processes share the port.
    fn write(&self) {
        let Self { ground, port, .. } = self;
        ground.master(&format!("cgroup-name: {}", self.slice));
        fs::remove_file(ground.path("sandboxes/shop.yaml")).unwrap();
        ground.sandbox_named(&self.sandbox("shop"), &format!("allow-tcp-ports: [{port}]"));
        ground.sandbox_named(&self.sandbox("blog"), "");
        ground.sandbox_named(&self.sandbox("mail"), "");
        let times = "restart-timeout: 0.05\nrestart-timeout-max: 0.2\nkill-timeout: 3";
        let serve = format!("tcp-ports: {{ {port}: {{ fd: 3, host: 127.0.0.1 }} }}\n{times}");
        let volumes = "volumes: { /tmp: !Tmpfs { size: 1Mi }, /state: !Statedir {} }";
        ground.container(&format!(
            "variables: {{ dir: !Choice [bin, data] }}\narguments: ['list=/@{{dir}}', serve=3]\n{serve}"
        ));
        ground.container_named("api", &format!("arguments: [serve=3]\n{volumes}\n{serve}"));
        ground.container_named("worker", &format!("arguments: [sleep]\n{volumes}\n{times}"));
        for sandbox in ["shop", "blog", "mail"] {
            let name = self.sandbox(sandbox);
            ground.write(&format!("processes/{name}.yaml"), self.processes(sandbox));
        }
    }

    fn processes(&self, sandbox: &str) -> String {
        let entry = |name, config, instances| {
            format!(
                "{name}: {{ image: probe, config: /config/{config}.yaml, instances: {instances} }}\n"
            )
        };
        match sandbox {
            "shop" => {
                let web = entry("web", "web", 15);
                let with = format!(", variables: {{ dir: {} }} }}\n", self.dir);
                web.replace(" }\n", &with) + &entry("api", "api", 10)
            }
            // Always 20 together.
            "blog" => {
                entry("worker", "worker", self.workers)
                    + &entry("pool", "worker", 20 - self.workers)
            }
            _ => entry("queue", "worker", 5),
        }
    }

    fn sandbox(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    fn is_ours(&self) -> impl Fn(&str) -> bool + use<> {
        // Not by the suffix alone, which the other tests of this program have, too.
        let ours = ["shop", "blog", "mail"].map(|name| self.sandbox(name));
        move |sandbox: &str| ours.iter().any(|own| own == sandbox)
    }

    fn expected(&self) -> BTreeSet<String> {
        let counts = [
            ("shop", "web", 15),
            ("shop", "api", 10),
            ("blog", "worker", self.workers),
            ("blog", "pool", 20 - self.workers),
            ("mail", "queue", 5),
        ];
        let names = counts.into_iter().flat_map(|(sandbox, process, count)| {
            let sandbox = self.sandbox(sandbox);
            (0..count).map(move |number| format!("{sandbox}/{process}.{number}"))
        });
        names.collect()
    }

    fn tree(&mut self) -> &mut Tree<'a> {
        self.tree.as_mut().expect("there is a supervisor")
    }

    /// One random deed.
    fn blow(&mut self) {
        match self.random.below(100) {
            0..45 => self.kill_a_knot(),
            45..80 => self.kill_a_process(),
            80..87 => self.reload(),
            87..93 => self.switch(),
            93..97 => self.replace_supervisor(Signal::SIGKILL),
            _ => self.replace_supervisor(Signal::SIGUSR1),
        }
    }

    fn kill_a_knot(&mut self) {
        let spared = format!("{}/api.0", self.sandbox("shop"));
        let scene = Scene::look(self.is_ours());
        let others = scene.0.iter().filter(|(name, _)| **name != spared);
        let knots: Vec<_> = others
            .flat_map(|(_, knots)| knots)
            .map(|knot| knot.knot.pid)
            .collect();
        if let Some(pid) = self.random.one_of(&knots) {
            // It may just have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            self.blows.knots += 1;
        }
    }

    fn kill_a_process(&mut self) {
        let spared = format!("{}/api.0", self.sandbox("shop"));
        let scene = Scene::look(self.is_ours());
        let others = scene.0.iter().filter(|(name, _)| **name != spared);
        let knots = others
            .flat_map(|(_, knots)| knots)
            .filter(|knot| knot.runs());
        let pids: Vec<_> = knots
            .flat_map(|knot| &knot.children)
            .map(|child| child.pid)
            .collect();
        let signals = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSEGV];
        let signal = self.random.one_of(&signals).unwrap();
        if let Some(pid) = self.random.one_of(&pids) {
            let _ = kill(Pid::from_raw(pid), signal);
            self.blows.processes += 1;
        }
    }

    fn reload(&mut self) {
        self.wait_for_pid_file();
        let signal = self
            .random
            .one_of(&[Signal::SIGHUP, Signal::SIGQUIT])
            .unwrap();
        self.tree().signal(signal);
        self.blows.reloads += 1;
    }

    /// `lithos_switch`, to a config that changes one process and leaves others.
    fn switch(&mut self) {
        let sandbox = ["shop", "blog"][self.random.below(2)];
        match sandbox {
            "shop" => self.dir = if self.dir == "bin" { "data" } else { "bin" },
            _ => self.workers = 12 + self.random.below(9),
        }
        let new = self.ground.write("new.yaml", self.processes(sandbox));
        let output = Command::new(env!("CARGO_BIN_EXE_lithos_switch"))
            .arg("--config")
            .arg(self.ground.path("master.yaml"))
            .arg(self.sandbox(sandbox))
            .arg(new)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.blows.switches += 1;
    }

    /// Ends the supervisor, and starts the next after a moment in which more
    /// may be killed.
    fn replace_supervisor(&mut self, signal: Signal) {
        if signal != Signal::SIGKILL {
            self.wait_for_pid_file();
        }
        let mut tree = self.tree.take().expect("there is a supervisor");
        tree.signal(signal);
        let status = tree.ended();
        assert_eq!(
            status.success(),
            signal == Signal::SIGUSR1,
            "{}",
            tree.log()
        );
        // Dropped, it would kill what it leaves.
        std::mem::forget(tree);
        for _ in 0..self.random.below(4) {
            self.kill_a_knot();
            self.kill_a_process();
        }
        self.tree = Some(self.ground.start());
        match signal {
            Signal::SIGUSR1 => self.blows.detached += 1,
            _ => self.blows.supervisors += 1,
        }
    }

    /// Until it has written its pid a supervisor takes signals as any program does.
    fn wait_for_pid_file(&mut self) {
        let path = self.ground.path("run/master.pid");
        let tree = self.tree();
        let pid = tree.pid().to_string();
        tree.wait("pid file", || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            (text.trim() == pid).then_some(())
        });
    }

    /// Waits until every instance runs exactly once, as the configs say.
    fn calm(&self) {
        let begin = Instant::now();
        let expected = self.expected();
        while let Err(wrong) = self.is_calm(&expected) {
            let tree = self.tree.as_ref().expect("there is a supervisor");
            assert!(
                begin.elapsed() < CALM,
                "{wrong}\nlog:\n{}",
                tail(&tree.log())
            );
            sleep(Duration::from_millis(100));
        }
        let scene = Scene::look(self.is_ours());
        sleep(Duration::from_secs(1));
        let tree = self.tree.as_ref().expect("there is a supervisor");
        assert_eq!(Scene::look(self.is_ours()), scene, "{}", tail(&tree.log()));
    }

    fn is_calm(&self, expected: &BTreeSet<String>) -> Result<(), String> {
        let scene = Scene::look(self.is_ours());
        scene.is(expected)?;
        for (name, knots) in &scene.0 {
            let record = record(self.ground, name);
            let pid = &record["knot"]["pid"];
            if *pid != knots[0].knot.pid || !record["stopping"].is_null() {
                return Err(format!("{name} has the record {record}"));
            }
            let argument = &record["plan"]["process"]["arguments"][0];
            if name.contains("/web.") && *argument != format!("list=/{}", self.dir) {
                return Err(format!("{name} runs with {argument}"));
            }
        }
        Ok(())
    }

    fn expect_no_leaks(&mut self) {
        let expected = self.expected();
        assert_eq!(kept(self.ground), expected, "state");
        assert_eq!(listening(self.port), 1, "listening sockets");
        let cgroups = cgroups(&self.slice);
        assert!(!cgroups.is_empty());
        for (place, groups) in cgroups {
            assert_eq!(groups, expected, "cgroups in {}", place.display());
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = self.ground.root().display().to_string();
        assert!(!mounts.contains(&root), "a mount is left on the host");
        let long_lived = self.descriptors();
        self.replace_supervisor_calmly();
        self.calm();
        // A reload in place gets rid of what the first start was given by us.
        let mut fresh = self.descriptors();
        if long_lived.len() < fresh.len() {
            for given in inheritable() {
                let index = fresh.iter().position(|kind| *kind == given);
                fresh.remove(index.expect("it was inherited"));
            }
        }
        assert_eq!(long_lived, fresh, "descriptors of the supervisor");
    }

    fn replace_supervisor_calmly(&mut self) {
        let mut tree = self.tree.take().expect("there is a supervisor");
        tree.signal(Signal::SIGUSR1);
        assert!(tree.ended().success());
        let loads = tree.log().matches("loaded; supervising").count();
        std::mem::forget(tree);
        let tree = self.tree.insert(self.ground.start());
        tree.wait("load", || {
            (tree.log().matches("loaded; supervising").count() > loads).then_some(())
        });
    }

    /// What the supervisor has open.
    fn descriptors(&self) -> Vec<String> {
        let pid = self.tree.as_ref().expect("there is a supervisor").pid();
        let mut open: Vec<_> = open(&pid.to_string()).into_values().collect();
        open.sort();
        open
    }

    fn expect_to_leave_nothing(&mut self) {
        assert!(self.tree().stop().success());
        self.ground.expect_nothing_left();
        assert_eq!(Scene::look(self.is_ours()), Scene::default());
        assert_eq!(cgroups(&self.slice), []);
        assert_eq!(listening(self.port), 0);
        assert!(!self.ground.path("run/master.pid").exists());
    }
}

/// The descriptors of a process: kinds, without the numbers that differ.
fn open(pid: &str) -> BTreeMap<i32, String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let kinds = links.filter_map(|link| {
        let target = fs::read_link(link.path()).ok()?.display().to_string();
        let kind = target.split_once(":[").map(|(kind, _)| kind.to_owned());
        let number = link.file_name().to_str()?.parse().ok()?;
        Some((number, kind.unwrap_or(target)))
    });
    kinds.collect()
}

/// What our children inherit from us besides the standard three.
fn inheritable() -> Vec<String> {
    let closed_on_exec = |number: &i32| {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        flags.is_none_or(|flags| {
            i32::from_str_radix(flags.trim(), 8).unwrap() & OFlag::O_CLOEXEC.bits() != 0
        })
    };
    let ours = open("self").into_iter().filter(|(number, _)| *number > 2);
    ours.filter(|(number, _)| !closed_on_exec(number))
        .map(|(_, kind)| kind)
        .collect()
}

fn tail(log: &str) -> &str {
    let from = log.len().saturating_sub(8000);
    log.get(from..).unwrap_or(log)
}
