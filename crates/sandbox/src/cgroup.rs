//! Limits on all processes of a sandbox together, by control groups of version 1 or 2.
//!
//! A group is made only when a limit is asked for: it costs time, and most builds ask for none.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Limits, Swap};

/// The control groups made for one sandbox; removed when dropped.
#[derive(Debug, Default)]
pub(crate) struct Cgroup {
    directories: Vec<PathBuf>,
    /// Where the kernel counts processes killed for want of memory.
    memory_events: Option<PathBuf>,
}

/// One value to write into a group's files.
struct Setting {
    controller: &'static str,
    what: &'static str,
    /// Files and values in version 1 and version 2.
    v1: Vec<(&'static str, String)>,
    v2: Vec<(&'static str, String)>,
}

impl Cgroup {
    /// The groups that hold a process to `limits`; none if there is nothing to limit.
    pub(crate) fn new(limits: &Limits) -> Result<Option<Self>, Error> {
        let settings = settings(limits);
        if settings.is_empty() {
            return Ok(None);
        }
        let mut hierarchies = Hierarchies::current().map_err(|source| Error::Host {
            action: "finding the control groups of this process in /proc/self".to_owned(),
            source,
        })?;
        if let Some(parent) = &limits.parent {
            hierarchies.enter(parent)?;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wharf-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut cgroup = Self::default();
        for setting in settings {
            cgroup.apply(&setting, &hierarchies, &name)?;
        }
        Ok(Some(cgroup))
    }

    fn apply(&mut self, setting: &Setting, hierarchies: &Hierarchies, name: &str) -> Result<(), Error> {
        let (directory, values) = match hierarchies.v1(setting.controller) {
            Some(own) => (own.join(name), &setting.v1),
            None => (hierarchies.v2_parent(setting)?.join(name), &setting.v2),
        };
        let failed = |path: &Path, source| Error::Limit { what: setting.what, path: path.into(), source };
        if !self.directories.contains(&directory) {
            // One of that name is a killed wharf's with the same process id.
            let _ = fs::remove_dir(&directory);
            fs::create_dir(&directory).map_err(|source| failed(&directory, source))?;
            self.directories.push(directory.clone());
        }
        for (file, value) in values {
            let file = directory.join(file);
            let inherited;
            let value = match value {
                // In version 1 a new group has no processors and no memory, and no process can enter it.
                value if value.is_empty() => {
                    let above = hierarchies
                        .v1(setting.controller)
                        .map(|own| own.join(file.file_name().unwrap_or_default()));
                    inherited = above.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
                    inherited.trim_end()
                }
                value => value.as_str(),
            };
            match fs::write(&file, value) {
                // A kernel that does not account for swap has no such file, and no swap to limit.
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_swap(&file) => {}
                written => written.map_err(|source| failed(&file, source))?,
            }
        }
        if setting.controller == "memory" {
            let events = ["memory.oom_control", "memory.events"].map(|file| directory.join(file));
            self.memory_events = events.into_iter().find(|file| file.exists());
        }
        Ok(())
    }

    /// The files through which a process enters.
    pub(crate) fn open(&self) -> Result<Vec<OwnedFd>, Error> {
        let open = |directory: &PathBuf| {
            let path = directory.join("cgroup.procs");
            let file = fs::OpenOptions::new().write(true).open(&path);
            file.map(OwnedFd::from).map_err(|source| Error::Path { path, source })
        };
        self.directories.iter().map(open).collect()
    }

    /// Whether the kernel has killed a process in the group because of the memory limit.
    pub(crate) fn out_of_memory(&self) -> bool {
        let events = self.memory_events.as_ref().and_then(|path| fs::read_to_string(path).ok());
        events.is_some_and(|text| {
            text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count != "0"))
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            // A group that is still in use stays behind, empty as soon as its last process has ended.
            let _ = fs::remove_dir(directory);
        }
    }
}

fn is_swap(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "memory.swap.max" || name == "memory.memsw.limit_in_bytes")
}

fn settings(limits: &Limits) -> Vec<Setting> {
    let memory = limits.memory.map(|bytes| {
        // Version 1 counts memory and swap together, version 2 swap alone.
        let (together, alone) = match limits.swap {
            Swap::None => (bytes.to_string(), "0".to_owned()),
            Swap::Total(total) => (total.to_string(), total.saturating_sub(bytes).to_string()),
            Swap::Unlimited => ("-1".to_owned(), "max".to_owned()),
        };
        Setting {
            controller: "memory",
            what: "memory",
            v1: vec![("memory.limit_in_bytes", bytes.to_string()), ("memory.memsw.limit_in_bytes", together)],
            v2: vec![("memory.max", bytes.to_string()), ("memory.swap.max", alone)],
        }
    });
    let cpu = limits.cpu.map(|cpu| {
        let (quota, period) = (cpu.quota.as_micros().to_string(), cpu.period.as_micros().to_string());
        Setting {
            controller: "cpu",
            what: "processor time",
            v2: vec![("cpu.max", format!("{quota} {period}"))],
            v1: vec![("cpu.cfs_period_us", period), ("cpu.cfs_quota_us", quota)],
        }
    });
    let shares = limits.cpu_shares.map(|shares| Setting {
        controller: "cpu",
        what: "the share of processor time",
        v1: vec![("cpu.shares", shares.to_string())],
        v2: vec![("cpu.weight", weight(shares).to_string())],
    });
    let set = (limits.cpus.is_some() || limits.mems.is_some()).then(|| {
        let [cpus, mems] = [&limits.cpus, &limits.mems].map(|set| set.clone().unwrap_or_default());
        let given = |file: &'static str, set: &Option<String>| set.clone().map(|set| (file, set));
        Setting {
            controller: "cpuset",
            what: "processors",
            v1: vec![("cpuset.cpus", cpus), ("cpuset.mems", mems)],
            v2: given("cpuset.cpus", &limits.cpus)
                .into_iter()
                .chain(given("cpuset.mems", &limits.mems))
                .collect(),
        }
    });
    let pids = limits.pids.map(|count| Setting {
        controller: "pids",
        what: "the number of processes",
        v1: vec![("pids.max", count.to_string())],
        v2: vec![("pids.max", count.to_string())],
    });
    let mut settings: Vec<Setting> = [memory, cpu, shares, set, pids].into_iter().flatten().collect();
    if limits.parent.is_some() && settings.is_empty() {
        // Whoever named the parent limits it.
        settings.push(Setting {
            controller: "cpu",
            what: "the control group",
            v1: Vec::new(),
            v2: Vec::new(),
        });
    }
    settings
}

/// Shares of version 1 (2 to 262144) as a weight of version 2 (1 to 10000), as runc converts them.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// Where this process stands in each hierarchy, as directories.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hierarchies {
    /// Controllers, mount point, directory.
    v1: Vec<(Vec<String>, PathBuf, PathBuf)>,
    v2: Option<V2>,
}

#[derive(Debug, PartialEq, Eq)]
struct V2 {
    mount: PathBuf,
    own: PathBuf,
    /// `own` is where this process stands, and not one that was named.
    is_ours: bool,
}

impl Hierarchies {
    fn current() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        Ok(Self::parse(&mounts, &groups))
    }

    /// From `/proc/self/mountinfo` and `/proc/self/cgroup`.
    fn parse(mounts: &str, groups: &str) -> Self {
        let mut hierarchies = Self::default();
        for mount in mounts.lines().filter_map(CgroupMount::parse) {
            let group = groups.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (controllers, path) = (fields.next()?, fields.next()?);
                let same = if mount.v2 {
                    controllers.is_empty()
                } else {
                    controllers.split(',').any(|name| mount.controllers.iter().any(|has| has == name))
                };
                same.then_some(path)
            });
            // In a container the mount may begin at the group of the container.
            let Some(group) = group else { continue };
            let below = Path::new(group).strip_prefix(&mount.root).unwrap_or(Path::new(""));
            let own = mount.point.join(below);
            if mount.v2 {
                hierarchies.v2 = Some(V2 { mount: mount.point, own, is_ours: true });
            } else {
                hierarchies.v1.push((mount.controllers, mount.point, own));
            }
        }
        hierarchies
    }

    /// Goes to the group of this path, which must be there, in every hierarchy.
    fn enter(&mut self, path: &str) -> Result<(), Error> {
        let below = Path::new(path);
        let names = || below.components().filter(|part| *part != std::path::Component::RootDir);
        if names().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(Error::Invalid(format!("`{path}` is no path of a control group")));
        }
        let below: PathBuf = names().collect();
        for (_, mount, own) in &mut self.v1 {
            *own = mount.join(&below);
        }
        if let Some(v2) = &mut self.v2 {
            v2.own = v2.mount.join(&below);
            v2.is_ours = false;
        }
        Ok(())
    }

    fn v1(&self, controller: &str) -> Option<&Path> {
        let mut hierarchies = self.v1.iter();
        hierarchies.find(|(has, ..)| has.iter().any(|name| name == controller)).map(|(.., own)| own.as_path())
    }

    /// A directory of version 2 whose children may have the controller. That is not the group of this
    /// process, unless it is the root, because a group with processes cannot distribute resources.
    fn v2_parent(&self, setting: &Setting) -> Result<PathBuf, Error> {
        let failed = |path: PathBuf, source| Error::Limit { what: setting.what, path, source };
        let Some(v2) = &self.v2 else {
            let source = io::Error::new(io::ErrorKind::NotFound, "no such controller is mounted");
            return Err(failed(PathBuf::from("/sys/fs/cgroup"), source));
        };
        let is_parent = v2.own == v2.mount || !v2.is_ours;
        let parent = if is_parent { &v2.own } else { v2.own.parent().unwrap_or(&v2.mount) };
        let control = parent.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&control).map_err(|source| failed(control.clone(), source))?;
        if !enabled.split_ascii_whitespace().any(|name| name == setting.controller) {
            let enable = format!("+{}", setting.controller);
            fs::write(&control, enable).map_err(|source| failed(control.clone(), source))?;
        }
        Ok(parent.to_path_buf())
    }
}

struct CgroupMount {
    v2: bool,
    controllers: Vec<String>,
    root: PathBuf,
    point: PathBuf,
}

impl CgroupMount {
    /// A line of mountinfo: `31 23 0:28 /root /point options - type source super-options`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut filesystem = filesystem.split(' ');
        let (root, point) = (mount.next()?, mount.next()?);
        let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
        let v2 = match kind {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let controllers = options.split(',').map(str::to_owned).collect();
        Some(Self { v2, controllers, root: root.into(), point: point.into() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_the_groups_of_a_host_with_both_versions() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                      35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
                      27 1 254:0 / / rw,relatime - ext4 /dev/vda rw";
        let groups = "4:memory:/build/1\n2:cpu,cpuacct:/\n0::/";
        let found = Hierarchies::parse(mounts, groups);
        assert_eq!(found.v1("memory"), Some(Path::new("/sys/fs/cgroup/memory/build/1")));
        assert_eq!(found.v1("cpu"), Some(Path::new("/sys/fs/cgroup/cpu")));
        assert_eq!(found.v1("pids"), None);
        assert_eq!(found.v2.map(|v2| v2.own), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn a_group_that_is_named_is_found_in_every_hierarchy() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        let mut found = Hierarchies::parse(mounts, "2:cpu:/a\n0::/a");
        found.enter("/ci/builds").unwrap();
        assert_eq!(found.v1("cpu"), Some(Path::new("/sys/fs/cgroup/cpu/ci/builds")));
        assert_eq!(
            found.v2.as_ref().map(|v2| v2.own.clone()),
            Some("/sys/fs/cgroup/unified/ci/builds".into())
        );
        assert!(found.enter("/ci/../..").is_err());
    }

    #[test]
    fn limits_are_written_for_both_versions() {
        let limits = Limits {
            memory: Some(1 << 20),
            swap: Swap::Total(3 << 20),
            cpu_shares: Some(1024),
            cpus: Some("0-1".to_owned()),
            ..Limits::default()
        };
        let settings = settings(&limits);
        let v1: Vec<_> = settings.iter().flat_map(|setting| setting.v1.clone()).collect();
        let v2: Vec<_> = settings.iter().flat_map(|setting| setting.v2.clone()).collect();
        let has = |values: &[(&str, String)], name, value: &str| {
            values.iter().any(|has| has.0 == name && has.1 == value)
        };
        assert!(has(&v1, "memory.memsw.limit_in_bytes", "3145728") && has(&v2, "memory.swap.max", "2097152"));
        assert!(has(&v1, "cpu.shares", "1024") && has(&v2, "cpu.weight", "39"));
        assert!(
            has(&v1, "cpuset.cpus", "0-1") && has(&v1, "cpuset.mems", "") && has(&v2, "cpuset.cpus", "0-1")
        );
        assert!(!v2.iter().any(|(name, _)| *name == "cpuset.mems"));
    }

    #[test]
    fn a_mount_that_begins_at_the_container_is_not_joined_twice() {
        let mounts = "50 1 0:29 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids";
        let groups = "8:pids:/docker/abc/child";
        let found = Hierarchies::parse(mounts, groups);
        assert_eq!(found.v1("pids"), Some(Path::new("/sys/fs/cgroup/pids/child")));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(mounts in "[a-z0-9/ :,\\n-]{0,200}", groups in "[a-z0-9/:,\\n]{0,100}") {
            Hierarchies::parse(&format!("1 1 0:1 / /x rw - cgroup c {mounts}"), &groups);
            Hierarchies::parse(&mounts, &groups);
        }
    }
}
