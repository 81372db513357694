//! `/etc/resolv.conf` and `/etc/hosts`: made at start, mounted over the image's.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Documents;
use super::plan::{MadeFile, Network};
use super::problems::Problems;
use crate::config::container::{Choice, Container};
use crate::facts::{Facts, Kind, Seen};

/// Where the two files are mounted.
pub(super) const TARGETS: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// The host files that are copied.
pub(super) fn host_paths(docs: &Documents<'_>) -> BTreeSet<PathBuf> {
    let (sandbox, container) = (docs.sandbox, docs.container);
    let resolv = container
        .resolv_conf
        .copy_from_host
        .then_some(&sandbox.resolv_conf);
    let hosts = container
        .hosts_file
        .copy_from_host
        .then_some(&sandbox.hosts_file);
    resolv.into_iter().chain(hosts).cloned().collect()
}

/// Whether a line for the host's own name is written.
pub(super) fn needs_public_host(container: &Container) -> bool {
    let hosts = &container.hosts_file;
    hosts.mount != Choice::No && unless_copied(hosts.public_hostname, hosts.copy_from_host)
}

/// What `auto` means for the lines of `hosts`.
fn unless_copied(choice: Choice, copied: bool) -> bool {
    match choice {
        Choice::Yes => true,
        Choice::No => false,
        Choice::Auto => !copied,
    }
}

/// The files made for every container of a process. The lines that are the
/// container's own are added by [`own_line`].
pub(super) fn files(docs: &Documents<'_>, facts: &Facts, problems: &mut Problems) -> Vec<MadeFile> {
    let (sandbox, container) = (docs.sandbox, docs.container);
    let resolv = &container.resolv_conf;
    let copy = resolv.copy_from_host.then_some(&*sandbox.resolv_conf);
    // Without a copy there is nothing to put over the image's own.
    let mount = match (resolv.mount, copy) {
        (Choice::Auto, None) => Choice::No,
        (mount, _) => mount,
    };
    let resolv = file(docs, facts, 0, "resolv-conf", mount, copy, problems);
    let hosts = &container.hosts_file;
    let copy = hosts.copy_from_host.then_some(&*sandbox.hosts_file);
    let hosts = file(docs, facts, 1, "hosts-file", hosts.mount, copy, problems);
    let hosts = hosts.map(|file| MadeFile {
        append: common_lines(docs, facts, problems),
        ..file
    });
    resolv.into_iter().chain(hosts).collect()
}

fn file(
    docs: &Documents<'_>,
    facts: &Facts,
    number: usize,
    key: &str,
    mount: Choice,
    copy: Option<&Path>,
    problems: &mut Problems,
) -> Option<MadeFile> {
    let target = Path::new(TARGETS[number]);
    let there = facts.paths.get(target).map(|sight| &sight.seen);
    let regular = matches!(there, Some(Seen::Found(found)) if found.kind == Kind::File);
    match mount {
        Choice::No => return None,
        Choice::Auto if !regular => return None,
        Choice::Yes if !regular && !matches!(there, Some(Seen::Unknown(_))) => {
            problems
                .error(
                    docs.container.at(&[key, "mount"]),
                    format!("{} is no regular file in the image", target.display()),
                )
                .hint("make an empty one in the image, or leave `mount` out");
            return None;
        }
        Choice::Auto | Choice::Yes => {}
    }
    if let Some(host) = copy {
        check_copied(docs, facts, key, host, problems);
    }
    Some(MadeFile {
        target: target.to_owned(),
        insist: mount == Choice::Yes,
        copy: copy.map(Path::to_owned),
        append: String::new(),
    })
}

fn check_copied(
    docs: &Documents<'_>,
    facts: &Facts,
    key: &str,
    host: &Path,
    problems: &mut Problems,
) {
    let message = match facts.host_paths.get(host) {
        Some(Seen::Found(found))
            if found.kind == Kind::File && found.size <= MadeFile::LONGEST_COPY =>
        {
            return;
        }
        Some(Seen::Found(found)) if found.kind == Kind::File => {
            "it is longer than 1 MiB".to_owned()
        }
        Some(Seen::Unknown(_)) => return,
        Some(Seen::Found(_)) => "it is not a regular file".to_owned(),
        Some(seen) => seen.why(),
        None => return,
    };
    let spot = docs.sandbox.at(&[key]);
    problems
        .error(
            spot,
            format!("cannot copy {} of the host: {message}", host.display()),
        )
        .hint(format!(
            "set `{key}: {{ copy-from-host: false }}` in {}",
            docs.container.file()
        ));
}

fn common_lines(docs: &Documents<'_>, facts: &Facts, problems: &mut Problems) -> String {
    let hosts = &docs.container.hosts_file;
    // The copied file may lack its last line feed.
    let mut lines = String::from(if hosts.copy_from_host { "\n" } else { "" });
    if unless_copied(hosts.localhost, hosts.copy_from_host) {
        lines.push_str("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    }
    if needs_public_host(&docs.container) {
        match &facts.public_host {
            Some((name, Some(address))) => line(&mut lines, *address, name),
            Some((_, None)) | None => {
                let spot = docs.container.at(&["hosts-file"]);
                problems.warning(spot, "the host's own name does not resolve: it is left out");
            }
        }
    }
    for (name, &address) in &docs.sandbox.additional_hosts {
        line(&mut lines, address, name);
    }
    lines
}

fn line(lines: &mut String, address: IpAddr, name: &str) {
    writeln!(lines, "{address} {name}").expect("a String takes everything");
}

/// The line for the container's own host name.
pub(super) fn own_line(files: &mut [MadeFile], hostname: &str, network: &Network) {
    let address = match network {
        Network::Bridged { address, .. } => *address,
        Network::Host | Network::Loopback => IpAddr::from([127, 0, 0, 1]),
    };
    for file in files
        .iter_mut()
        .filter(|file| file.target == Path::new(TARGETS[1]))
    {
        line(&mut file.append, address, hostname);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::container::{HostsFile, ResolvConf};
    use crate::resolve::fixture::Fixture;

    #[test]
    fn files_of_the_image_are_covered_by_the_hosts() {
        let mut f = Fixture::new();
        f.sandbox
            .additional_hosts
            .insert("db".into(), "10.1.1.1".parse().unwrap());
        let plan = f.plan();
        assert_eq!(plan.files.len(), 2);
        assert_eq!(
            plan.files[0].copy.as_deref(),
            Some(Path::new("/etc/resolv.conf"))
        );
        assert_eq!(plan.files[1].append, "\n10.1.1.1 db\n127.0.0.1 web.0\n");
    }

    #[test]
    fn where_the_image_has_no_such_file_nothing_is_mounted_unless_insisted() {
        let mut f = Fixture::new();
        f.missing("/etc/resolv.conf");
        f.missing("/etc/hosts");
        assert_eq!(f.plan().files, []);
        f.container.resolv_conf = ResolvConf {
            mount: Choice::Yes,
            copy_from_host: true,
        };
        f.refused("/etc/resolv.conf is no regular file in the image");
    }

    #[test]
    fn refuses_to_copy_a_host_file_that_is_missing() {
        let mut f = Fixture::new();
        f.facts
            .host_paths
            .insert("/etc/hosts".into(), Seen::Missing);
        f.refused("cannot copy /etc/hosts of the host: it does not exist");
    }

    #[test]
    fn refuses_to_copy_a_host_file_that_is_too_long() {
        let mut f = Fixture::new();
        let long = crate::facts::Found {
            size: MadeFile::LONGEST_COPY + 1,
            ..crate::resolve::fixture::file(0o644)
        };
        f.facts
            .host_paths
            .insert("/etc/hosts".into(), Seen::Found(long));
        f.refused("cannot copy /etc/hosts of the host: it is longer than 1 MiB");
    }

    #[test]
    fn what_is_not_copied_gets_localhost_and_the_hosts_name() {
        let mut f = Fixture::new();
        let copy_from_host = false;
        f.container.hosts_file = HostsFile {
            copy_from_host,
            ..HostsFile::default()
        };
        f.facts.public_host = Some(("big".into(), "192.0.2.1".parse().ok()));
        let file = f.plan().files.pop().unwrap();
        assert_eq!(file.copy, None);
        assert!(
            file.append
                .starts_with("127.0.0.1 localhost\n::1 localhost")
        );
        assert!(file.append.ends_with("192.0.2.1 big\n127.0.0.1 web.0\n"));
        f.facts.public_host = Some(("big".into(), None));
        assert!(
            f.resolve()
                .problems
                .iter()
                .any(|p| p.message.contains("does not resolve"))
        );
        assert!(!f.plan().files[1].append.contains("big"));
    }

    #[test]
    fn a_bridged_container_has_its_name_at_its_address() {
        let plan = Fixture::bridged().plan();
        assert!(plan.files[1].append.ends_with("10.0.0.5 web.0\n"));
    }
}
