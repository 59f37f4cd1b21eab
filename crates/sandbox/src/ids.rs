//! Which ids exist in the user namespace of this process.

use std::ops::RangeInclusive;

use crate::{Error, User};

/// What files and devices a process can own and make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// The initial user namespace: everything.
    Full,
    /// Any other: some file systems cannot be mounted, and no device can be made.
    Namespaced,
}

/// The ids of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMap {
    privilege: Privilege,
    users: Vec<RangeInclusive<u32>>,
    groups: Vec<RangeInclusive<u32>>,
    /// Whether a process may change its supplementary groups.
    can_set_groups: bool,
}

impl IdMap {
    /// The map of the calling process, as `/proc/self` tells it.
    pub(crate) fn current() -> std::io::Result<Self> {
        /// The kernel numbers the initial namespace like this on every machine.
        const INITIAL: &str = "user:[4026531837]";
        let initial = std::fs::read_link("/proc/self/ns/user")?.as_os_str() == INITIAL;
        let setgroups = std::fs::read_to_string("/proc/self/setgroups")?;
        Ok(Self {
            privilege: if initial { Privilege::Full } else { Privilege::Namespaced },
            users: parse_map(&std::fs::read_to_string("/proc/self/uid_map")?),
            groups: parse_map(&std::fs::read_to_string("/proc/self/gid_map")?),
            can_set_groups: setgroups.trim_end() != "deny",
        })
    }

    pub(crate) fn privilege(&self) -> Privilege {
        self.privilege
    }

    pub(crate) fn can_set_groups(&self) -> bool {
        self.can_set_groups
    }

    pub(crate) fn has_group(&self, gid: u32) -> bool {
        contains(&self.groups, gid)
    }

    /// Whether a process can run as `user` at all.
    pub(crate) fn check(&self, user: &User) -> Result<(), Error> {
        if !contains(&self.users, user.uid) {
            return Err(Error::UnmappedId { kind: "user", id: user.uid });
        }
        let mut groups = std::iter::once(user.gid).chain(user.groups.iter().copied());
        match groups.find(|gid| !self.has_group(*gid)) {
            Some(id) => Err(Error::UnmappedId { kind: "group", id }),
            None if !self.can_set_groups && !user.groups.is_empty() => {
                Err(Error::UnmappedId { kind: "group", id: user.groups[0] })
            }
            None => Ok(()),
        }
    }
}

fn contains(ranges: &[RangeInclusive<u32>], id: u32) -> bool {
    ranges.iter().any(|range| range.contains(&id))
}

/// Lines of `/proc/PID/uid_map`: first id inside, first id outside, count.
pub(crate) fn parse_map(text: &str) -> Vec<RangeInclusive<u32>> {
    let range = |line: &str| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (first, _, count) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
        Some(first..=first.checked_add(count.checked_sub(1)?)?)
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn maps_are_ranges_of_ids_inside() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(parse_map(map), [0..=0, 1..=65_536]);
        assert_eq!(parse_map("0 0 4294967295\n"), [0..=4_294_967_294]);
        assert_eq!(parse_map("0 0 0\n5 0 4294967295\nx\n"), []);
    }

    #[test]
    fn a_user_needs_all_its_ids() {
        let ids = IdMap {
            privilege: Privilege::Namespaced,
            users: vec![0..=10],
            groups: vec![0..=10],
            can_set_groups: true,
        };
        let user = |uid, gid, groups: &[u32]| User { uid, gid, groups: groups.to_vec() };
        assert!(ids.check(&user(10, 10, &[1, 2])).is_ok());
        assert!(matches!(ids.check(&user(11, 0, &[])), Err(Error::UnmappedId { kind: "user", id: 11 })));
        assert!(matches!(ids.check(&user(0, 12, &[])), Err(Error::UnmappedId { kind: "group", id: 12 })));
        assert!(matches!(ids.check(&user(0, 0, &[1, 13])), Err(Error::UnmappedId { kind: "group", id: 13 })));
        let ids = IdMap { can_set_groups: false, ..ids };
        assert!(ids.check(&user(1, 1, &[])).is_ok() && ids.check(&user(1, 1, &[2])).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[0-9 \\n-]{0,100}") {
            parse_map(&text);
        }
    }
}
