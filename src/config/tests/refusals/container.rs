//! Container configs.

use super::super::{source, told};
use super::each;
use crate::config::container::read_container;

#[test]
fn refuses_what_breaks_a_rule_of_a_container_config() {
    each(
        "container",
        &[
            ("kind: Deamon", "did you mean Daemon?"),
            ("arguments: x", "found a single value"),
            ("arguments: [[x]]", "expected a text, found a list"),
            ("arguments: [~]", "expected a text, found nothing"),
            (
                "environ: { 'A=B': x }",
                "2:12: a variable's name cannot be empty or hold `=`",
            ),
            ("environ: { '': x }", "a variable's name cannot be empty"),
            ("environ: { A: }", "expected a text, found nothing"),
            ("environ: { \"A\\0\": x }", "NUL"),
            (
                "secret-environ: { A: 7 }",
                "expected a token or a list of tokens, found a number",
            ),
            (
                "secret-environ: { A: [7] }",
                "expected a token, found a number",
            ),
            (
                "secret-environ: { A: [] }",
                "a list of tokens cannot be empty",
            ),
            (
                "secret-environ: [A]",
                "expected a mapping of variable to token, found a list",
            ),
            (
                "secret-environ: { 'A=': x }",
                "a variable's name cannot be empty",
            ),
            (
                "environ: { A: x }\nsecret-environ: { A: y }",
                "3:19: this variable stands in `environ` too",
            ),
            (
                "secret-environ: { A: x }\nsecret-environ-file: f",
                "3:1: `secret-environ-file` excludes",
            ),
            ("secret-environ-file: ''", "a path cannot be empty"),
            (
                "secret-environ: { A: { value: x, values: y } }",
                "2:34: unknown key; known are value, description",
            ),
            ("secret-environ: { A: {} }", "`value` is missing"),
            (
                "secret-environ: { A: { value: [] } }",
                "a list of tokens cannot be empty",
            ),
            (
                "secret-environ: { A: { value: x, type: pasword } }",
                "expected one of password, api-key",
            ),
            (
                "secret-environ: { A: { value: x, expires: 2027-02-30 } }",
                "expected a day such as 2027-01-31",
            ),
            (
                "secret-environ: { A: { value: x, transform: md5 } }",
                "expected `yescrypt` or `dotenv`",
            ),
            (
                "secret-environ: { A: { value: x, transform: dotenv } }",
                "`dotenv` needs `variables`",
            ),
            (
                "secret-environ: { A: { value: x, variables: [B] } }",
                "only `transform: dotenv` has `variables`",
            ),
            (
                "secret-environ: { A: { value: x, transform: dotenv, variables: [] } }",
                "`variables` cannot be empty",
            ),
            (
                "secret-environ: { A: { value: x, transform: dotenv, variables: [B, B] } }",
                "a variable is named twice",
            ),
            (
                "secret-environ: { A: { value: x, transform: dotenv, variables: [7B] } }",
                "a variable's name holds only letters",
            ),
            (
                "secret-environ: { A: { value: x, mode: 0400 } }",
                "unknown key; known are value",
            ),
            (
                "secret-files: { A: { value: x, transform: dotenv, variables: [B] } }",
                "`dotenv` makes variables, not a file",
            ),
            (
                "secret-files: { A: { value: x, mode: 0o600 } }",
                "its mode is within 0444",
            ),
            ("secret-files: { ../A: x }", "holds no `.`, `..`"),
            ("secret-files: { '': x }", "holds no `.`, `..`"),
            ("secret-files: { /a//b: x }", "holds no `.`, `..`"),
            (
                "secret-files: { A: x, /run/secrets/A: y }",
                "this file is given twice",
            ),
            ("secret-files: { A: 7 }", "expected a token"),
            (
                "secret-templates: { A: '@{secret:B' }",
                "a `@{secret:` has no `}`",
            ),
            (
                "secret-templates: { A: { mode: 0o400 } }",
                "`text` is missing",
            ),
            ("no-default-secrets: maybe", "expected `true` or `false`"),
            ("workdir: srv", "must be absolute"),
            ("user-id: -1", "it is negative"),
            ("group-id: 4294967295", "at most 4294967294"),
            (
                "gid-map: [{ inside: 0, outside: 0, count: 0 }]",
                "at least 1",
            ),
            ("memory-limit: 0", "at least 1"),
            ("memory-high: 0", "at least 1"),
            ("pids-limit: 0", "at least 1"),
            ("cpu-limit: 0", "at least 0.01"),
            ("cpu-limit: 0.009", "at least 0.01"),
            ("cpu-limit: 10001", "at most 10000"),
            ("cpu-limit: -1", "it is negative"),
            ("cpu-limit: 2s", "a number of cores such as 1.5"),
            ("cpu-limit: .5", "a number of cores such as 1.5"),
            ("memory-limit: 99999999T", "it is too large"),
            (
                "memory-limit: 0100",
                "a leading zero may or may not mean octal (write",
            ),
            ("cpu-shares: 0", "at least 1"),
            ("fileno-limit: 0", "at least 1"),
            ("restart-timeout: 86401", "at most 86400 seconds"),
            ("restart-timeout: -1", "it is negative"),
            ("restart-timeout-max: 86401", "at most 86400 seconds"),
            (
                "restart-timeout: 5\nrestart-timeout-max: 4",
                "3:22: this must not be below `restart-timeout`",
            ),
            ("kill-timeout: 5x", "its unit is unknown"),
            ("kill-timeout: .inf", "its unit is unknown"),
            ("restart-process-only: 1", "`true` or `false`"),
            ("normal-exit-codes: [256]", "at most 255"),
            ("normal-exit-codes: 0", "found a single value"),
            (
                "interactive: true",
                "2:1: only a command can be interactive",
            ),
            ("stdout-stderr-file: log", "must be absolute"),
            (
                "resolv-conf: { mount: maybe }",
                "expected one of auto, true, false",
            ),
            (
                "resolv-conf: { localhost: true }",
                "unknown key `localhost`",
            ),
            ("resolv-conf: /etc/x", "expected a mapping, found a text"),
            (
                "hosts-file: { public-hostname: 7 }",
                "expected one of auto, true, false",
            ),
        ],
    );
    let missing = told(read_container(&source("kind: Daemon")));
    assert_eq!(missing, ["test.yaml:1:1: `executable` is missing"]);
    let relative = told(read_container(&source("executable: bin/x")));
    assert_eq!(relative, ["test.yaml:1:13: this path must be absolute"]);
    each(
        "secrets",
        &[
            ("A: [x, 7]", "expected a token"),
            ("A:", "expected a token"),
        ],
    );
}

#[test]
fn refuses_what_breaks_a_rule_of_volumes() {
    each(
        "container",
        &[
            ("volumes: { a: !Readonly /b }", "must be absolute"),
            (
                "volumes: { /: !Readonly /b }",
                "the image itself is mounted at `/`",
            ),
            ("volumes: { /a/../b: !Readonly /b }", "cannot hold `..`"),
            (
                "volumes: { /a: !Readonly /b, /a/: !Readonly /c }",
                "this is given twice",
            ),
            (
                "volumes: { /a: /b }",
                "expected one of !Readonly, !Persistent, !Tmpfs, !Statedir, found a text",
            ),
            (
                "volumes: { /a: !readonly /b }",
                "unknown tag `readonly`, did you mean `Readonly`?",
            ),
            ("volumes: { /a: !Readonly b }", "must be absolute"),
            ("volumes: { /a: !Readonly /b/../c }", "cannot hold `..`"),
            (
                "volumes: { /a: !Readonly }",
                "expected an absolute path, found nothing",
            ),
            (
                "volumes: { /a: !Persistent { mkdir: true } }",
                "`path` is missing",
            ),
            (
                "volumes: { /a: !Persistent { path: /b, mode: 755 } }",
                "a mode is an octal number (write",
            ),
            (
                "volumes: { /a: !Persistent { path: /b, mode: 0755 } }",
                "leading zero",
            ),
            (
                "volumes: { /a: !Persistent { path: /b, mode: 0o10000 } }",
                "it is too large",
            ),
            (
                "volumes: { /a: !Persistent { path: /b, user: -1 } }",
                "it is negative",
            ),
            ("volumes: { /a: !Tmpfs { size: 0 } }", "at least 1"),
            ("volumes: { /a: !Tmpfs /b }", "expected a mapping such as"),
            ("volumes: { /a: !Tmpfs { user: 0 } }", "unknown key `user`"),
            ("volumes: { /a: !Statedir { path: b } }", "must be absolute"),
            (
                "volumes: { /a: !Statedir { mkdir: true } }",
                "unknown key `mkdir`",
            ),
            (
                "volumes: [a]",
                "expected a mapping of mount point to volume",
            ),
        ],
    );
}

#[test]
fn refuses_what_breaks_a_rule_of_ports_and_variables() {
    each(
        "container",
        &[
            (
                "tcp-ports: { 0: { fd: 3 } }",
                "a port is a number from 1 to 65535",
            ),
            ("tcp-ports: { 65536: { fd: 3 } }", "a port is a number"),
            ("tcp-ports: { 080: { fd: 3 } }", "a port is a number"),
            ("tcp-ports: { http: { fd: 3 } }", "a port is a number"),
            ("tcp-ports: { 80: {} }", "`fd` is missing"),
            (
                "tcp-ports: { 80: { fd: 1 } }",
                "1 and 2 are stdout and stderr",
            ),
            (
                "tcp-ports: { 80: { fd: 2 } }",
                "1 and 2 are stdout and stderr",
            ),
            ("tcp-ports: { 80: { fd: 1024 } }", "beyond `fileno-limit`"),
            (
                "tcp-ports: { 80: { fd: 3 }, 81: { fd: 3 } }",
                "another port has the same `fd`",
            ),
            (
                "tcp-ports: { 80: { fd: 3, host: localhost } }",
                "this is no IP address",
            ),
            (
                "tcp-ports: { 80: { fd: 3, listen-backlog: 2147483648 } }",
                "at most",
            ),
            (
                "tcp-ports: { 80: { fd: 3, reuse-prot: true } }",
                "did you mean `reuse-port`?",
            ),
            ("tcp-ports: [80]", "expected a mapping of port to socket"),
            ("variables: { a: TcpPort }", "expected one of !TcpPort"),
            (
                "variables: { a: !TcpProt }",
                "unknown tag `TcpProt`, did you mean `TcpPort`?",
            ),
            (
                "variables: { a: !TcpPort { activation: inetd } }",
                "expected one of systemd",
            ),
            (
                "variables: { a: !TcpPort 80 }",
                "expected nothing, or { activation: systemd }",
            ),
            (
                "variables: { a: !Choice [] }",
                "there is nothing to choose from",
            ),
            ("variables: { a: !Choice b }", "found a single value"),
            ("variables: { a: !Name b }", "nothing may follow this tag"),
            (
                "variables: { a: !DottedName [b] }",
                "nothing may follow this tag",
            ),
            (
                "variables: { 'lithos:name': !Name }",
                "a variable's name holds only",
            ),
            ("variables: { '': !Name }", "a variable's name holds only"),
        ],
    );
}

#[test]
fn refuses_what_clashes_with_systemd_activation() {
    let activation =
        "variables: { b: !TcpPort { activation: systemd }, a: !TcpPort { activation: systemd } }";
    let with = |text: &str| format!("{activation}\n{text}");
    for (text, expected) in [
        (
            "tcp-ports: { 80: { fd: 3 } }",
            "one of those of systemd activation",
        ),
        (
            "tcp-ports: { 80: { fd: 4 } }",
            "one of those of systemd activation",
        ),
        (
            "environ: { LISTEN_FDS: 1 }",
            "3:12: this variable is set by systemd activation",
        ),
        ("environ: { LISTEN_PID: 1 }", "set by systemd activation"),
        (
            "secret-environ: { LISTEN_FDNAMES: x }",
            "set by systemd activation",
        ),
    ] {
        each("container", &[(&with(text), expected)]);
    }
    for good in [
        "tcp-ports: { 80: { fd: 5 } }",
        "tcp-ports: { 80: { fd: 0 } }",
    ] {
        let text = format!("executable: /x\n{}", with(good));
        assert_eq!(read_container(&source(&text)).1, []);
    }
    assert_eq!(
        read_container(&source("executable: /x\nenviron: { LISTEN_FDS: 1 }")).1,
        []
    );
}
