//! Real programs that read their passwords from where lithos puts them.

use std::fs;
use std::process::Command;

use crate::descriptors::free_port;
use crate::ground::Ground;
use crate::real_programs::{lacks, with_usr};

const PASSWORD: &str = "mGv7Qk2xWz9LrTb4";

/// What the real client is answered.
fn ping(port: u16, password: Option<&str>) -> String {
    let mut client = Command::new("redis-cli");
    client.args(["--no-auth-warning", "-p", &port.to_string()]);
    client.args(password.iter().flat_map(|password| ["-a", password]));
    let output = client.arg("ping").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Debian's Redis with these lines in its container config, in which `PORT` and
/// `TOKEN` are replaced, the latter by `secret` sealed. It must want the password.
fn expect_redis_to_want_it(lines: &str, secret: &str) {
    let Some(ground) = Ground::new() else { return };
    if lacks("/usr/bin/redis-server") || lacks("/usr/bin/redis-cli") {
        return;
    }
    let port = free_port();
    with_usr(&ground, "probe");
    fs::create_dir_all(ground.path("images/probe/run/secrets")).unwrap();
    ground.sandbox(
        "allow-exec-volumes: true\nreadonly-paths: { /usr: /usr }\nallow-tcp-ports: [1-65535]",
    );
    let token = ground.seal("alpha", "", secret);
    let lines = lines
        .replace("PORT", &port.to_string())
        .replace("TOKEN", &token);
    ground.container(&format!(
        "executable: /usr/bin/redis-server\nworkdir: /tmp\n\
         volumes: {{ /usr: !Readonly /usr, /tmp: !Tmpfs {{ size: 10Mi }} }}\n{lines}"
    ));
    let tree = ground.start();
    tree.wait("an answer of Redis", || {
        (ping(port, Some(PASSWORD)) == "PONG\n").then_some(())
    });
    for other in [None, Some("another")] {
        let answer = ping(port, other);
        assert!(
            answer.contains("NOAUTH") || answer.contains("WRONGPASS"),
            "{answer}"
        );
    }
}

#[test]
fn redis_reads_its_users_from_a_file_of_secrets() {
    expect_redis_to_want_it(
        "arguments: [--port, 'PORT', --aclfile, /run/secrets/users.acl]\n\
         secret-files: { users.acl: 'TOKEN' }",
        &format!("user default on >{PASSWORD} ~* &* +@all\n"),
    );
}

#[test]
fn redis_reads_its_password_from_a_template() {
    expect_redis_to_want_it(
        "arguments: [/run/secrets/redis.conf]\nsecret-environ: { PASSWORD: 'TOKEN' }\n\
         secret-templates:\n  redis.conf: |\n    port PORT\n    requirepass \"@{secret:PASSWORD}\"\n",
        PASSWORD,
    );
}

#[test]
fn a_program_made_for_credentials_of_systemd_finds_its_own() {
    let program = "/usr/bin/systemd-creds";
    let Some(ground) = Ground::new() else { return };
    if lacks(program) {
        return;
    }
    with_usr(&ground, "probe");
    fs::create_dir_all(ground.path("images/probe/run/secrets")).unwrap();
    ground.sandbox("allow-exec-volumes: true\nreadonly-paths: { /usr: /usr }");
    let token = ground.seal("alpha", "", PASSWORD);
    ground.container(&format!(
        "executable: {program}\narguments: [cat, db-password]\nrestart-timeout: 3600\n\
         volumes: {{ /usr: !Readonly /usr }}\nsecret-files: {{ db-password: {token} }}"
    ));
    let tree = ground.start();
    let log = || fs::read_to_string(ground.path("log/stdio/shop.log")).unwrap_or_default();
    tree.wait("its password", || log().contains(PASSWORD).then_some(()));
}
