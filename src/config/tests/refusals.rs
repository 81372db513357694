//! One rule, one document that is refused by it.

use super::{source, told};
use crate::config::container::{read_container, read_secrets_file};
use crate::config::master::read_master;
use crate::config::process::read_processes;
use crate::config::sandbox::read_sandbox;
use crate::problem::Problem;

/// Each document has exactly one problem, which reads like this.
fn each(kind: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let told = match kind {
            "master" => told(read_master(&source(text))),
            "sandbox" => told(read_sandbox(&source(text))),
            "secrets" => told(read_secrets_file(&source(text))),
            "process" => {
                let text = format!("p:\n  image: a\n  config: /a\n{text}");
                let (processes, problems) = read_processes(&source(&text));
                assert!(processes.unwrap().values().any(Option::is_none), "{text}");
                problems.iter().map(ToString::to_string).collect()
            }
            _ => told(read_container(&source(&format!("executable: /x\n{text}")))),
        };
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].contains(expected), "{text}: {}", told[0]);
    }
}

#[test]
fn refuses_what_breaks_a_rule_of_every_document() {
    each(
        "master",
        &[
            ("foo: 1", "1:1: unknown key `foo`"),
            (
                "log_fiel: x",
                "unknown key `log_fiel`, did you mean `log-file`?",
            ),
            ("log-file: a\nlog-file: b", "2:1: a key is given twice"),
            (
                "log-file: a\nlog_file: b",
                "2:1: `log-file` is given twice (kebab-case and",
            ),
            ("- a", "1:1: expected a mapping, found a list"),
            ("text", "expected a mapping, found a text"),
            ("? [a]\n: b", "a key must be a text or a number"),
            ("? {a: b}\n: c", "a key must be a text or a number"),
            (
                "a: 1\n---\nb: 2",
                "3:1: more than one YAML document in one file",
            ),
            (
                "a: 1\n--- !Tag [b]",
                "2:5: more than one YAML document in one file",
            ),
            (
                "a: 1\n---\n",
                "3:1: more than one YAML document in one file",
            ),
            (
                "a: 1\n b: 2",
                "2:3: not YAML: mapping values are not allowed",
            ),
            ("a: [", "not YAML: did not find expected node content"),
            (
                "log-file:\n\t- a",
                "2:1: not YAML: found character that cannot start any token (indent",
            ),
            ("a: *b", "1:4: not YAML: unknown anchor"),
            (
                "log-file: \"a\\0b\"",
                "1:11: a text cannot hold the character NUL",
            ),
            (
                "log-file: a\u{7}b",
                "1:12: a control character is not allowed",
            ),
            ("log-file: !!int x", "not YAML"),
            ("log-file: [a]", "1:11: expected a path, found a list"),
            ("log-file: {a: b}", "expected a path, found a mapping"),
            (
                "log-file: !Tag a",
                "expected a path, found a value with a tag",
            ),
            (
                "log-file:",
                "1:10: expected a path, found nothing (leave the key out",
            ),
            (
                "cgroup-controllers: cpu",
                "expected a list of controllers, found a single value",
            ),
        ],
    );
}

#[test]
fn refuses_what_breaks_a_rule_of_the_confinement() {
    each(
        "sandbox",
        &[
            (
                "capabilities: [NET_ADMN]",
                "1:16: unknown capability `NET_ADMN`, did you mean `NET_ADMIN`?",
            ),
            ("capabilities: CHOWN", "expected a list of capabilities"),
            (
                "capabilities: [[CHOWN]]",
                "expected the name of a capability",
            ),
            (
                "seccomp: off",
                "expected `default`, `unconfined` or { allow",
            ),
            (
                "seccomp: [ptrace]",
                "expected `default`, `unconfined` or { allow",
            ),
            ("seccomp: {}", "`allow` is missing"),
            (
                "seccomp: { deny: [ptrace], allow: [] }",
                "unknown key `deny`",
            ),
            (
                "seccomp: { allow: [ptrce] }",
                "unknown system call `ptrce`, did you mean `ptrace`?",
            ),
            ("no-new-privileges: 1", "expected `true` or `false`"),
            ("allow-exec-volumes: [/db]", "expected `true` or `false`"),
            ("landlock: on", "expected one of auto, off"),
            ("rlimits: [core]", "expected a mapping of resource to limit"),
            (
                "rlimits: { nprocs: 1 }",
                "unknown resource `nprocs`, did you mean `nproc`?",
            ),
            (
                "rlimits: { nofile: 1 }",
                "open files are limited elsewhere (set `limits: { fileno }`",
            ),
            ("rlimits: { core: 0 }", "this must be at least 1"),
            ("rlimits: { nice: 41 }", "this must be at most 40"),
            ("rlimits: { rtprio: unlimited }", "this must be at most 99"),
            ("rlimits: { as: much }", "expected an integer"),
        ],
    );
    each(
        "container",
        &[
            ("capabilities: [CHOWN]", "unknown key `capabilities`"),
            ("seccomp: unconfined", "unknown key `seccomp`"),
            (
                "no-new-privileges: false",
                "unknown key `no-new-privileges`",
            ),
            (
                "allow-exec-volumes: true",
                "unknown key `allow-exec-volumes`",
            ),
            ("rlimits: { core: unlimited }", "unknown key `rlimits`"),
            ("landlock: off", "unknown key `landlock`"),
        ],
    );
}

#[test]
fn refuses_what_breaks_a_rule_of_the_master_config() {
    each(
        "master",
        &[
            ("runtime-dir: run", "this path must be absolute"),
            ("runtime-dir: /run/../x", "a path cannot hold `..` here"),
            ("state-dir: /state", "this path must be relative"),
            ("state-dir: ../state", "a path cannot hold `..` here"),
            ("mount-dir: .", "this path names nothing"),
            ("mount-dir: ''", "this path names nothing"),
            ("sandboxes-dir: ''", "a path cannot be empty"),
            ("devfs-dir: dev", "must be absolute"),
            ("default-log-dir: log", "must be absolute"),
            ("config-log-dir: log", "must be absolute"),
            ("stdio-log-dir: log", "must be absolute"),
            ("cgroup-name: /x", "this path must be relative"),
            ("cgroup-name: ../x", "cannot hold `..`"),
            (
                "cgroup-controllers: [cpu, disk]",
                "1:27: expected one of cpu, memory, pids",
            ),
            (
                "log-level: wran",
                "expected one of error, warn, info, debug, trace, off (did you mean warn?)",
            ),
            ("syslog-facility: local8", "did you mean local0?"),
            ("metrics-listen: localhost", "this is no address and port"),
            ("metrics-listen: 127.0.0.1:0", "this is no address and port"),
            ("syslog-app-name: 'a b'", "1 to 48 printable"),
            (
                "syslog-app-name: a\nsyslog-name: b",
                "`syslog-app-name` is given twice (`syslog-name` is the same key",
            ),
        ],
    );
}

#[test]
fn refuses_what_breaks_a_rule_of_a_sandbox_config() {
    each(
        "sandbox",
        &[
            ("image-dir: images", "must be absolute"),
            ("image-dir-levels: 0", "at least 1"),
            ("image-dir-levels: 17", "at most 16"),
            ("used-images-list: x", "must be absolute"),
            (
                "auto-clean: yes",
                "expected `true` or `false`, found a text",
            ),
            ("auto-clean: 1", "expected `true` or `false`"),
            (
                "readonly-paths: { a: /b }",
                "1:19: this path must be absolute",
            ),
            (
                "readonly-paths: { /a: b }",
                "1:23: this path must be absolute",
            ),
            ("writable-paths: { /a/..: /b }", "cannot hold `..`"),
            (
                "writable-paths: { /a: /b, /a/: /c }",
                "1:27: this is given twice",
            ),
            (
                "allow-users: 7",
                "found a single value (a list is written in brackets: [ … ])",
            ),
            ("allow-users: 1000-2000", "found a single value"),
            ("allow-users: [9-3]", "its first is greater than its last"),
            ("allow-users: [4294967295]", "within 0-4294967294"),
            ("allow-groups: [-1]", "it is negative"),
            ("default-user: root", "expected an integer"),
            ("default-group: 4294967295", "at most 4294967294"),
            ("allow-tcp-ports: [0]", "within 1-65535"),
            ("allow-tcp-ports: [60000-70000]", "within 1-65535"),
            ("limits: { memroy: 1 }", "did you mean `memory`?"),
            ("limits: { memory: 0 }", "at least 1"),
            ("limits: { cpu: 0 }", "at least 0.01"),
            ("limits: { kill-timeout: -1 }", "it is negative"),
            ("limits: { instances: 4294967296 }", "at most 4294967295"),
            (
                "additional-hosts: { 'a b': 1.1.1.1 }",
                "a host name holds only",
            ),
            ("additional-hosts: { a: b }", "this is no IP address"),
            (
                "user-namespace: false\nuid-map: [{inside: 0, outside: 0, count: 1}]",
                "2:1: an id map needs a user namespace",
            ),
            ("resolv-conf: x", "must be absolute"),
            (
                "hosts-file: { mount: true }",
                "expected an absolute path, found a mapping",
            ),
            ("secrets-private-key: key", "must be absolute"),
            (
                "secrets-private-key: [$CREDENTIALS_DIRECTORY/../key]",
                "names no file",
            ),
            (
                "secrets-private-key: $CREDENTIALS_DIRECTORY/",
                "names no file",
            ),
            ("secrets-namespaces: ['a b']", "a namespace holds only"),
            ("secrets-namespaces: shop", "found a single value"),
            (
                "allow-extra-secrets-namespaces: ['*']",
                "a namespace holds only",
            ),
        ],
    );
}

#[test]
fn refuses_what_breaks_a_rule_of_an_id_map() {
    each(
        "sandbox",
        &[
            ("uid-map: [{ inside: 0, outside: 0 }]", "`count` is missing"),
            (
                "uid-map: [{ inside: 0, outside: 0, count: 0 }]",
                "at least 1",
            ),
            (
                "gid-map: [{ inside: 0, outside: 0, cuont: 1, count: 1 }]",
                "did you mean `count`?",
            ),
            (
                "gid-map: [{ inside: 0, outside: 1, count: 4294967295 }]",
                "beyond the last id",
            ),
            (
                "gid-map: [{ inside: 7, outside: 0, count: 4294967290 }]",
                "beyond the last id",
            ),
            (
                "uid-map: [{inside: 0, outside: 0, count: 2}, {inside: 1, outside: 9, count: 1}]",
                "overlaps one before it",
            ),
            (
                "uid-map: [{inside: 0, outside: 5, count: 2}, {inside: 2, outside: 4, count: 2}]",
                "overlaps one before it",
            ),
            ("uid-map: 7", "found a single value"),
        ],
    );
    let lines = (0..341).map(|n| format!("- {{ inside: {n}, outside: {n}, count: 1 }}\n"));
    let text = format!("uid-map:\n{}", lines.collect::<String>());
    each("sandbox", &[(&text, "at most 340 lines")]);
    let widest = "uid-map: [{ inside: 0, outside: 0, count: 4294967295 }]";
    assert_eq!(read_sandbox(&source(widest)).1, []);
}

#[test]
fn refuses_what_breaks_a_rule_of_a_bridged_network() {
    let network = |text: &str| format!("bridged-network: {{ bridge: br0, {text} }}");
    for (text, expected) in [
        ("x: y", "`network` is missing"),
        (
            "network: 10.1.0.1/16",
            "bits set beyond the prefix (write the network's own",
        ),
        ("network: 10.1.0.0/33", "longer than the address"),
        ("network: 10.1.0.0", "not written as one"),
        (
            "network: 10.1.0.0/16, default-gateway: 10.2.0.1",
            "no address of a host",
        ),
        (
            "network: 10.1.0.0/16, default-gateway: 10.1.0.0",
            "no address of a host",
        ),
        (
            "network: 10.1.0.0/16, default-gateway: 10.1.255.255",
            "no address of a host",
        ),
        (
            "network: 10.1.0.0/16, default-gateway: 'fd00::1'",
            "no address of a host",
        ),
        (
            "network: 'fd00::/64', default-gateway: 'fd00::'",
            "no address of a host",
        ),
        (
            "network: 10.1.0.0/16, after-setup-command: [echo]",
            "must be absolute",
        ),
        (
            "network: 10.1.0.0/16, after-setup-command: /bin/x",
            "found a single value",
        ),
    ] {
        let text = network(text).replace(", x: y", "");
        each("sandbox", &[(&text, expected)]);
    }
    each(
        "sandbox",
        &[
            (
                "bridged-network: { network: 10.0.0.0/8 }",
                "`bridge` is missing",
            ),
            (
                "bridged-network: { bridge: a-very-long-name, network: 10.0.0.0/8 }",
                "1 to 15",
            ),
            (
                "bridged-network: { bridge: a/b, network: 10.0.0.0/8 }",
                "1 to 15",
            ),
            (
                "bridged-network: { bridge: .., network: 10.0.0.0/8 }",
                "1 to 15",
            ),
        ],
    );
    for good in [
        "network: 10.1.2.3/32, default-gateway: 10.1.2.3",
        "network: 10.1.2.2/31, default-gateway: 10.1.2.2",
        "network: 0.0.0.0/0, default-gateway: 10.1.2.2",
        "network: 'fd00::/64', default-gateway: 'fd00::1'",
    ] {
        assert_eq!(read_sandbox(&source(&network(good))).1, [], "{good}");
    }
}

#[test]
fn tells_each_problem_where_it_is() {
    let texts = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expect = |problems: &[Problem], expected: &[&str]| {
        let told = texts(problems);
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
    };
    let (_, master) = read_master(&source("syslog-app-name: 'a b'\nruntime-dri: /x\n"));
    expect(&master, &[":1:18: ", ":2:1: "]);
    let (_, item) = read_master(&source("cgroup-controllers: [cpu, ~]"));
    assert_eq!(item[0].hint, None, "it has no default");
    let (_, twice) = read_master(&source("log-file: a\nlog-file: b\nlog-file: c\n"));
    expect(&twice, &[":2:1: a key is given twice"]);
    let addresses = "ip-addresses: [10.0.0.1, 10.0.0.1, 10.0.0.2, 10.0.0.2]";
    let process = format!("p:\n  image: a\n  config: /a\n  {addresses}\n");
    let (_, problems) = read_processes(&source(&process));
    expect(&problems, &[":4:28: ", ":4:48: "]);
    let good = "p: { image: a, config: /a }\n";
    let others = "p: { image: a/../b, config: /a }\np: { image: a, config: a }\n";
    let (processes, problems) = read_processes(&source(&[good, others].concat()));
    expect(&problems, &[":2:1: a process is given twice"]);
    assert!(processes.unwrap().values().all(Option::is_none));
}

#[test]
fn refuses_what_breaks_a_rule_of_a_process_config() {
    each(
        "process",
        &[
            ("  kind: CommandOrDaemon", "expected one of Daemon, Command"),
            ("  kind: daemon", "did you mean Daemon?"),
            ("  instances: -1", "it is negative"),
            ("  instances: 4294967296", "at most"),
            (
                "  instnaces: 1",
                "4:3: unknown key `instnaces`, did you mean `instances`?",
            ),
            (
                "  variables: [a]",
                "expected a mapping of variable to value, found a list",
            ),
            ("  variables: { a: [b] }", "expected a text, found a list"),
            (
                "  ip-addresses: [10.0.0.1, 10.0.0.1]",
                "this address is given twice",
            ),
            ("  ip-addresses: [10.0.0]", "this is no IP address"),
            (
                "  extra-secrets-namespaces: ['a/b']",
                "a namespace holds only",
            ),
            ("q:\n  config: /a", "`image` is missing"),
            ("q:\n  image: a", "`config` is missing"),
            ("q: { image: a, config: b }", "must be absolute"),
            ("q: { image: a, config: /../b }", "cannot hold `..`"),
            (
                "q: { image: /a, config: /b }",
                "an image's name is a relative path",
            ),
            (
                "q: { image: a/../b, config: /b }",
                "an image's name is a relative path",
            ),
            (
                "q: { image: ./a, config: /b }",
                "an image's name is a relative path",
            ),
            (
                "q: { image: a//b, config: /b }",
                "an image's name is a relative path",
            ),
            (
                "q: { image: '', config: /b }",
                "an image's name is a relative path",
            ),
            ("q: 7", "expected a mapping, found a number"),
        ],
    );
    let (_, problems) = read_processes(&source("a b: { image: a, config: /a }"));
    assert!(
        problems[0]
            .to_string()
            .starts_with("test.yaml:1:1: this is no process's name")
    );
}

mod container;
