//! `lithos_clean`: what it deletes, and above all what it does not.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use lithos::config_log::{Entry, append};
use serde_json::{Value, json};

use crate::ground::Ground;

const DAY: Duration = Duration::from_secs(86_400);

/// A ground with the images `v1` … `v5`, of which `shop` is configured with
/// `v5`, and was loaded with each of them a day, until today.
fn ground() -> Option<Ground> {
    let ground = Ground::new()?;
    for number in 1..=5 {
        ground.write(&format!("images/v{number}/data/inner/file"), "text");
        let days = 5 - number;
        log(&ground, "shop", days, &format!("v{number}"));
    }
    ground.processes("web: { image: v5, config: /config/web.yaml }");
    fs::remove_dir_all(ground.path("images/probe")).unwrap();
    Some(ground)
}

fn log(ground: &Ground, sandbox: &str, days_ago: u32, image: &str) {
    let entry = Entry {
        time: SystemTime::now() - DAY * days_ago,
        config: json!({ "web": { "image": image } }),
    };
    append(
        &ground.path("log/config"),
        &sandbox.parse().unwrap(),
        &entry,
    )
    .unwrap();
}

fn clean(ground: &Ground, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lithos_clean"))
        .arg("--config")
        .arg(ground.path("master.yaml"))
        .args(args)
        .output()
        .unwrap()
}

/// Deletes all that it may: whatever is not configured, loaded or running.
fn clean_most(ground: &Ground) -> Output {
    let least = [
        "--keep-recent",
        "0",
        "--history-days",
        "0",
        "--versions-min",
        "1",
    ];
    clean(ground, &[&["--delete-unused"], &least[..]].concat())
}

fn images(ground: &Ground) -> Vec<String> {
    let entries = fs::read_dir(ground.path("images")).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It failed, said this, and deleted nothing.
fn refuses(ground: &Ground, why: &str) {
    let before = images(ground);
    let output = clean_most(ground);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(why), "{}", said(&output));
    assert_eq!(images(ground), before);
}

#[test]
fn deletes_what_no_recent_config_names() {
    let Some(ground) = ground() else { return };
    let args = [
        "--delete-unused",
        "--keep-recent",
        "0s",
        "--versions-min",
        "1",
    ];
    let output = clean(&ground, &[&args[..], &["--history-days", "2"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    // v3 was used until v4 came, yesterday.
    assert_eq!(images(&ground), ["v3", "v4", "v5"]);
    let path = ground.path("images/v1");
    let expected = format!("deleted {}\n", path.display());
    assert!(String::from_utf8_lossy(&output.stdout).contains(&expected));
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["v5"]);
}

#[test]
fn keeps_as_many_versions_as_asked_and_no_more() {
    let Some(ground) = ground() else { return };
    let args = ["--delete-unused", "--keep-recent", "0"];
    let few = [
        "--history-days",
        "99",
        "--versions-max",
        "4",
        "--versions-min",
        "1",
    ];
    assert!(clean(&ground, &[&args[..], &few].concat()).status.success());
    assert_eq!(images(&ground), ["v2", "v3", "v4", "v5"]);
    // The least that is usual is more.
    let most = ["--history-days", "99", "--versions-max", "3"];
    assert!(
        clean(&ground, &[&args[..], &most].concat())
            .status
            .success()
    );
    assert_eq!(images(&ground), ["v3", "v4", "v5"]);
    let least = ["--history-days", "0", "--versions-min", "2"];
    assert!(
        clean(&ground, &[&args[..], &least].concat())
            .status
            .success()
    );
    assert_eq!(images(&ground), ["v4", "v5"]);
}

#[test]
fn lists_used_and_unused_and_changes_nothing() {
    let Some(ground) = ground() else { return };
    let least = [
        "--keep-recent",
        "0",
        "--history-days",
        "0",
        "--versions-min",
        "1",
    ];
    let output = clean(
        &ground,
        &[&["--used", "--unused", "--json"], &least[..]].concat(),
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let path = |name: &str| ground.path(&format!("images/{name}")).display().to_string();
    assert_eq!(found["used"][0]["path"], path("v5"));
    assert_eq!(found["used"][0]["because"][0], "shop had it lately");
    assert_eq!(found["unused"].as_array().unwrap().len(), 4);
    assert_eq!(found["deleted"], json!([]));
    let output = clean(&ground, &[&["--unused"], &least[..]].concat());
    let lines = ["v1", "v2", "v3", "v4"]
        .map(|name| path(name) + "\n")
        .concat();
    assert_eq!(String::from_utf8_lossy(&output.stdout), lines);
    assert_eq!(images(&ground).len(), 5);
}

#[test]
fn keeps_recent_directories() {
    let Some(ground) = ground() else { return };
    let args = [
        "--delete-unused",
        "--history-days",
        "0",
        "--versions-min",
        "1",
    ];
    assert!(clean(&ground, &args).status.success());
    assert_eq!(images(&ground).len(), 5);
}

#[test]
fn keeps_the_image_of_a_running_container_that_no_config_names() {
    let Some(ground) = ground() else { return };
    ground.image("probe");
    ground.container("arguments: [report, sleep]");
    ground.processes("web: { image: probe, config: /config/web.yaml }");
    let tree = ground.start();
    tree.result("shop/web.0", "report");
    ground.processes("web: { image: v5, config: /config/web.yaml }");
    // The history is gone, but for one entry that says otherwise.
    fs::remove_dir_all(ground.path("log/config")).unwrap();
    log(&ground, "shop", 0, "v5");
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["probe", "v5"]);
}

#[test]
fn keeps_everything_if_a_record_is_torn() {
    let Some(ground) = ground() else { return };
    ground.write("run/state/other/web.0/record.json", "{");
    refuses(&ground, "the record of other/web.0 cannot be read");
}

#[test]
fn keeps_everything_of_a_sandbox_without_a_history() {
    let Some(ground) = ground() else { return };
    fs::remove_dir_all(ground.path("log/config")).unwrap();
    refuses(&ground, "sandbox shop: there is no history");
}

#[test]
fn keeps_everything_of_a_sandbox_whose_log_is_broken() {
    let Some(ground) = ground() else { return };
    let path = ground.path("log/config/shop.log");
    let whole = fs::read_to_string(&path).unwrap();
    for broken in [
        format!("{whole}2026-11-2"),
        whole.replace("image", "picture"),
    ] {
        fs::write(&path, broken).unwrap();
        refuses(&ground, "shop.log h");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses(&ground, "sandbox shop: cannot read");
}

#[test]
fn keeps_everything_if_a_config_is_broken() {
    let Some(ground) = ground() else { return };
    let good = "web: { image: v5, config: /config/web.yaml }";
    for broken in [
        "[",
        "web: { image: v5 }",
        "web: { image: v5, config: /c, colour: red }",
    ] {
        ground.processes(broken);
        refuses(&ground, "sandbox shop: ");
    }
    fs::remove_file(ground.path("processes/shop.yaml")).unwrap();
    refuses(&ground, "sandbox shop: ");
    ground.processes(good);
    ground.write("sandboxes/other.yaml", "image-dir: [");
    refuses(&ground, "sandbox other: ");
}

#[test]
fn a_sandbox_that_cannot_be_told_of_does_not_keep_the_images_of_another() {
    let Some(ground) = ground() else { return };
    ground.write("elsewhere/w1/file", "");
    ground.sandbox_named("other", "");
    let text = fs::read_to_string(ground.path("sandboxes/other.yaml")).unwrap();
    ground.write(
        "sandboxes/other.yaml",
        text.replace("/images", "/elsewhere"),
    );
    ground.write("processes/other.yaml", "[");
    let output = clean_most(&ground);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("sandbox other: "));
    assert_eq!(images(&ground), ["v5"]);
    assert!(ground.path("elsewhere/w1/file").exists());
}

#[test]
fn what_another_sandbox_uses_in_the_same_directory_is_kept() {
    let Some(ground) = ground() else { return };
    ground.sandbox_named("other", "");
    ground.write(
        "processes/other.yaml",
        "web: { image: v2, config: /config/web.yaml }",
    );
    log(&ground, "other", 0, "v3");
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["v2", "v3", "v5"]);
}

#[test]
fn respects_auto_clean_and_the_list_of_used_images() {
    let Some(ground) = ground() else { return };
    let list = ground.write("list", "v1\n\n v2 \n");
    ground.sandbox(&format!(
        "used-images-list: {}\nauto-clean: false",
        list.display()
    ));
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground).len(), 5);
    ground.sandbox(&format!("used-images-list: {}", list.display()));
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["v1", "v2", "v5"]);
    fs::remove_file(list).unwrap();
    refuses(&ground, "cannot read");
}

#[test]
fn follows_no_symlink() {
    let Some(ground) = ground() else { return };
    ground.write("outside/precious", "text");
    symlink(ground.path("outside"), ground.path("images/link")).unwrap();
    symlink(ground.path("outside"), ground.path("images/v1/data/link")).unwrap();
    symlink("/", ground.path("images/v1/root")).unwrap();
    // An image in use may itself be a symlink to another.
    symlink("v2", ground.path("images/current")).unwrap();
    ground.processes("web: { image: current, config: /config/web.yaml }");
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["current", "link", "v2", "v5"]);
    assert!(ground.path("outside/precious").exists());
}

#[test]
fn deletes_nothing_of_an_image_in_which_something_is_mounted() {
    use rustix::mount::{UnmountFlags, mount_bind, unmount};
    let Some(ground) = ground() else { return };
    ground.write("outside/precious", "text");
    ground.write("images/v1/a/file", "text");
    ground.write("images/v1/z/file", "text");
    ground.write("images/v1/z/hosts", "");
    for (mounted, on) in [("outside", "data/inner"), ("outside/precious", "z/hosts")] {
        let on = ground.path(&format!("images/v1/{on}"));
        mount_bind(ground.path(mounted), &on).unwrap();
        let before = crate::tree::files_below(&ground.path("images/v1"));
        let output = clean_most(&ground);
        let after = crate::tree::files_below(&ground.path("images/v1"));
        unmount(&on, UnmountFlags::DETACH).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("images/v1: "), "{}", said(&output));
        assert_eq!(after, before);
        assert!(ground.path("outside/precious").exists());
    }
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["v5"]);
}

/// A hostile image could have them so that whoever goes down crashes.
#[test]
fn an_image_of_too_deep_directories_keeps_none_of_the_others() {
    let Some(ground) = ground() else { return };
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let mut dir: OwnedFd = fs::File::open(ground.path("images/v1")).unwrap().into();
    for _ in 0..3000 {
        mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = openat(&dir, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let output = clean_most(&ground);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("v1: its directories are nested too deep"),
        "{}",
        said(&output)
    );
    assert_eq!(images(&ground), ["v1", "v5"]);
    let removed = Command::new("rm")
        .arg("-r")
        .arg(ground.path("images/v1"))
        .status();
    assert!(removed.unwrap().success());
}

#[test]
fn images_have_as_many_components_as_image_dir_levels_says() {
    let Some(ground) = Ground::new() else { return };
    for image in ["web/v1", "web/v2", "job/v1"] {
        ground.write(&format!("images/{image}/file"), "");
    }
    ground.sandbox("image-dir-levels: 2");
    ground.processes("web: { image: web/v2, config: /config/web.yaml }");
    fs::remove_dir_all(ground.path("images/probe")).unwrap();
    log(&ground, "shop", 1, "web/v2");
    assert!(clean_most(&ground).status.success());
    assert_eq!(images(&ground), ["job", "web"]);
    assert!(ground.path("images/web/v2/file").exists());
    assert!(!ground.path("images/web/v1").exists() && !ground.path("images/job/v1").exists());
}

#[test]
fn deletes_old_logs_of_sandboxes_that_are_gone_only() {
    let Some(ground) = ground() else { return };
    log(&ground, "gone", 9, "v1");
    log(&ground, "lately", 9, "v1");
    ground.write("log/config/notes.txt", "");
    let path = ground.path("log/config/gone.log");
    let old = fs::File::options().append(true).open(path).unwrap();
    old.set_modified(SystemTime::now() - DAY * 9).unwrap();
    let output = clean(&ground, &["--clean-logs"]);
    assert!(output.status.success(), "{}", said(&output));
    let left = crate::tree::files_below(&ground.path("log/config"));
    assert!(left.contains(&"lately.log".to_owned()) && left.contains(&"shop.log".to_owned()));
    assert!(left.contains(&"notes.txt".to_owned()) && !left.contains(&"gone.log".to_owned()));
}

#[test]
fn refuses_a_wrong_command_line_with_2_and_a_broken_master_config_with_1() {
    let Some(ground) = ground() else { return };
    for args in [
        &[][..],
        &["--unused", "--keep-recent", "x"],
        &["--delete-unused", "more"],
        &["--used", "--versions-min", "3", "--versions-max", "2"],
    ] {
        assert_eq!(clean(&ground, args).status.code(), Some(2), "{args:?}");
    }
    ground.write("master.yaml", "colour: red");
    refuses(&ground, "colour");
}
