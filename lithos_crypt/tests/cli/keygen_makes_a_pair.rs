use std::os::unix::fs::PermissionsExt;

use crate::desk::Desk;
use crate::ssh_keygen;

#[test]
fn that_only_its_owner_can_read_and_that_opens_what_is_sealed_to_it() {
    let desk = Desk::new();
    let said = desk
        .run(&["keygen", "-C", "root@web1", "web1"], b"")
        .expect_code(0);
    assert!(said.text().ends_with(" web1.pub\n"), "{}", said.text());
    let mode = desk.path("web1").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(desk.read("web1.pub").ends_with(" root@web1\n"));
    desk.run(
        &["set", "s.yaml", "A", "-k", "web1.pub", "--generate", "20"],
        b"",
    )
    .expect_code(0);
    let value = desk
        .run(&["get", "-i", "web1", "s.yaml", "A"], b"")
        .expect_code(0);
    assert_eq!(value.stdout.len(), 20);
    assert_eq!(desk.names(), ["s.yaml", "web1", "web1.pub"]);
}

#[test]
fn that_openssh_reads() {
    if ssh_keygen::directory().is_none() {
        return;
    }
    let desk = Desk::new();
    desk.run(&["keygen", "k"], b"").expect_code(0);
    let public = desk.call("ssh-keygen", &["-y", "-P", "", "-f", "k"]);
    assert_eq!(public.trim(), desk.read("k.pub").trim());
}

#[test]
fn never_over_another_file() {
    let desk = Desk::new();
    desk.write("k", "mine");
    desk.write("l.pub", "mine");
    for name in ["k", "l"] {
        let run = desk.run(&["keygen", name], b"").expect_code(1);
        assert!(run.stderr.contains("it is there already"), "{}", run.stderr);
    }
    desk.run(&["keygen", "no/such/place"], b"").expect_code(1);
    assert_eq!(
        (desk.read("k"), desk.read("l.pub")),
        ("mine".into(), "mine".into())
    );
    assert_eq!(desk.names(), ["k", "l.pub"]);
}
