//! The tables of [`super::configs`]: what hostile configs ask for.

/// A process and its container config, as lines.
#[derive(Clone, Copy)]
pub struct Ask {
    pub process: &'static str,
    pub container: &'static str,
}

pub struct Row {
    /// The field it is about.
    pub field: &'static str,
    pub asks: Ask,
    /// A part of the message that refuses it.
    pub refused: &'static str,
    /// The sandbox that allows it, or else what to ask for there.
    pub allowed: Allowed,
}

#[derive(Clone, Copy)]
pub enum Allowed {
    /// With these lines in the sandbox.
    By(&'static str),
    /// No sandbox can allow it; this is the nearest that is asked for honestly.
    Instead(Ask),
}

use Allowed::{By, Instead};

pub const fn container(lines: &'static str) -> Ask {
    Ask {
        process: "",
        container: lines,
    }
}

pub const fn process(lines: &'static str) -> Ask {
    Ask {
        process: lines,
        container: "",
    }
}

pub const fn row(field: &'static str, asks: Ask, refused: &'static str, allowed: Allowed) -> Row {
    Row {
        field,
        asks,
        refused,
        allowed,
    }
}

/// What the sandbox of the hostile ones allows.
pub const CLOSED: &str = "allow-users: [1000-1999]\nallow-groups: [1000-1999]\n\
    default-user: 1000\ndefault-group: 1000\nallow-tcp-ports: [8000-8999]\n\
    limits: { memory: 64Mi, cpu: 1, pids: 100, cpu-shares: 1024, fileno: 2048, instances: 4, \
    tmpfs: 16Mi, kill-timeout: 10 }\nsecrets-namespaces: [own]";

pub const HONEST: Ask = container("");

/// Above each ceiling; `limits` of the opposite has room for all of them.
pub const ROOM: Allowed = By(
    "limits: { memory: 1Gi, cpu: 2, pids: 1000, cpu-shares: 4096, fileno: 4096, \
    tmpfs: 1Gi, kill-timeout: 1000 }",
);

pub const CONTAINER: &[Row] = &[
    row(
        "kind",
        container("kind: Command"),
        "the process is a Daemon",
        Instead(Ask {
            process: "kind: Command",
            container: "kind: Command",
        }),
    ),
    row(
        "executable",
        container("executable: bin/probe"),
        "absolute",
        Instead(HONEST),
    ),
    row(
        "executable",
        container("executable: /../../../../bin/sh"),
        "a path cannot hold `..`",
        Instead(HONEST),
    ),
    row(
        "executable",
        container("executable: /bin/way-out"),
        "/bin/way-out",
        Instead(HONEST),
    ),
    row(
        "arguments",
        container("arguments: ['@{password}']"),
        "is not declared",
        Instead(container("arguments: ['@{lithos:name}']")),
    ),
    row(
        "environ",
        container("environ: { LITHOS_NAME: shop/other.0 }"),
        "is set by lithos itself",
        Instead(container("environ: { OTHER_NAME: shop/other.0 }")),
    ),
    row(
        "environ",
        container("environ: { A: '@{password}' }"),
        "is not declared",
        Instead(container("environ: { A: '@{lithos:pid}' }")),
    ),
    row(
        "secret-environ",
        container("secret-environ: { A: '{others-token}' }"),
        "no token for `A` can be opened",
        By("secrets-namespaces: [others]"),
    ),
    row(
        "secret-environ",
        container("secret-environ: { LITHOS_NAME: '{own-token}' }"),
        "is set by lithos itself",
        Instead(container("secret-environ: { A: '{own-token}' }")),
    ),
    row(
        "secret-environ-file",
        container("secret-environ-file: ../../../host/secrets.yaml"),
        "secrets.yaml",
        Instead(container("secret-environ-file: secrets.yaml")),
    ),
    row(
        "secret-environ-file",
        container("secret-environ-file: way-out.yaml"),
        "way-out.yaml",
        Instead(container("secret-environ-file: secrets.yaml")),
    ),
    row(
        "secret-files",
        container("secret-files: { a: '{others-token}' }"),
        "no token for",
        By("secrets-namespaces: [others]"),
    ),
    row(
        "secret-files",
        container("secret-files: { ../../etc/a: '{own-token}' }"),
        "..",
        Instead(container("secret-files: { a: '{own-token}' }")),
    ),
    row(
        "secret-templates",
        container("secret-templates: { a: '@{secret:SOME}' }"),
        "names no secret",
        Instead(container(
            "secret-environ: { SOME: '{own-token}' }\nsecret-templates: { a: '@{secret:SOME}' }",
        )),
    ),
    row(
        "workdir",
        container("workdir: work"),
        "absolute",
        Instead(container("workdir: /work")),
    ),
    row(
        "workdir",
        container("workdir: /way-out"),
        "/way-out",
        Instead(container("workdir: /work")),
    ),
    row(
        "user-id",
        container("user-id: 0"),
        "user 0 is not among",
        By("allow-users: [0]"),
    ),
    row(
        "user-id",
        container("user-id: 4294967296"),
        "user-id: 4294967296",
        Instead(container("user-id: 1001")),
    ),
    row(
        "group-id",
        container("group-id: 0"),
        "group 0 is not among",
        By("allow-groups: [0]"),
    ),
    row(
        "uid-map",
        container("user-id: 0\nuid-map: [{ inside: 0, outside: 0, count: 1 }]"),
        "outside",
        By("allow-users: [0]"),
    ),
    row(
        "uid-map",
        container("user-id: 0\nuid-map: [{ inside: 0, outside: 1500, count: 1000 }]"),
        "the ids 1500–2499 outside are not all among",
        By("allow-users: [1000-2999]"),
    ),
    row(
        "gid-map",
        container("group-id: 0\ngid-map: [{ inside: 0, outside: 0, count: 1 }]"),
        "outside",
        By("allow-groups: [0]"),
    ),
    row(
        "volumes",
        container("volumes: { /data: !Persistent /etc }"),
        "is not at or under any",
        By("writable-paths: { /etc: {host} }"),
    ),
    row(
        "volumes",
        container("volumes: { /data: !Persistent /only-read }"),
        "`readonly-paths` only",
        By("writable-paths: { /only-read: {host} }"),
    ),
    row(
        "volumes",
        container("volumes: { /data: !Readonly /db/../../etc }"),
        "/etc",
        Instead(container("volumes: { /data: !Readonly /only-read }")),
    ),
    row(
        "volumes",
        container("volumes: { /data: !Readonly /only-read/way-out }"),
        "way-out",
        Instead(container("volumes: { /data: !Readonly /only-read }")),
    ),
    row(
        "volumes",
        container("volumes: { /proc: !Tmpfs {} }"),
        "is mounted by lithos itself",
        Instead(container("volumes: { /tmp: !Tmpfs {} }")),
    ),
    row(
        "volumes",
        container("volumes: { /proc/self: !Tmpfs {} }"),
        "is mounted by lithos itself",
        Instead(container("volumes: { /tmp: !Tmpfs {} }")),
    ),
    row(
        "volumes",
        container("volumes: { /: !Tmpfs {} }"),
        "the image itself is mounted",
        Instead(container("volumes: { /tmp: !Tmpfs {} }")),
    ),
    row(
        "volumes",
        container("volumes: { /way-out: !Tmpfs {} }"),
        "/way-out",
        Instead(container("volumes: { /tmp: !Tmpfs {} }")),
    ),
    row(
        "volumes",
        container("volumes: { /tmp: !Tmpfs { size: 900Mi } }"),
        "above the ceiling",
        ROOM,
    ),
    row(
        "memory-limit",
        container("memory-limit: 1Gi"),
        "above the sandbox's ceiling",
        ROOM,
    ),
    row(
        "memory-high",
        container("memory-high: 1Gi"),
        "above the",
        ROOM,
    ),
    row(
        "cpu-limit",
        container("cpu-limit: 2"),
        "above the sandbox's ceiling",
        ROOM,
    ),
    row(
        "pids-limit",
        container("pids-limit: 1000"),
        "above the sandbox's ceiling",
        ROOM,
    ),
    row(
        "cpu-shares",
        container("cpu-shares: 4096"),
        "above the sandbox's ceiling",
        ROOM,
    ),
    row(
        "fileno-limit",
        container("fileno-limit: 4096"),
        "above the sandbox's ceiling",
        ROOM,
    ),
    row(
        "restart-timeout",
        container("restart-timeout: 1000000"),
        "this must be at most 86400",
        Instead(container("restart-timeout: 1000")),
    ),
    row(
        "restart-timeout-max",
        container("restart-timeout-max: 1000000"),
        "this must be at most 86400",
        Instead(container("restart-timeout-max: 1000")),
    ),
    row(
        "kill-timeout",
        container("kill-timeout: 1000"),
        "above the sandbox's ceiling",
        ROOM,
    ),
    row(
        "normal-exit-codes",
        container("normal-exit-codes: [256]"),
        "this must be at most 255",
        Instead(container("normal-exit-codes: [255]")),
    ),
    row(
        "interactive",
        container("interactive: true"),
        "only a command can be interactive",
        Instead(Ask {
            process: "kind: Command",
            container: "kind: Command\ninteractive: true",
        }),
    ),
    row(
        "stdout-stderr-file",
        container("stdout-stderr-file: /bin/output"),
        "is not on a writable volume",
        Instead(container(
            "stdout-stderr-file: /tmp/output\nvolumes: { /tmp: !Tmpfs {} }",
        )),
    ),
    row(
        "resolv-conf",
        container("resolv-conf: { copy-from-host: /etc/shadow }"),
        "expected `true` or `false`",
        Instead(container("resolv-conf: { copy-from-host: false }")),
    ),
    row(
        "hosts-file",
        container("hosts-file: { copy-from-host: /etc/shadow }"),
        "expected `true` or `false`",
        Instead(container("hosts-file: { copy-from-host: false }")),
    ),
    row(
        "tcp-ports",
        container("tcp-ports: { 80: { fd: 3 } }"),
        "allow-tcp-ports",
        By("allow-tcp-ports: [80]"),
    ),
    row(
        "tcp-ports",
        container("tcp-ports: { 8000: { fd: 2 } }"),
        "file descriptors 1 and 2",
        Instead(container("tcp-ports: { 8000: { fd: 3 } }")),
    ),
    row(
        "variables",
        Ask {
            process: "variables: { port: '80' }",
            container: "variables: { port: !TcpPort }",
        },
        "80",
        By("allow-tcp-ports: [80]"),
    ),
    row(
        "variables",
        Ask {
            process: "variables: { mode: '../etc' }",
            container: "variables: { mode: !Name }",
        },
        "mode",
        Instead(Ask {
            process: "variables: { mode: fast }",
            container: "variables: { mode: !Name }",
        }),
    ),
];

pub const PROCESS: &[Row] = &[
    row(
        "kind",
        process("kind: Command"),
        "the process is a Command",
        Instead(HONEST),
    ),
    row(
        "instances",
        process("instances: 1000000"),
        "above the sandbox's ceiling",
        Instead(process("instances: 4")),
    ),
    row(
        "image",
        process("image: ../host"),
        "a relative path without",
        Instead(HONEST),
    ),
    row(
        "image",
        process("image: /etc"),
        "a relative path without",
        Instead(HONEST),
    ),
    row(
        "image",
        process("image: way-out"),
        "way-out",
        Instead(HONEST),
    ),
    row(
        "config",
        process("config: config/web.yaml"),
        "absolute",
        Instead(HONEST),
    ),
    row(
        "config",
        process("config: /../../../master.yaml"),
        "master.yaml",
        Instead(HONEST),
    ),
    row(
        "config",
        process("config: /config/way-out.yaml"),
        "way-out.yaml",
        Instead(HONEST),
    ),
    row(
        "variables",
        Ask {
            process: "variables: { speed: faster }",
            container: "variables: { speed: !Choice [slow, fast] }",
        },
        "speed",
        Instead(Ask {
            process: "variables: { speed: fast }",
            container: "variables: { speed: !Choice [slow, fast] }",
        }),
    ),
    row(
        "ip-addresses",
        process("ip-addresses: [10.1.1.1]"),
        "bridged-network",
        Instead(HONEST),
    ),
    row(
        "extra-secrets-namespaces",
        process("extra-secrets-namespaces: [others]"),
        "is not among the `allow-extra-secrets-namespaces`",
        By("allow-extra-secrets-namespaces: [others]"),
    ),
];

/// Fields whose every value is within what a container may decide by itself.
pub const HARMLESS: [&str; 3] = ["restart-process-only", "metadata", "no-default-secrets"];

/// What only a maintainer can loosen; neither of the hostile configs has such keys.
pub const LOOSENINGS: [&str; 14] = [
    "allow-exec-volumes: true",
    "allow-extra-secrets-namespaces: [others]",
    "allow-groups: [0]",
    "allow-tcp-ports: [80]",
    "allow-users: [0]",
    "capabilities: [SYS_ADMIN]",
    "landlock: off",
    "limits: { memory: 1Ti }",
    "no-new-privileges: false",
    "readonly-paths: { /etc: /etc }",
    "rlimits: { core: unlimited }",
    "seccomp: unconfined",
    "user-namespace: false",
    "writable-paths: { /etc: /etc }",
];
