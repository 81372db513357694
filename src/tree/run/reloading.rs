//! A reload in place: this program is replaced by what is at its path now.

use std::os::fd::AsFd;

use ::log::{error, info};

use super::{Tree, now};
use crate::cause::Cause;
use crate::problem::Problem;
use crate::tree::heritage::Program;
use crate::tree::holds::Holds;
use crate::tree::launch::Launcher;
use crate::tree::loading::rehearse;
use crate::tree::pid_file::PidFile;
use crate::tree::service;

impl Tree {
    /// Replaces this program by what is at its path now. Returns only if that
    /// would not go well: then everything stays as it is.
    pub(super) fn reload(&mut self, program: &Program, pid_file: &PidFile) {
        info!("reloading");
        service::reloading(now());
        self.refused = self.execute_again(program, pid_file);
        self.refused_reloads += 1;
        for reason in &self.refused {
            error!("cannot reload: {reason}");
        }
        service::ready(&format!("{}; the last reload failed", self.status()));
    }

    /// Says why not.
    fn execute_again(&self, program: &Program, pid_file: &PidFile) -> Vec<String> {
        let home = self.loading.home();
        if let Err(problems) = rehearse(home) {
            return problems.iter().map(Problem::to_string).collect();
        }
        if let Err(err) = Holds::read(&home.holds_file()) {
            return vec![err.to_string()];
        }
        if let Err(err) = Launcher::open(program.dir()) {
            return vec![err.to_string()];
        }
        let Err(err) = program.execute_again(pid_file.as_fd(), self.sockets.kept());
        vec![format!("cannot execute lithos_tree: {}", Cause(&err))]
    }
}
