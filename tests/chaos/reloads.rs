//! Fifty reloads under load.

use std::thread;

use nix::sys::signal::Signal;

use crate::clients::{Clients, free_port, listening};
use crate::ground::Ground;
use crate::scene::record;

#[test]
fn no_connection_is_refused_through_fifty_reloads() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    let container = |argument: &str| {
        ground.container(&format!(
            "arguments: [list={argument}, serve=3]\nrestart-timeout: 0.05\n\
             tcp-ports: {{ {port}: {{ fd: 3, host: 127.0.0.1 }} }}"
        ));
    };
    container("/bin");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 3 }");
    let mut tree = ground.start();
    let names = [0, 1, 2].map(|number| format!("shop/web.{number}"));
    for name in &names {
        tree.result(name, "list=/bin");
    }
    let loads = || tree.log().matches("loaded; supervising").count();
    let clients = Clients::default();
    thread::scope(|scope| {
        let at_work = clients.hammer(scope, port, 4);
        for number in 0..50 {
            // Every other one restarts all that run; the rest find them changing.
            container(["/bin", "/bin", "/data", "/data"][number % 4]);
            let before = loads();
            tree.signal([Signal::SIGHUP, Signal::SIGQUIT][number % 2]);
            tree.wait("reload", || (loads() > before).then_some(()));
            at_work.expect_all();
        }
        tree.wait("all as the files say", || {
            let right = |name: &String| {
                let record = record(&ground, name);
                record["plan"]["process"]["arguments"][0] == "list=/bin"
                    && record["knot"].is_object()
            };
            names.iter().all(right).then_some(())
        });
        at_work.stop();
    });
    assert_eq!(listening(port), 1);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
    assert_eq!(listening(port), 0);
}
