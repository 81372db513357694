//! What a container uses, by its cgroup.

use super::{REQUEST, ask, ground, parse, wait_for, with_cgroups};

#[test]
fn memory_and_processor_time_are_those_of_the_container() {
    let Some((ground, python)) = ground() else {
        return;
    };
    with_cgroups(&ground);
    ground.write("images/probe/data/large", vec![7; 8 << 20]);
    ground.container(
        "arguments: [read=/data/large, report, sleep]\nmemory-limit: 200Mi\n\
         volumes: { /tmp: !Tmpfs { size: 100Mi } }",
    );
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    let scraped = parse(python, &ask(&ground, REQUEST));
    let labels = "sandbox=shop,process=web,number=0";
    let memory = scraped.value("lithos_container_memory_bytes", labels);
    assert!((1e5..=200e6).contains(&memory), "{memory}");
    let cpu = scraped.value("lithos_container_cpu_seconds_total", labels);
    assert!(cpu > 0.0 && cpu < 60.0, "{cpu}");
    assert_eq!(
        scraped.value("lithos_container_oom_kills_total", labels),
        0.0
    );
}

#[test]
fn kills_for_memory_are_counted_though_the_cgroup_goes_with_them() {
    let Some((ground, python)) = ground() else {
        return;
    };
    with_cgroups(&ground);
    ground.container(
        "arguments: [fill=/tmp/all, sleep]\nmemory-limit: 24Mi\nrestart-timeout: 0\n\
         volumes: { /tmp: !Tmpfs { size: 200Mi } }",
    );
    let tree = ground.start();
    let labels = "sandbox=shop,process=web,number=0";
    let kills = "lithos_container_oom_kills_total";
    let cpu = "lithos_container_cpu_seconds_total";
    let first = wait_for(&tree, &ground, python, "a kill for memory", |scraped| {
        scraped.get(kills, labels) >= Some(1.0) && scraped.restarts("out-of-memory") >= 1.0
    });
    let second = wait_for(&tree, &ground, python, "another", |scraped| {
        scraped.get(kills, labels) > first.get(kills, labels)
    });
    assert!(second.get(cpu, labels) > first.get(cpu, labels));
    assert_eq!(second.restarts("signal"), 0.0);
}
