//! Sub-ids: the ranges of ids that an administrator gave to a user, and the set-id programs that map them.

use std::fs;
use std::io;
use std::process::Command;

use rustix::process::Pid;

/// First id and count.
type Range = (u32, u32);

/// What becomes of the ids of a user namespace outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    users: Vec<Entry>,
    groups: Vec<Entry>,
}

/// First id inside, first id outside, count: a line of `/proc/PID/uid_map`.
type Entry = (u32, u32, u32);

impl Mapping {
    /// Root inside is the caller outside, the others come from its sub-ids.
    pub(crate) fn of_subids(uid: u32, gid: u32) -> Result<Self, String> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = name_of(&passwd, uid);
        let ranges = |file: &str| {
            let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            let ranges = parse(&text, name, uid);
            let who = name.map_or_else(|| uid.to_string(), str::to_owned);
            if ranges.is_empty() { Err(format!("{file} has no range for `{who}`")) } else { Ok(ranges) }
        };
        Ok(Self {
            users: after_root(uid, &ranges("/etc/subuid")?),
            groups: after_root(gid, &ranges("/etc/subgid")?),
        })
    }

    /// Every id of this process's namespace, under its own number.
    pub(crate) fn of_everything() -> io::Result<Self> {
        let entries = |file| {
            let ranges = crate::ids::parse_map(&fs::read_to_string(file)?);
            let entry = |range: &std::ops::RangeInclusive<u32>| {
                let (first, last) = (*range.start(), *range.end());
                (first, first, (last - first).saturating_add(1))
            };
            Ok::<_, io::Error>(ranges.iter().map(entry).collect())
        };
        Ok(Self { users: entries("/proc/self/uid_map")?, groups: entries("/proc/self/gid_map")? })
    }

    /// Root inside is the caller outside, and nobody else exists.
    pub(crate) fn single(uid: u32, gid: u32) -> Self {
        Self { users: vec![(0, uid, 1)], groups: vec![(0, gid, 1)] }
    }

    /// Lets the set-id programs of the host write the map of `process`.
    pub(crate) fn write_with_helpers(&self, process: Pid) -> Result<(), String> {
        run("newuidmap", process, &self.users)?;
        run("newgidmap", process, &self.groups)
    }

    /// Writes the map of `process` itself, as one with the capabilities for it.
    pub(crate) fn write(&self, process: Pid) -> io::Result<()> {
        write(process, "uid_map", &self.users)?;
        write(process, "gid_map", &self.groups)
    }

    /// Writes the map of `process` itself, as anybody may for a single id, if supplementary groups
    /// then stay as they are: leaving a group could give access that being in it denies.
    pub(crate) fn write_unprivileged(&self, process: Pid) -> io::Result<()> {
        fs::write(format!("/proc/{process}/setgroups"), "deny")?;
        self.write(process)
    }
}

fn run(program: &str, process: Pid, entries: &[Entry]) -> Result<(), String> {
    let numbers = entries.iter().flat_map(|(inside, outside, count)| [inside, outside, count]);
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(numbers.map(u32::to_string));
    let output = command.output().map_err(|error| format!("running {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn write(process: Pid, file: &str, entries: &[Entry]) -> io::Result<()> {
    let line = |(inside, outside, count): &Entry| format!("{inside} {outside} {count}\n");
    fs::write(format!("/proc/{process}/{file}"), entries.iter().map(line).collect::<String>())
}

fn after_root(id: u32, ranges: &[Range]) -> Vec<Entry> {
    let mut next = 1;
    let mut entries = vec![(0, id, 1)];
    for (first, count) in ranges {
        // The ids inside end where numbers do; what is left of the range stays unused.
        let count = (*count).min(u32::MAX - next);
        entries.push((next, *first, count));
        next += count;
    }
    entries.retain(|(.., count)| *count > 0);
    entries
}

/// The name of a user, from the text of `/etc/passwd`.
fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then_some(name)
    })
}

/// The ranges of a user in the text of `/etc/subuid`: lines of `name-or-uid:first:count`.
fn parse(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.split(':');
        let (owner, first, count) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = Some(owner) == name || owner.parse() == Ok(uid);
        let range: Range = (first.trim().parse().ok()?, count.trim().parse().ok()?);
        (ours && range.1 > 0 && range.0.checked_add(range.1 - 1).is_some()).then_some(range)
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBUID: &str = "root:100000:65536\nalice:165536:65536\n1001:300000:10\nalice:400000:5\nbad:x:1\n";

    #[test]
    fn ranges_belong_to_a_name_or_a_number() {
        assert_eq!(parse(SUBUID, Some("alice"), 1000), [(165_536, 65_536), (400_000, 5)]);
        assert_eq!(parse(SUBUID, Some("bob"), 1001), [(300_000, 10)]);
        assert_eq!(parse(SUBUID, None, 1002), []);
        assert_eq!(parse("alice:4294967295:2", Some("alice"), 1000), []);
    }

    #[test]
    fn ranges_follow_root_without_a_gap() {
        let map = after_root(1000, &[(165_536, 65_536), (400_000, 5)]);
        assert_eq!(map, [(0, 1000, 1), (1, 165_536, 65_536), (65_537, 400_000, 5)]);
        assert_eq!(after_root(0, &[(1, u32::MAX), (7, 7)]), [(0, 0, 1), (1, 1, u32::MAX - 1)]);
    }

    #[test]
    fn names_come_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000), Some("alice"));
        assert_eq!(name_of(passwd, 7), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a-z0-9:\\n-]{0,200}", uid: u32) {
            after_root(uid, &parse(&text, Some("a"), uid));
            name_of(&text, uid);
        }
    }
}
