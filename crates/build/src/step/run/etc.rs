//! The files about the network that a step sees and that never become part of the image.

use wharf_sandbox::Mount;

use crate::plan::Network;
use crate::request::BuildRequest;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// `/etc/hosts` and `/etc/resolv.conf`.
pub(super) fn files(request: &BuildRequest, hostname: &str, network: Network) -> Vec<Mount> {
    let mut hosts = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in &request.extra_hosts {
        hosts.push_str(&format!("{address}\t{name}\n"));
    }
    let mut mounts = vec![file("/etc/hosts", hosts.into_bytes())];
    // A host without one has no names to resolve, and neither has the step.
    if let (Network::Default | Network::Host, Ok(resolv)) = (network, std::fs::read(RESOLV_CONF)) {
        mounts.push(file(RESOLV_CONF, resolv));
    }
    mounts
}

fn file(target: &str, contents: Vec<u8>) -> Mount {
    Mount::File { target: target.into(), contents, mode: 0o644, uid: 0, gid: 0, readonly: false }
}
