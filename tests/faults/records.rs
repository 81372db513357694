//! Records that are not there, though their containers are.

use std::fs;

use crate::ground::Ground;
use crate::scene::{knots, wait_for_web};
use crate::tree::lives;

/// Each is taken from another of the containers that run.
#[test]
fn nothing_is_started_twice_whatever_becomes_of_the_records() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 6 }");
    let tree = ground.start();
    let before = wait_for_web(&tree, &ground, 6);
    tree.abandon();
    let state =
        |number: usize, file: &str| ground.path(&format!("run/state/shop/web.{number}/{file}"));
    fs::remove_file(state(0, "record.json")).unwrap();
    fs::remove_dir_all(state(1, "")).unwrap();
    fs::write(state(2, "record.json"), "").unwrap();
    let whole = fs::read(state(3, "record.json")).unwrap();
    fs::write(state(3, "record.json"), &whole[..whole.len() / 2]).unwrap();
    fs::rename(state(4, "record.json"), state(4, "record.new")).unwrap();
    let mut tree = ground.start();
    tree.wait("new generations", || {
        let now = knots(&ground);
        let new = |number: usize| {
            let name = format!("shop/web.{number}");
            Some(now.get(&name)? != &before[&name])
        };
        (0..5).all(|number| new(number) == Some(true)).then_some(())
    });
    let after = wait_for_web(&tree, &ground, 6);
    for number in 0..5 {
        let old = before[&format!("shop/web.{number}")][0];
        assert!(!lives(old));
    }
    assert_eq!(after["shop/web.5"], before["shop/web.5"]);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}

#[test]
fn a_reload_without_any_records_starts_anew_and_nothing_twice() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [sleep]\nrestart-timeout: 0.05");
    ground.processes("web: { image: probe, config: /config/web.yaml, instances: 2 }");
    let mut tree = ground.start();
    let before = wait_for_web(&tree, &ground, 2);
    fs::remove_dir_all(ground.path("run/state")).unwrap();
    crate::scene::reload(&tree);
    tree.wait("new generations", || {
        let now = knots(&ground);
        let new =
            |(name, old): (&String, &Vec<i32>)| now.get(name).is_some_and(|knots| knots != old);
        before.iter().all(new).then_some(())
    });
    wait_for_web(&tree, &ground, 2);
    assert!(tree.stop().success());
    ground.expect_nothing_left();
}
