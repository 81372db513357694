//! `/etc/resolv.conf` and `/etc/hosts` as a container sees them.

use std::fs;

use crate::ground::Ground;

const READ: &str = "arguments: [read=/etc/hosts, read=/etc/resolv.conf, sleep]";

/// The sandbox's own host files, and a container with these lines; what it
/// reads as hosts and resolv.conf.
fn seen(ground: &Ground, lines: &str) -> [String; 2] {
    let hosts = ground.write("host/hosts", "192.0.2.9 gateway");
    let resolv = ground.write("host/resolv", "nameserver 192.0.2.53\n");
    ground.sandbox(&format!(
        "hosts-file: {}\nresolv-conf: {}\nadditional-hosts: {{ db: 10.1.1.1, cache: 'fd00::1' }}",
        hosts.display(),
        resolv.display()
    ));
    ground.write("images/probe/etc/hosts", "the image's hosts\n");
    ground.write("images/probe/etc/resolv.conf", "the image's resolv.conf\n");
    ground.container(&format!("{READ}\n{lines}"));
    let tree = ground.start();
    ["read=/etc/hosts", "read=/etc/resolv.conf"].map(|action| {
        tree.result("shop/web.0", action)
            .as_str()
            .unwrap()
            .to_owned()
    })
}

#[test]
fn are_the_hosts_own_with_the_additional_hosts_and_its_name() {
    let Some(ground) = Ground::new() else { return };
    let [hosts, resolv] = seen(&ground, "");
    let expected = "192.0.2.9 gateway\nfd00::1 cache\n10.1.1.1 db\n127.0.0.1 web.0\n";
    assert_eq!(hosts.replace("\n\n", "\n"), expected);
    assert_eq!(resolv, "nameserver 192.0.2.53\n");
}

#[test]
fn without_a_copy_hosts_has_localhost_and_resolv_conf_is_the_images() {
    let Some(ground) = Ground::new() else { return };
    let [hosts, resolv] = seen(
        &ground,
        "hosts-file: { copy-from-host: false, public-hostname: false }\n\
         resolv-conf: { copy-from-host: false }",
    );
    let expected = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n\
                    fd00::1 cache\n10.1.1.1 db\n127.0.0.1 web.0\n";
    assert_eq!(hosts, expected);
    assert_eq!(resolv, "the image's resolv.conf\n");
}

#[test]
fn are_left_alone_where_they_are_not_to_be_mounted() {
    let Some(ground) = Ground::new() else { return };
    let [hosts, resolv] = seen(
        &ground,
        "hosts-file: { mount: false }\nresolv-conf: { mount: false }",
    );
    assert_eq!(hosts, "the image's hosts\n");
    assert_eq!(resolv, "the image's resolv.conf\n");
}

#[test]
fn localhost_can_be_asked_for_beside_the_copy() {
    let Some(ground) = Ground::new() else { return };
    let [hosts, _] = seen(&ground, "hosts-file: { localhost: true }");
    assert!(hosts.contains("192.0.2.9 gateway\n"), "{hosts}");
    assert!(hosts.contains("127.0.0.1 localhost\n"), "{hosts}");
}

#[test]
fn a_file_that_must_be_mounted_and_is_not_in_the_image_is_an_error() {
    let Some(ground) = Ground::new() else { return };
    fs::remove_file(ground.path("images/probe/etc/hosts")).unwrap();
    ground.container("arguments: [list=/etc, sleep]\nhosts-file: { mount: true }");
    let tree = ground.start();
    tree.wait_for_log(&["/etc/hosts is no regular file in the image"]);
    ground.container("arguments: [list=/etc, sleep]");
    let listed = tree.result("shop/web.0", "list=/etc");
    assert!(!listed.to_string().contains("hosts"), "{listed}");
}

#[test]
fn cannot_be_written_by_the_container() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [write=/etc/hosts, sleep]");
    let tree = ground.start();
    let result = tree.result("shop/web.0", "write=/etc/hosts");
    assert!(result["error"].is_string(), "{result}");
}
