//! Waiting for the supervisor's word that the container's record is complete.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::signals::{Number, Signals};

/// What came of waiting.
pub enum Gate {
    /// The record is complete.
    Open,
    /// There is nobody to run for.
    SupervisorGone,
    /// Told to stop, by this signal, before the process was there.
    Stopped(Number),
}

/// Waits for a byte, for end of file, or for a signal to stop. Without a gate
/// there is nothing to wait for.
pub fn pass(gate: Option<&OwnedFd>, signals: &Signals) -> io::Result<Gate> {
    let Some(gate) = gate else {
        signals.pending()?;
        return Ok(signals.stop().map_or(Gate::Open, Gate::Stopped));
    };
    rustix::io::ioctl_fionbio(gate, true)?;
    loop {
        signals.wait(Some(gate.as_fd()), None)?;
        if let Some(signal) = signals.stop() {
            return Ok(Gate::Stopped(signal));
        }
        match rustix::io::read(gate, &mut [0; 1]) {
            Ok(0) => return Ok(Gate::SupervisorGone),
            Ok(_) => return Ok(Gate::Open),
            Err(Errno::AGAIN) => {}
            Err(err) => return Err(err.into()),
        }
    }
}
