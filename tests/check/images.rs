//! Images that are not as they should be.

use std::fs;
use std::os::unix::fs::symlink;

use crate::stage::Stage;

fn replace_config(stage: &Stage) -> std::path::PathBuf {
    let config = stage.path("images/web/config/web.yaml");
    fs::remove_file(&config).unwrap();
    config
}

#[test]
fn refuses_a_missing_image() {
    let stage = Stage::new();
    fs::remove_dir_all(stage.path("images/web")).unwrap();
    stage.refused("the image cannot be opened");
}

#[test]
fn refuses_a_missing_config() {
    let stage = Stage::new();
    replace_config(&stage);
    stage.refused("there is no such file in the image");
}

#[test]
fn refuses_a_directory_in_place_of_a_config() {
    let stage = Stage::new();
    fs::create_dir(replace_config(&stage)).unwrap();
    stage.refused("it is a directory");
}

#[test]
fn refuses_a_fifo_in_place_of_a_config() {
    let stage = Stage::new();
    let config = replace_config(&stage);
    nix::unistd::mkfifo(&config, nix::sys::stat::Mode::S_IRWXU).unwrap();
    stage.refused("it is a FIFO");
}

#[test]
fn refuses_a_config_that_leads_out_of_the_image() {
    let stage = Stage::new();
    let outside = stage.path("outside.yaml");
    fs::copy(stage.path("images/web/config/web.yaml"), &outside).unwrap();
    for target in [outside.to_str().unwrap(), "../../../outside.yaml"] {
        symlink(target, replace_config(&stage)).unwrap();
        stage.refused("leads out of the image");
    }
}

#[test]
fn follows_a_link_within_the_image() {
    let stage = Stage::new();
    let config = replace_config(&stage);
    stage.write(
        "images/web/config/real.yaml",
        "executable: /bin/web\nuser-id: 1000\n",
    );
    symlink("/config/real.yaml", config).unwrap();
    stage.refused("group 0 is not among the `allow-groups`");
}

#[test]
fn refuses_a_missing_executable_and_mount_points() {
    let stage = Stage::new();
    fs::remove_file(stage.path("images/web/bin/web")).unwrap();
    fs::remove_dir(stage.path("images/web/proc")).unwrap();
    fs::remove_dir(stage.path("images/web/data")).unwrap();
    stage.container("volumes: { /data: !Readonly /data }\n");
    stage.refused("the image has no directory /proc to mount on");
    let outcome = stage.refused("the mount point /data does not exist in the image");
    let hint = format!("mkdir {}", stage.path("images/web/data").display());
    assert!(outcome.stderr.contains(&hint), "{}", outcome.stderr);
    fs::create_dir(stage.path("images/web/proc")).unwrap();
    fs::create_dir(stage.path("images/web/data")).unwrap();
    stage.refused("cannot execute /bin/web: it does not exist");
}

#[test]
fn refuses_a_volume_that_leads_out_of_its_directory() {
    let stage = Stage::new();
    symlink("/etc", stage.path("data/etc")).unwrap();
    stage.container("volumes: { /data: !Readonly /data/etc }\n");
    stage.refused("leads out of");
    stage.container("volumes: { /data: !Readonly /data }\n");
    stage.accepted();
}

#[test]
fn refuses_volumes_that_are_not_the_sandboxs() {
    let stage = Stage::new();
    stage.container("volumes: { /data: !Readonly /etc }\n");
    stage.refused("/etc is not at or under any of the sandbox's `readonly-paths`");
    stage.container("volumes: { /data: !Persistent /data }\n");
    stage.refused("/data is in the sandbox's `readonly-paths` only");
}

#[test]
fn refuses_a_forbidden_user() {
    let stage = Stage::new();
    stage.write(
        "images/web/config/web.yaml",
        "executable: /bin/web\nuser-id: 0\n",
    );
    stage.refused("user 0 is not among the `allow-users` of the sandbox (1000)");
}

#[test]
fn what_cannot_be_read_is_told_with_the_line_that_asks_for_it() {
    let stage = Stage::new();
    stage.container("secret-environ-file: nowhere.yaml\n");
    let told = stage.refused("nowhere.yaml: there is no such file in the image");
    assert!(told.stderr.contains("web.yaml:4:22"), "{}", told.stderr);
    stage.container("");
    stage.write(
        "etc/processes/shop.yaml",
        "web:\n  image: gone\n  config: /config/web.yaml\n",
    );
    let told = stage.refused("the image cannot be opened: no such file or directory");
    assert!(told.stderr.contains("shop.yaml:3:11"), "{}", told.stderr);
}

#[test]
fn a_secrets_file_that_is_not_text_is_told_where_it_is_not() {
    let stage = Stage::new();
    stage.container("secret-environ-file: secrets.yaml\n");
    let file = stage.path("images/web/config/secrets.yaml");
    fs::write(file, b"# of shop\nA: hunter\xe9\n").unwrap();
    let told = stage.refused("it is not UTF-8 text").stderr;
    assert!(told.contains("secrets.yaml:2:10"), "{told}");
    assert!(!told.contains("hunter"), "{told}");
}

#[test]
fn a_number_of_instances_above_the_ceiling_harms_nobody() {
    let stage = Stage::new();
    stage.write(
        "etc/processes/shop.yaml",
        "web: { image: web, config: /config/web.yaml, instances: 4294967295 }\n",
    );
    stage.refused("above the sandbox's ceiling of 1000");
}

#[test]
fn what_the_processs_own_user_cannot_execute_is_refused() {
    let stage = Stage::new();
    stage.mode("images/web/bin", 0o700);
    stage.refused("user 1000 and group 1000 may not go through /bin (mode 0700");
    stage.mode("images/web/bin", 0o755);
    stage.mode("images/web/bin/web", 0o744);
    stage.refused("may not execute /bin/web (mode 0744");
    stage.write("images/web/bin/web", "#!/bin/missing -x\n");
    stage.mode("images/web/bin/web", 0o755);
    stage.refused("cannot execute the interpreter /bin/missing of /bin/web: it does not exist");
    stage.write("images/web/bin/web", "echo hello\n");
    stage.refused("/bin/web is neither a program nor a script");
}
