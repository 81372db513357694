//! Broken files and hosts: one clear error each, the others run on.

use std::fs;
use std::os::unix::fs::symlink;

use crate::ground::Ground;
use crate::tree::Tree;

/// `web` is to be broken, `worker` is to run all the same.
fn two_processes(ground: &Ground) {
    ground.processes(
        "web: { image: probe, config: /config/web.yaml }\n\
         worker: { image: probe, config: /config/worker.yaml }",
    );
    ground.container("arguments: [report, sleep]\nrestart-timeout: 0.1\nrestart-timeout-max: 0.3");
    ground.container_named("worker", "arguments: [report, sleep]");
}

/// The worker runs; `web` does not, and the log says why.
fn expect_only_the_worker<'a>(ground: &'a Ground, reasons: &[&str]) -> Tree<'a> {
    let tree = ground.start();
    tree.result("shop/worker.0", "report");
    tree.wait_for_log(&[&["shop/web"], reasons].concat());
    assert!(tree.lines("shop/web.0", "report").is_empty());
    tree
}

fn config(ground: &Ground) -> std::path::PathBuf {
    ground.path("images/probe/config/web.yaml")
}

#[test]
fn a_missing_image_is_named_and_starts_when_it_appears() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.processes(
        "web: { image: tomorrow, config: /config/web.yaml }\n\
         worker: { image: probe, config: /config/worker.yaml }",
    );
    let tree = expect_only_the_worker(&ground, &["tomorrow"]);
    ground.image("later");
    ground.write(
        "images/later/config/web.yaml",
        "executable: /bin/probe\narguments: [report, sleep]\n",
    );
    fs::rename(ground.path("images/later"), ground.path("images/tomorrow")).unwrap();
    tree.result("shop/web.0", "report");
}

#[test]
fn a_directory_in_place_of_a_config_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    fs::remove_file(config(&ground)).unwrap();
    fs::create_dir(config(&ground)).unwrap();
    expect_only_the_worker(&ground, &["web.yaml", "directory"]);
}

#[test]
fn a_fifo_in_place_of_a_config_is_an_error_and_no_hang() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    fs::remove_file(config(&ground)).unwrap();
    nix::unistd::mkfifo(&config(&ground), nix::sys::stat::Mode::S_IRWXU).unwrap();
    expect_only_the_worker(&ground, &["web.yaml"]);
}

#[test]
fn a_config_that_is_a_symlink_out_of_the_image_is_not_followed() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    let outside = ground.write(
        "host/web.yaml",
        "executable: /bin/probe\narguments: [report, sleep]\n",
    );
    fs::remove_file(config(&ground)).unwrap();
    symlink(outside, config(&ground)).unwrap();
    expect_only_the_worker(&ground, &["web.yaml"]);
}

#[test]
fn an_oversized_config_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    // Sparse: a gibibyte that takes no room.
    let file = fs::File::create(config(&ground)).unwrap();
    file.set_len(1 << 30).unwrap();
    expect_only_the_worker(&ground, &["web.yaml"]);
}

#[test]
fn a_bomb_in_a_config_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    // Nine times nine times nine…: 9 to the 30th values, were they spread out.
    let mut bomb = "executable: /bin/probe\nmetadata:\n  a0: &a0 [x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("  a{level}: &a{level} [{items}]\n");
    }
    fs::write(config(&ground), bomb).unwrap();
    expect_only_the_worker(&ground, &["web.yaml"]);
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_a_suggestion() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.container("arguments: [report, sleep]\nmemroy-limit: 1Gi");
    expect_only_the_worker(
        &ground,
        &["web.yaml:3", "memroy-limit", "did you mean `memory-limit`"],
    );
}

#[test]
fn a_forbidden_user_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.sandbox("allow-users: [1000-1999]");
    ground.container("arguments: [report, sleep]\nuser-id: 33");
    expect_only_the_worker(&ground, &["allow-users"]);
}

#[test]
fn root_is_an_error_unless_it_is_allowed() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.container("arguments: [report, sleep]\nuser-id: 0");
    expect_only_the_worker(&ground, &["allow-users"]);
}

#[test]
fn a_missing_mount_point_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.container("arguments: [report, sleep]\nvolumes: { /nowhere: !Tmpfs { size: 1Mi } }");
    expect_only_the_worker(&ground, &["/nowhere"]);
}

#[test]
fn a_missing_executable_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.container("executable: /bin/nothing\narguments: [report, sleep]");
    expect_only_the_worker(&ground, &["/bin/nothing"]);
}

#[test]
fn an_executable_that_may_not_be_executed_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.write("images/probe/bin/text", "just a text");
    ground.container("executable: /bin/text\narguments: [report, sleep]");
    expect_only_the_worker(&ground, &["/bin/text"]);
}

#[test]
fn a_port_outside_of_what_the_sandbox_allows_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.container("arguments: [report, sleep]\ntcp-ports: { 80: { fd: 3 } }");
    expect_only_the_worker(&ground, &["allow-tcp-ports"]);
}

#[test]
fn one_broken_sandbox_keeps_no_other_from_running() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep]");
    ground.sandbox_named("blog", "image-dir: [nonsense");
    ground.sandbox_named("wiki", "");
    ground.write("processes/wiki.yaml", "web: { image: probe");
    fs::create_dir(ground.path("sandboxes/dir.yaml")).unwrap();
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    tree.wait_for_log(&["blog.yaml", "wiki.yaml", "dir"]);
}

#[test]
fn a_missing_working_directory_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    two_processes(&ground);
    ground.container("arguments: [report, sleep]\nworkdir: /nowhere");
    expect_only_the_worker(&ground, &["/nowhere"]);
}
