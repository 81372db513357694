//! Where all rules meet: the plan of a process, but for what differs from
//! instance to instance.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::plan::{Limits, Network, Plan, Process, Secrets, Stdio, Supervision};
use super::problems::Problems;
use super::variables::{EnvText, Text};
use super::{
    Documents, confinement, environment, files, identity, limits, network, ports, process, secrets,
    variables, volumes,
};
use crate::config::process::Kind;
use crate::config::secret::DIRECTORY;
use crate::config::units::Range;
use crate::facts::Facts;
use crate::name::ContainerName;
use crate::problem::Place;

/// What the plans of a process's instances are made from.
#[derive(Debug)]
pub struct Template {
    /// The plan of the first, without what is made for each.
    plan: Plan,
    arguments: Vec<Text>,
    environ: BTreeMap<String, EnvText>,
    networks: Vec<Network>,
    origins: secrets::Origins,
    /// The key of each socket in its section of the container config.
    sockets: Vec<String>,
    /// The sandbox's `allow-tcp-ports`.
    tcp_ports: Vec<Range>,
    /// What the texts of one plan take.
    bytes: usize,
}

/// What the processes before one in its process config come to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    /// How many containers of daemons there are; commands come and go.
    pub containers: usize,
    /// What the texts of their plans take.
    pub bytes: usize,
}

impl Before {
    /// Counts a process, too.
    pub fn add(&mut self, template: &Template) {
        let plans = template.count();
        if template.plan.kind == Kind::Daemon {
            self.containers += plans;
        }
        self.bytes += template.bytes * plans;
    }
}

impl Template {
    /// The secrets of each.
    pub fn secrets(&self) -> &Secrets {
        &self.plan.secrets
    }

    /// The plans of all instances of a daemon; of a command, one, with the number 0.
    pub fn plans(&self) -> Vec<Rc<Plan>> {
        let numbers = 0..self.count() as u32;
        numbers.map(|number| self.plan(number).into()).collect()
    }

    fn count(&self) -> usize {
        match self.plan.kind {
            Kind::Daemon => self.networks.len(),
            Kind::Command => 1,
        }
    }

    /// The plan of one instance of a daemon, or of a command that the process
    /// with this pid runs.
    fn plan(&self, number: u32) -> Plan {
        let mut plan = self.plan.clone();
        plan.name.number = number;
        let full = plan.name.to_string();
        plan.hostname = plan.name.hostname();
        plan.process.arguments = self.arguments.iter().map(|text| text.with(&full)).collect();
        let environ = self.environ.iter();
        plan.process.environ = environ
            .map(|(name, value)| (name.clone(), value.with(&full)))
            .collect();
        let network = match plan.kind {
            Kind::Daemon => self.networks.get(number as usize),
            Kind::Command => self.networks.first(),
        };
        plan.network = network.cloned().unwrap_or_default();
        let landlock = plan.confinement.as_mut();
        if let Some(landlock) = landlock.and_then(|confinement| confinement.landlock.as_mut()) {
            landlock.bind = confinement::bind(&self.tcp_ports, &plan.network);
        }
        files::own_line(&mut plan.files, &plan.hostname, &plan.network);
        if let Some(cgroup) = &mut plan.cgroup {
            cgroup.name = format!("{}:{}", plan.name.sandbox, plan.name.within_sandbox());
        }
        plan
    }

    /// Where each secret comes from, by its name in the plan.
    pub fn origins(&self) -> &secrets::Origins {
        &self.origins
    }

    /// Where a secret comes from, by its name in the plan, or in a template, which
    /// names a file by its path below [`DIRECTORY`].
    pub fn origin(&self, name: &str) -> Option<&secrets::Origin> {
        let file = Path::new(DIRECTORY).join(name);
        let file = || self.origins.get(file.to_str()?);
        self.origins.get(name).or_else(file)
    }

    /// The place in the container config of the socket that has this number in the plan.
    pub fn socket_place(&self, number: usize) -> Place {
        let socket = self.plan.sockets.get(number).zip(self.sockets.get(number));
        socket.map_or(Place::Whole, |(socket, key)| {
            Place::Key(vec![ports::section(socket).into(), key.as_str().into()])
        })
    }

    /// The plan of a command, run by the process with this pid.
    pub fn command(&self, pid: u32) -> Option<Plan> {
        (self.plan.kind == Kind::Command).then(|| self.plan(pid))
    }
}

/// Applies every rule that crosses documents. What comes of it counts only if
/// there is no error among the problems.
pub(super) fn make(
    docs: &Documents<'_>,
    facts: &Facts,
    problems: &mut Problems,
) -> Option<Template> {
    process::kinds(docs, problems);
    limits::check(docs, problems);
    limits::check_kernel(docs, facts, problems);
    let image = process::image(docs.sandbox, docs.process, problems);
    if let Some(image) = &image {
        process::check_image(docs, image, facts, problems);
    }
    let ids = identity::ids(docs, problems);
    let layout = volumes::layout(docs, ids.as_ref(), problems);
    let mounts = volumes::mounts(docs, layout, facts, problems);
    let usable = matches!(facts.image, crate::facts::Seen::Found(_));
    if let (true, Some(mounts)) = (usable, &mounts) {
        process::executable(docs, mounts, ids.as_ref(), facts, problems);
        process::workdir(docs, ids.as_ref(), facts, problems);
        process::stdout_file(docs, mounts, ids.as_ref(), facts, problems);
    }
    let made = files::files(docs, facts, problems);
    let values = variables::values(docs, problems);
    let bytes = process::bytes(docs, &values, problems)?;
    let networks = network::networks(docs, facts, problems);
    let sockets = ports::sockets(docs, &values, &networks, problems);
    let (sockets, keys) = sockets.into_iter().unzip();
    let secrets = secrets::secrets(docs, ids.as_ref(), facts, problems);
    let arguments = process::arguments(docs, &values);
    let mut environ = process::environ(docs, &values, &secrets);
    environ.insert(environment::OURS[0].to_owned(), EnvText::name());
    process::check_size(docs, &arguments, &environ, &secrets, problems);
    let container = docs.container;
    let (sandbox_name, process_name) = (docs.sandbox_name.clone(), docs.process_name.clone());
    let mut name = ContainerName::daemon(sandbox_name, process_name, 0);
    name.command = docs.process.kind == Kind::Command;
    Some(Template {
        plan: Plan {
            hostname: name.hostname(),
            name,
            kind: docs.process.kind,
            image: image?,
            config: docs.process.config.clone(),
            mount_dir: docs.home.mount_dir.clone(),
            mounts: mounts?,
            files: made,
            ids: ids?,
            confinement: Some(confinement::confinement(docs)),
            process: Process {
                executable: container.executable.clone(),
                arguments: Vec::new(),
                environ: BTreeMap::new(),
                workdir: container.workdir.clone(),
            },
            secrets: secrets.into(),
            limits: Limits {
                fileno: limits::fileno(docs),
                others: docs.sandbox.confinement.rlimits.clone(),
            },
            cgroup: limits::cgroup(docs),
            sockets,
            network: Network::default(),
            stdio: Stdio {
                log: docs.home.stdio_log(docs.sandbox_name),
                file: container.stdout_stderr_file.clone(),
                interactive: container.interactive && docs.process.kind == Kind::Command,
            },
            supervision: Supervision {
                restart_timeout: container.restart_timeout,
                restart_timeout_max: container.restart_timeout_max,
                kill_timeout: limits::kill_timeout(docs),
                restart_process_only: container.restart_process_only,
                normal_exit_codes: container.normal_exit_codes.clone(),
            },
        },
        arguments,
        environ,
        networks,
        origins: secrets::origins(docs),
        sockets: keys,
        tcp_ports: docs.sandbox.allow_tcp_ports.clone(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use crate::resolve::fixture::Fixture;

    #[test]
    fn instances_differ_in_name_only() {
        let mut f = Fixture::new();
        f.process.instances = 3;
        f.container.arguments = vec!["--name=@{lithos:name}!".into()];
        let plans = f.plans();
        assert_eq!(plans.len(), 3);
        assert_eq!(plans[2].name.to_string(), "shop/web.2");
        assert_eq!(plans[2].hostname, "web.2");
        assert_eq!(plans[2].process.arguments, ["--name=shop/web.2!"]);
        assert_eq!(plans[2].cgroup.as_ref().unwrap().name, "shop:web.2");
        assert!(plans[2].files[1].append.ends_with("127.0.0.1 web.2\n"));
    }

    #[test]
    fn no_instances_are_no_plans_but_no_problem() {
        let mut f = Fixture::new();
        f.process.instances = 0;
        assert_eq!(f.plans(), []);
    }

    #[test]
    fn a_command_is_named_for_who_runs_it() {
        let mut f = Fixture::new();
        f.command();
        assert_eq!(f.plan().name.to_string(), "shop/cmd.web.0");
        let template = f.resolve().template.unwrap();
        assert_eq!(
            template.command(4711).unwrap().name.to_string(),
            "shop/cmd.web.4711"
        );
    }

    #[test]
    fn the_same_documents_give_the_same_plan() {
        assert_eq!(Fixture::new().plan(), Fixture::new().plan());
    }

    #[test]
    fn a_plan_survives_its_json() {
        let plan = Fixture::bridged().plan();
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<super::Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut f = Fixture::new();
        f.container.user_id = Some(0);
        f.container.fileno_limit = Some(u64::MAX);
        f.container.arguments = vec!["@{nothing}".into()];
        f.refused("user 0");
        f.refused("`fileno-limit`");
        f.refused("`nothing` is not declared");
    }
}
