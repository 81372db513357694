//! Five hundred containers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::ground::Ground;
use crate::scene::{Scene, cgroups, kept};

const INSTANCES: usize = 500;

/// On a machine that is busy besides, with programs that are not optimised.
const BOUND: Duration = Duration::from_secs(120);

#[test]
fn five_hundred_instances_start_are_reloaded_and_stop() {
    let Some(ground) = Ground::new() else { return };
    let slice = format!("{}.slice", ground.root().file_name().unwrap().display());
    ground.master(&format!("cgroup-name: {slice}"));
    let sandbox = format!("many-{}", std::process::id());
    std::fs::remove_file(ground.path("sandboxes/shop.yaml")).unwrap();
    ground.sandbox_named(&sandbox, "");
    ground.container("arguments: [sleep]");
    ground.write(
        &format!("processes/{sandbox}.yaml"),
        format!("web: {{ image: probe, config: /config/web.yaml, instances: {INSTANCES} }}\n"),
    );
    let expected: BTreeSet<_> = (0..INSTANCES)
        .map(|n| format!("{sandbox}/web.{n}"))
        .collect();
    let look = || Scene::look(|name| name == sandbox);
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !done() {
            assert!(
                begin.elapsed() < BOUND,
                "{what} takes longer than {BOUND:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("{what}: {:.1} s", begin.elapsed().as_secs_f64());
    };

    let mut tree = ground.start();
    wait("start", &|| look().is(&expected).is_ok());
    let before = look();
    let loads = || tree.log().matches("loaded; supervising").count();
    for number in 1..=3 {
        tree.signal(Signal::SIGHUP);
        wait("reload", &|| loads() > number);
    }
    assert_eq!(look(), before);
    assert_eq!(kept(&ground), expected);
    for (place, groups) in cgroups(&slice) {
        assert_eq!(groups, expected, "{}", place.display());
    }
    tree.signal(Signal::SIGTERM);
    wait("stop", &|| look().0 == BTreeMap::new());
    assert!(tree.ended().success());
    ground.expect_nothing_left();
    assert_eq!(cgroups(&slice), []);
}
