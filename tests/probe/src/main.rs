//! The program that the tests run inside containers.
//!
//! Its arguments are actions, done one after the other; each prints one JSON
//! line on stdout: `{"probe": <LITHOS_NAME>, "pid": …, "action": …, "result": …}`.
//! What fails is a result too (`{"error": …}`), since most tests are about what
//! must fail. It judges nothing: the test outside does.
//!
//! | action | does |
//! |---|---|
//! | `report` | everything that it sees, see `sight` |
//! | `read=PATH` | the file's text |
//! | `list=PATH` | the directory's entries, with mode, owner and size |
//! | `write=PATH` | makes or extends the file with one line |
//! | `execute=PATH` | runs the file |
//! | `output=PATH` | what the file reports, being this program |
//! | `chroot=PATH`, `grab=FD`, `bind=PORT`, `connect=NAME` | tries to change its root; to take its own descriptor as a debugger would; to bind a TCP port; to connect to an abstract Unix socket |
//! | `unmount=PATH`, `remount=PATH` | tries to undo a mount, to make it writable |
//! | `become=UID` | tries to take on another user id |
//! | `ignore-term`, `orphan`, `fill=PATH` | ignores SIGTERM; leaves a child of nobody behind; fills a volume |
//! | `pry=PATH` | tries to look into every other process until the file is there |
//! | `serve=FD` | answers each client of the listening socket with its name, for ever |
//! | `try=DEED` | attacks something, in a child of its own; see `attack` |
//! | `exit=N`, `kill=SIGNAL`, `sleep` | ends; waits for ever |

mod attack;
mod deeds;
mod prying;
mod sight;

use std::io::Write;

use serde_json::{Value, json};

fn main() {
    for action in std::env::args().skip(1) {
        let (verb, object) = action.split_once('=').unwrap_or((&action, ""));
        let result = match verb {
            "try" => attack::attempt(object),
            "do" => attack::perform(object),
            "report" => sight::everything(),
            "pry" => prying::pry(object),
            "sleep" => deeds::sleep(),
            "exit" => std::process::exit(object.parse().expect("a number")),
            "serve" => deeds::serve(object.parse().expect("a file descriptor")),
            _ => deeds::attempt(verb, object)
                .unwrap_or_else(|error| json!({ "error": error.to_string() })),
        };
        say(&action, result);
    }
}

/// One line in one write, so that containers which share a log do not mix.
fn say(action: &str, result: Value) {
    let line = json!({
        "probe": std::env::var("LITHOS_NAME").ok(),
        "pid": std::process::id(),
        "action": action,
        "result": result,
    });
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    let _ = std::io::stdout().flush();
}
