//! Why lithos_ctl fails.

use std::io;
use std::path::PathBuf;

use quick_error::quick_error;

use crate::cause::Cause;
use crate::privileged::Privileged;
use crate::problem::legible;
use crate::selection::Selection;
use crate::tree::records::RecordsError;

quick_error! {
    /// Why something was not done.
    #[derive(Debug)]
    pub enum CtlError {
        /// Nobody is there to ask.
        NoSupervisor(path: PathBuf) {
            display("cannot ask lithos_tree on {}: none runs\nhint: start it with `lithos_tree`, or `systemctl start lithos`", path.display())
        }
        /// It is there, and not to be asked.
        Ask(path: PathBuf, err: io::Error) {
            display("cannot ask lithos_tree on {}: {}", path.display(), Privileged(err))
            source(err)
        }
        /// It does not answer.
        Silent(path: PathBuf, pid: i32) {
            display("cannot ask lithos_tree on {}: it runs with pid {}, but does not answer\nhint: see its log; `kill -HUP {}` makes it listen anew", path.display(), pid, pid)
        }
        /// What it answers is not understood.
        Answer(cause: String) {
            display("cannot understand the answer of lithos_tree: {}", cause)
        }
        /// It refuses.
        Refused(error: String, hint: Option<String>) {
            display("{}{}", legible(error, 4096), hinted(hint))
        }
        /// A container did not become what it was to be.
        Failed(verb: &'static str, name: String, why: String) {
            display("cannot {} {}: {}", verb, name, legible(why, 4096))
        }
        /// The reload was refused, or what it loaded has errors.
        Reload {
            display("cannot reload: it was refused, nothing was changed")
        }
        /// The reload was done, but not everything in the files is as it should be.
        Flaws {
            display("cannot use all of the files: what has errors was left as it was, the rest is reloaded")
        }
        /// The supervisor ended rather than reload.
        Ended {
            display("cannot reload: lithos_tree has ended\nhint: see its log; containers run on")
        }
        /// There is no log of this sandbox.
        NoLog(name: Selection, path: PathBuf) {
            display("cannot show the log of {}: there is no {}", name, path.display())
        }
        /// The log cannot be read.
        Log(path: PathBuf, err: io::Error) {
            display("cannot read {}: {}", path.display(), Privileged(err))
            source(err)
        }
        /// What is kept of containers cannot be read.
        Records(err: RecordsError) {
            display("{}", err)
            source(err)
            from()
        }
        /// The result cannot be written.
        Output(err: io::Error) {
            display("cannot write the result: {}", Cause(err))
            source(err)
            from()
        }
    }
}

fn hinted(hint: &Option<String>) -> String {
    let hint = hint.as_ref().map(|hint| legible(hint, 1024));
    hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"))
}
