//! Spawning a joiner, which runs another command in a container, see `knot::join`.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use super::{LaunchError, Launched, Launcher, Standard, seal, step};
use crate::knot::command_line::Join;
use crate::resolve::plan::Plan;
use crate::sys::{memfd, spawn::Spawn};
use crate::tree::running::Running;

impl Launcher {
    /// Starts the joiner, which waits until it is released. `plan` is the
    /// command's. Gives also where the joiner's report is to be read.
    pub fn join(
        &self,
        running: &Running,
        plan: &Plan,
        standard: &Standard<'_>,
    ) -> Result<(Launched, OwnedFd), LaunchError> {
        let (gate, opener) = step("make a pipe", pipe_with(PipeFlags::CLOEXEC))?;
        // A pipe can be full before anybody reads it.
        let report = step("make the report", memfd::empty("lithos-report"))?;
        let json = step("seal the plan", plan.to_json())?;
        let plan_fd = step("seal the plan", seal(&json))?;
        let join = Join {
            name: plan.name.clone(),
            plan: plan_fd.as_raw_fd(),
            report: report.as_raw_fd(),
            gate: gate.as_raw_fd(),
            knot: running.knot.as_raw_fd(),
            process: running.process.as_raw_fd(),
            terminal: standard.terminal.map(|socket| socket.as_raw_fd()),
            replaced: standard.replaced.clone(),
        };
        let args = join.to_args().into_iter().map(CString::new);
        let given = [&plan_fd, &report, &gate, &running.knot, &running.process];
        let [stdin, stdout, stderr] = standard.three;
        let spawn = Spawn {
            program: self.program.as_fd(),
            args: args.collect::<Result<_, _>>()?,
            namespaces: 0,
            stdin,
            stdout,
            stderr,
            keep: given
                .map(AsFd::as_fd)
                .into_iter()
                .chain(standard.terminal)
                .collect(),
        };
        let (_, pidfd) = step("spawn lithos_knot", spawn.start())?;
        Ok((Launched { pidfd, opener }, report))
    }
}
