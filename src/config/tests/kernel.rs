//! What the kernel would refuse at the start is refused when it is read.

use super::{source, told};
use crate::config::container::read_container;
use crate::config::sandbox::read_sandbox;

#[test]
fn refuses_more_tasks_than_the_kernel_can_number() {
    let read = |pids: &str| {
        told(read_sandbox(&source(&format!(
            "limits: {{ pids: {pids} }}"
        ))))
    };
    assert_eq!(read("4_194_304"), [""; 0]);
    assert!(read("4_194_305")[0].contains("this must be at most 4194304"));
}

#[test]
fn refuses_an_address_that_cannot_be_bound_by_itself() {
    for (host, expected) in [
        ("::ffff:127.0.0.1", "an IPv4 address in the guise of IPv6"),
        ("fe80::1", "a link-local address means nothing"),
    ] {
        let text = format!("executable: /x\ntcp-ports: {{ 80: {{ fd: 3, host: '{host}' }} }}");
        let told = told(read_container(&source(&text)));
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
    }
}

#[test]
fn refuses_a_path_that_is_too_long() {
    let (part, whole) = ("a".repeat(256), "a/".repeat(2048));
    for text in [
        format!("executable: /{part}"),
        format!("executable: /{whole}"),
        format!("executable: /x\nvolumes: {{ /{part}: !Tmpfs {{}} }}"),
        format!("executable: /x\nvolumes: {{ /tmp: !Statedir {{ path: /{part} }} }}"),
        format!("executable: /x\nsecret-environ-file: {part}"),
    ] {
        let told = told(read_container(&source(&text)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("a path has at most 4095 bytes")
                || told[0].contains("at most 255 bytes")
        );
    }
}

#[test]
fn refuses_a_file_that_is_named_as_a_directory() {
    for text in [
        "executable: /bin/x/",
        "executable: /x\nstdout-stderr-file: /log/",
    ] {
        let told = told(read_container(&source(text)));
        assert!(
            told[0].contains("a file's path cannot end with `/`"),
            "{told:?}"
        );
    }
}
