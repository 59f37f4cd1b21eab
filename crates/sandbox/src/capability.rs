//! Capabilities: what is left of root's power inside.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Docker's default set.
pub(crate) const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);

/// Capabilities that a confined process may have: docker's default set, or what was made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(CapabilitySet);

impl Default for Capabilities {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

/// A name that no capability has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a capability; they are called such as NET_ADMIN, and ALL means every one")]
pub struct UnknownCapability(String);

impl Capabilities {
    /// Docker's default set with those of `drop` taken away and those of `add` given. Names may begin with
    /// `CAP_` and be in small letters; `ALL` names every one. What is added wins, as in docker, over
    /// dropping all.
    ///
    /// # Errors
    /// Fails for a name that the kernel does not know.
    pub fn adjusted<S: AsRef<str>>(add: &[S], drop: &[S]) -> Result<Self, UnknownCapability> {
        let union = |names: &[S]| {
            names.iter().try_fold(CapabilitySet::empty(), |all, name| Ok(all | named(name.as_ref())?))
        };
        let (added, dropped) = (union(add)?, union(drop)?);
        Ok(Self(match dropped == CapabilitySet::all() {
            true => added,
            false => (DEFAULT | added) - dropped,
        }))
    }

    pub(crate) fn set(self) -> CapabilitySet {
        self.0
    }
}

fn named(name: &str) -> Result<CapabilitySet, UnknownCapability> {
    let upper = name.to_ascii_uppercase();
    let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
    match plain {
        "ALL" => Ok(CapabilitySet::all()),
        _ => CapabilitySet::from_name(plain).ok_or_else(|| UnknownCapability(name.to_owned())),
    }
}

/// Whether this thread has `capability` in force.
pub(crate) fn has(capability: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

/// Limits what this process can have after the next exec to `keep`, and empties the sets that would
/// let a user other than root keep something. What it has until then stays.
pub(crate) fn bound(keep: CapabilitySet) -> Result<(), Errno> {
    // Where the set cannot be changed, it is what the host left of it.
    let bits = if has(CapabilitySet::SETPCAP) { 0..64 } else { 0..0 };
    for bit in bits {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            // Past the last capability that the kernel knows.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    clear_ambient_capability_set()?;
    let now = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..now })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_docker_s() {
        let of = |add: &[&str], drop: &[&str]| Capabilities::adjusted(add, drop).map(Capabilities::set);
        assert_eq!(of(&[], &[]), Ok(DEFAULT));
        assert_eq!(of(&["NET_ADMIN"], &[]), Ok(DEFAULT | CapabilitySet::NET_ADMIN));
        assert_eq!(of(&["cap_sys_admin"], &["ALL"]), Ok(CapabilitySet::SYS_ADMIN));
        assert_eq!(of(&[], &["chown"]), Ok(DEFAULT - CapabilitySet::CHOWN));
        assert_eq!(of(&["ALL"], &[]), Ok(CapabilitySet::all()));
        assert_eq!(of(&["NOPE"], &[]), Err(UnknownCapability("NOPE".into())));
    }
}
