//! The network namespace: a bridge, its addresses, and who gets which.

use std::net::IpAddr;

use super::Documents;
use super::plan::Network;
use super::problems::{Doc, Problems, Spot};
use crate::config::ip_network::IpNetwork;
use crate::config::process::Kind;
use crate::config::sandbox::{BridgedNetwork, Sandbox};
use crate::facts::Facts;

/// What is replaced in `after-setup-command`.
const CONTAINER_IP: &str = "@{container_ip}";

/// The rules of a sandbox config alone.
pub(super) fn sandbox(sandbox: Doc<'_, Sandbox>, problems: &mut Problems) {
    let Some(bridged) = &sandbox.bridged_network else {
        return;
    };
    for (number, argument) in bridged.after_setup_command.iter().enumerate() {
        if replace_address(argument, "").contains("@{") {
            problems
                .error(
                    sandbox
                        .at(&["bridged-network", "after-setup-command"])
                        .item(number),
                    "this variable is not known here",
                )
                .hint(format!("only `{CONTAINER_IP}` is"));
        }
    }
}

/// The network of each instance; of a command, which has no instances, one.
pub(super) fn networks(
    docs: &Documents<'_>,
    facts: &Facts,
    problems: &mut Problems,
) -> Vec<Network> {
    let process = docs.process;
    let count = match process.kind {
        // More than the ceiling is refused elsewhere, and nothing is made of it:
        // an orchestrator's number must not use up the memory of this host.
        Kind::Daemon => process.instances.min(docs.sandbox.limits.instances) as usize,
        Kind::Command => 1,
    };
    let given = &process.ip_addresses;
    let spot = process.at(&["ip-addresses"]);
    let Some(bridged) = &docs.sandbox.bridged_network else {
        if !given.is_empty() {
            problems
                .error(spot, "the sandbox has no `bridged-network`")
                .hint(format!(
                    "remove `ip-addresses`, or add it to {}",
                    docs.sandbox.file()
                ));
        }
        return vec![Network::Host; count];
    };
    if process.kind == Kind::Command && given.is_empty() {
        return vec![Network::Loopback];
    }
    if given.len() != process.instances as usize {
        problems
            .error(
                spot,
                format!(
                    "{} addresses for {} instances",
                    given.len(),
                    process.instances
                ),
            )
            .hint("give one address for each instance");
    }
    check_addresses(docs, bridged, facts, problems);
    let networks = given.iter().take(count).map(|&address| Network::Bridged {
        bridge: bridged.bridge.clone(),
        address,
        prefix: bridged.network.prefix,
        gateway: bridged.default_gateway,
        after_setup: after_setup(bridged, address),
    });
    networks.collect()
}

fn check_addresses(
    docs: &Documents<'_>,
    bridged: &BridgedNetwork,
    facts: &Facts,
    problems: &mut Problems,
) {
    if facts.bridge.is_none() {
        let message = format!("this host has no bridge `{}`", bridged.bridge);
        problems.warning(docs.sandbox.at(&["bridged-network", "bridge"]), message);
    }
    let of_bridge = facts.bridge.as_deref().unwrap_or_default();
    for (number, &address) in docs.process.ip_addresses.iter().enumerate() {
        let spot = docs.process.at(&["ip-addresses"]).item(number);
        let mut refuse = |spot: Spot, why: String| {
            problems.error(spot, format!("{address} {why}"));
        };
        if let Some(why) = unusable(bridged.network, address) {
            refuse(spot, why);
        } else if Some(address) == bridged.default_gateway {
            refuse(spot, "is the `default-gateway`".to_owned());
        } else if of_bridge.contains(&address) {
            refuse(
                spot,
                format!("is the address of the bridge `{}`", bridged.bridge),
            );
        }
    }
}

/// Why no container can have this address in this network.
fn unusable(network: IpNetwork, address: IpAddr) -> Option<String> {
    if !network.contains(address) {
        let IpNetwork { address, prefix } = network;
        return Some(format!("is not within the network {address}/{prefix}"));
    }
    let why = "is the network's own or its broadcast address";
    (!network.has_host(address)).then(|| why.to_owned())
}

fn after_setup(bridged: &BridgedNetwork, address: IpAddr) -> Vec<String> {
    let command = bridged.after_setup_command.iter();
    command
        .map(|argument| replace_address(argument, &address.to_string()))
        .collect()
}

/// Spaces inside the braces are ignored, as in every variable.
fn replace_address(argument: &str, address: &str) -> String {
    let mut result = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        result.push_str(before);
        match name.trim() {
            "container_ip" => result.push_str(address),
            _ => result.extend(["@{", name, "}"]),
        }
        rest = after;
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fixture::Fixture;

    #[test]
    fn each_instance_has_its_address() {
        let mut f = Fixture::bridged();
        f.process.instances = 2;
        f.process.ip_addresses = vec!["10.0.0.5".parse().unwrap(), "10.0.0.6".parse().unwrap()];
        f.sandbox
            .bridged_network
            .as_mut()
            .unwrap()
            .after_setup_command = vec!["/bin/announce".into(), "@{ container_ip }/24".into()];
        let plans = f.plans();
        let Network::Bridged {
            address,
            after_setup,
            ..
        } = &plans[1].network
        else {
            panic!("not bridged")
        };
        assert_eq!(address.to_string(), "10.0.0.6");
        assert_eq!(after_setup[1], "10.0.0.6/24");
    }

    #[test]
    fn refuses_another_number_of_addresses() {
        let mut f = Fixture::bridged();
        f.process.instances = 2;
        f.refused("1 addresses for 2 instances");
        f.process.ip_addresses.clear();
        f.refused("0 addresses for 2 instances");
    }

    #[test]
    fn refuses_addresses_that_no_container_can_have() {
        for (address, why) in [
            ("10.0.1.1", "is not within the network 10.0.0.0/24"),
            ("fe80::1", "is not within the network"),
            ("10.0.0.0", "is the network's own"),
            ("10.0.0.255", "its broadcast address"),
            ("10.0.0.1", "is the `default-gateway`"),
            ("10.0.0.2", "is the address of the bridge `br0`"),
        ] {
            let mut f = Fixture::bridged();
            f.process.ip_addresses = vec![address.parse().unwrap()];
            f.refused(why);
        }
    }

    #[test]
    fn a_number_of_instances_above_the_ceiling_takes_no_memory() {
        let mut f = Fixture::new();
        f.process.instances = u32::MAX;
        f.refused("`instances` is 4294967295, above the sandbox's ceiling of 1000");
    }

    #[test]
    fn refuses_addresses_without_a_bridge() {
        let mut f = Fixture::new();
        f.process.ip_addresses = vec!["10.0.0.5".parse().unwrap()];
        f.refused("the sandbox has no `bridged-network`");
    }

    #[test]
    fn a_command_without_an_address_has_loopback_only() {
        let mut f = Fixture::bridged();
        f.command();
        f.process.ip_addresses.clear();
        assert_eq!(f.plan().network, Network::Loopback);
    }

    #[test]
    fn refuses_other_variables_in_the_command_after_setup() {
        let mut f = Fixture::bridged();
        let command = vec!["/bin/x".into(), "@{lithos:name}".into()];
        f.sandbox
            .bridged_network
            .as_mut()
            .unwrap()
            .after_setup_command = command;
        f.sandbox_refused("this variable is not known here");
    }
}
