//! Keeping plaintexts and keys out of core dumps, debuggers and swap, as far as
//! the system lets us. Nothing here fails: it is a second line of defence.

/// Makes the process's memory private. Call it before anything secret is read.
#[cfg(unix)]
pub fn keep_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);

    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{MlockAllFlags, mlockall};
        use rustix::process::{DumpableBehavior, getrlimit, set_dumpable_behavior};

        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        // Under a limit, a later allocation could fail and end the program.
        if getrlimit(Resource::Memlock).current.is_none() {
            let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
            let _ = mlockall(all);
        }
    }
}

/// Makes the process's memory private, where we know how.
#[cfg(not(unix))]
pub fn keep_private() {}
