//! The sockets that the knot binds itself: those of a container with a network
//! namespace of its own, but for the external ones.

use std::os::fd::OwnedFd;

use super::failure::{Attempt, Failure};
use crate::resolve::plan::Plan;

/// All of the plan's sockets, in its order, from the `passed` ones and from
/// those made here. To be called in the container's network namespace, and with
/// the right to bind ports below 1024.
pub fn complete(plan: &Plan, passed: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Failure> {
    let mut passed = passed.into_iter();
    let complete = plan.sockets.iter().map(|socket| {
        if plan.is_passed(socket) {
            return Ok(passed.next().expect("they were counted"));
        }
        let made = socket.listen().open(plan.ids.host_uid, plan.ids.host_gid);
        made.cannot("listen on", socket.address)
    });
    complete.collect()
}
