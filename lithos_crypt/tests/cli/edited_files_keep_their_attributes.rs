use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};

use crate::desk::Desk;
use crate::killing;
use crate::support::key;

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// A list that lets its owner and the user 4321 read and write, and the owning
/// group nothing, as acl(5) and linux/posix_acl_xattr.h lay it out.
fn access_list() -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, NOBODY), // the owner
        (0x02, 6, 4321),   // a user
        (0x04, 0, NOBODY), // the owning group
        (0x10, 6, NOBODY), // the mask
        (0x20, 0, NOBODY), // others
    ];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// Whether the attribute can be set. If not says SKIP.
fn can_set(path: &Path, name: &str, value: &[u8]) -> bool {
    match setxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        Err(cause) => {
            println!("SKIP: {name} cannot be set here: {cause}");
            false
        }
    }
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = getxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).unwrap();
    metadata.permissions().mode() & 0o7777
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb4");
    desk
}

#[test]
fn an_access_list_among_them() {
    let desk = desk();
    let path = desk.path("s.yaml");
    if !can_set(&path, ACCESS, &access_list()) || !can_set(&path, "user.note", b"ours") {
        return;
    }
    assert_eq!(mode(&path), 0o660, "the mask in the place of the group");
    let kept = |when: &str| {
        assert_eq!(attribute(&path, ACCESS), Some(access_list()), "{when}");
        assert_eq!(attribute(&path, "user.note").unwrap(), b"ours", "{when}");
        assert_eq!(mode(&path), 0o660, "{when}");
    };
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb5");
    kept("set");
    let rekey = ["rekey", "-i", &key("alpha"), "-k", &key("beta.pub")];
    desk.set("t.yaml", "B", "mGv7Qk2xWz9LrTb4");
    desk.run(&rekey, b"").expect_code(0);
    desk.get("beta", "s.yaml", "A").expect_code(0);
    kept("rekey of several");
}

#[test]
fn and_get_none_from_their_directory() {
    let desk = desk();
    let path = desk.path("s.yaml");
    if !can_set(desk.root(), DEFAULT, &access_list()) {
        return;
    }
    let _ = removexattr(&path, ACCESS);
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    desk.set("s.yaml", "A", "mGv7Qk2xWz9LrTb5");
    assert_eq!(attribute(&path, ACCESS), None);
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn or_are_left_as_they_are_if_an_access_list_cannot_be_kept() {
    let desk = desk();
    let path = desk.path("s.yaml");
    if !killing::can_kill() || !can_set(&path, ACCESS, &access_list()) {
        return;
    }
    let before = desk.read("s.yaml");
    let output = killing::inject(
        &desk,
        &["rm", "s.yaml", "A"],
        "fsetxattr",
        "error=EOPNOTSUPP",
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.ends_with(
            "its access list cannot be kept (`setfacl -b` removes it): operation not supported\n"
        ),
        "{said}"
    );
    assert_eq!(desk.read("s.yaml"), before);
    assert_eq!(desk.names(), ["s.yaml"]);
}

#[test]
fn but_for_those_that_cannot_be_set() {
    let desk = desk();
    let path = desk.path("s.yaml");
    if !killing::can_kill() || !can_set(&path, "user.note", b"ours") {
        return;
    }
    for error in ["EPERM", "EOPNOTSUPP"] {
        desk.set("s.yaml", "B", "mGv7Qk2xWz9LrTb4");
        let what = format!("error={error}");
        let output = killing::inject(&desk, &["rm", "s.yaml", "B"], "fsetxattr", &what);
        assert_eq!(output.status.code(), Some(0));
    }
}
