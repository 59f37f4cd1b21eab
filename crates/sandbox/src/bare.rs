//! Running a command with `chroot` alone, on a host that allows no namespaces and no mounts.
//!
//! What would be mounted elsewhere is put into the root directory itself for as long as the command runs, and
//! taken out again: files and devices are made, directories that are written to are moved in and moved back,
//! the others are copied. What was in their place is set aside meanwhile. Everything goes through descriptors of
//! the directories it is in, so whatever the command does to the tree, nothing outside is touched.
//!
//! Without a pid namespace nothing ends with its first process; so whatever still has this root when the command
//! has ended is killed.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat,
    fstat, makedev, mkdirat, mknodat, openat, openat2, renameat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, chdir, chroot, kill_process};

use crate::report::{self, During, Failure};
use crate::{Error, Limits, Mount, Network, Root, Spec, path};

/// The devices that every command finds.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
/// Links followed in one path before it counts as a loop, as in the kernel.
const LINKS_MAX: usize = 40;
/// The name under which what is in the way is set aside.
const ASIDE: &str = ".wharf-aside-";

/// What has been put into a root directory, to be taken out again.
#[derive(Debug, Default)]
pub(crate) struct Furnishing {
    root: PathBuf,
    undo: Vec<Undo>,
}

/// One thing to be undone; the last is undone first.
#[derive(Debug)]
enum Undo {
    /// Something was made.
    Remove(Place),
    /// A directory was made that goes again only if it is empty.
    RemoveEmpty(Place),
    /// Something was moved here from elsewhere.
    MoveBack(Place, PathBuf),
    /// What was here has another name.
    Restore(Place, OsString),
    /// A directory had this time of modification, unless it has changed since: then it has that.
    Time(OwnedFd, Moment, Option<Moment>),
}

type Moment = (i64, i64);

/// A name in an open directory.
#[derive(Debug)]
struct Place {
    parent: OwnedFd,
    name: OsString,
}

/// How far a path has led.
enum Step {
    There(Place),
    /// On, by way of this path.
    Link(PathBuf),
}

/// Why this rung cannot run what is asked for.
pub(crate) fn check(spec: &Spec) -> Result<PathBuf, Error> {
    let refuse = |what: &str| {
        Err(Error::Invalid(format!("this host lets wharf make no namespaces, and without them {what}")))
    };
    if spec.terminal {
        return refuse("a process cannot have a terminal of its own");
    }
    if !matches!(spec.network, Network::Host) {
        return refuse("a process cannot be kept from the network");
    }
    if spec.readonly {
        return refuse("its root file system cannot be made read-only");
    }
    if spec.limits != Limits::default() {
        return refuse("it cannot be held to limits of memory and processor time");
    }
    match &spec.root {
        Root::Dir(directory) => Ok(directory.clone()),
        Root::Overlay(_) => refuse("layers cannot be mounted on one another"),
    }
}

/// What the child does before it becomes the command; nothing here allocates.
pub(crate) fn enter(root: &CStr) -> Result<(), Failure> {
    chroot(root).during(report::Step::Root)?;
    chdir(c"/").during(report::Step::Root)
}

impl Furnishing {
    /// Puts everything in its place. What was done when something fails is undone.
    pub(crate) fn new(root: &Path, spec: &Spec) -> Result<Self, Error> {
        let mut furnishing = Self { root: root.to_owned(), undo: Vec::new() };
        furnishing.devices().map_err(|source| Error::Path { path: root.join("dev"), source })?;
        for mount in &spec.mounts {
            let put = furnishing.put(mount);
            put.map_err(|source| Error::Path { path: mount.target().to_owned(), source })?;
        }
        Ok(furnishing)
    }

    fn devices(&mut self) -> io::Result<()> {
        for (name, major, minor) in DEVICES {
            let place = self.find(&Path::new("/dev").join(name))?;
            self.keep_time(&place)?;
            let make =
                |kind, device| mknodat(&place.parent, &place.name, kind, Mode::from_raw_mode(0o666), device);
            let made = match make(FileType::CharacterDevice, makedev(major, minor)) {
                // A file takes what is written to it as well as a device does.
                Err(Errno::PERM) => make(FileType::RegularFile, 0),
                made => made,
            };
            match made {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(errno.into()),
            }
            rustix::fs::chmodat(&place.parent, &place.name, Mode::from_raw_mode(0o666), AtFlags::empty())?;
            self.undo.push(Undo::Remove(place));
        }
        let shm = Mount::Tmpfs { target: "/dev/shm".into(), size: None, mode: 0o1777 };
        self.put(&shm)
    }

    fn put(&mut self, mount: &Mount) -> io::Result<()> {
        let place = self.find(mount.target())?;
        self.keep_time(&place)?;
        let place = self.set_aside(place)?;
        match mount {
            Mount::File { contents, mode, uid, gid, .. } => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = openat(&place.parent, &place.name, flags, Mode::from_raw_mode(0o600))?;
                let mut file = File::from(file);
                self.undo.push(Undo::Remove(place));
                file.write_all(contents)?;
                std::os::unix::fs::fchown(&file, Some(*uid), Some(*gid))?;
                file.set_permissions(fs::Permissions::from_mode(*mode))
            }
            Mount::Tmpfs { mode, .. } => {
                mkdirat(&place.parent, &place.name, Mode::from_raw_mode(0o700))?;
                rustix::fs::chmodat(
                    &place.parent,
                    &place.name,
                    Mode::from_raw_mode(*mode),
                    AtFlags::empty(),
                )?;
                self.undo.push(Undo::Remove(place));
                Ok(())
            }
            Mount::Bind { source, readonly: false, .. } => {
                renameat(rustix::fs::CWD, source, &place.parent, &place.name)?;
                self.undo.push(Undo::MoveBack(place, source.clone()));
                Ok(())
            }
            Mount::Bind { source, readonly: true, .. } => {
                let target = place.path();
                self.undo.push(Undo::Remove(place));
                copy(source, &target)
            }
        }
    }

    /// The place of an absolute path in the root, links followed inside of it. Directories on the way that are
    /// missing are made.
    fn find(&mut self, target: &Path) -> io::Result<Place> {
        let mut target = target.to_owned();
        for _ in 0..LINKS_MAX {
            match self.step(&target)? {
                Step::There(place) => return Ok(place),
                Step::Link(next) => target = next,
            }
        }
        Err(Errno::LOOP.into())
    }

    /// Walks as far as the first link that has to be followed by hand: one that leads nowhere yet, or the last.
    fn step(&mut self, target: &Path) -> io::Result<Step> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&self.root, flags, Mode::empty())?;
        let is_name =
            |component: &Component<'_>| matches!(component, Component::Normal(_) | Component::ParentDir);
        let names: Vec<&OsStr> = target.components().filter(is_name).map(Component::as_os_str).collect();
        let mut path = PathBuf::from(".");
        for (index, name) in names.iter().enumerate() {
            let place = Place { parent: open_inside(&root, &path, flags)?, name: (*name).to_owned() };
            let rest: PathBuf = names[index + 1..].iter().collect();
            let is_last = index + 1 == names.len();
            path.push(name);
            if is_last || open_inside(&root, &path, flags).is_err() {
                if let Some(link) = place.link() {
                    path.pop();
                    return Ok(Step::Link(Path::new("/").join(path).join(link).join(rest)));
                }
                if is_last {
                    return Ok(Step::There(place));
                }
                self.keep_time(&place)?;
                mkdirat(&place.parent, *name, Mode::from_raw_mode(0o755))?;
                self.undo.push(Undo::RemoveEmpty(place));
            }
        }
        Err(Errno::ISDIR.into())
    }

    /// Gives what is at `place` another name for the time being.
    fn set_aside(&mut self, place: Place) -> io::Result<Place> {
        let aside = OsString::from(format!("{ASIDE}{}", self.undo.len()));
        match renameat(&place.parent, &place.name, &place.parent, &aside) {
            Ok(()) => self.undo.push(Undo::Restore(place.again()?, aside)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(place)
    }

    /// Remembers the time of the directory around `place`, which what is done there would change.
    fn keep_time(&mut self, place: &Place) -> io::Result<()> {
        let time = modified(&place.parent)?;
        let known = self.undo.iter().any(|undo| match undo {
            Undo::Time(directory, ..) => same(directory, &place.parent),
            _ => false,
        });
        if !known {
            self.undo.push(Undo::Time(place.parent.try_clone()?, time, None));
        }
        Ok(())
    }

    /// Notes how everything stands when the command begins.
    pub(crate) fn settle(&mut self) {
        for undo in &mut self.undo {
            if let Undo::Time(directory, _, now) = undo {
                *now = modified(&*directory).ok();
            }
        }
    }

    /// Ends what still runs in the root, and takes everything out again.
    pub(crate) fn remove(mut self) -> Result<(), Error> {
        self.take_out()
    }

    fn take_out(&mut self) -> Result<(), Error> {
        if self.root.as_os_str().is_empty() {
            return Ok(());
        }
        kill_all_in(&self.root);
        // A directory keeps its new time where the command has changed it, too.
        let changed = self.undo.iter().map(|undo| match undo {
            Undo::Time(directory, _, now) => modified(directory).ok() != *now,
            _ => false,
        });
        let changed: Vec<bool> = changed.collect();
        let mut failure = None;
        for (undo, changed) in std::mem::take(&mut self.undo).into_iter().zip(changed).rev() {
            if let Err(source) = undo.perform(changed) {
                failure.get_or_insert(source);
            }
        }
        let path = std::mem::take(&mut self.root);
        failure.map_or(Ok(()), |source| Err(Error::Path { path, source }))
    }
}

impl Drop for Furnishing {
    fn drop(&mut self) {
        // Nobody is left to hear of it.
        let _ = self.take_out();
    }
}

impl Undo {
    fn perform(self, changed: bool) -> io::Result<()> {
        match self {
            Self::Remove(place) => place.remove(),
            Self::RemoveEmpty(place) => {
                // What the command put there stays.
                let _ = unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR);
                Ok(())
            }
            Self::MoveBack(place, source) => {
                Ok(renameat(&place.parent, &place.name, rustix::fs::CWD, &source)?)
            }
            Self::Restore(place, aside) => {
                place.remove()?;
                Ok(renameat(&place.parent, &aside, &place.parent, &place.name)?)
            }
            Self::Time(_, _, _) if changed => Ok(()),
            Self::Time(directory, (tv_sec, tv_nsec), _) => {
                let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
                let last_modification = Timespec { tv_sec, tv_nsec: tv_nsec as _ };
                let times = Timestamps { last_access, last_modification };
                Ok(utimensat(&directory, c".", &times, AtFlags::empty())?)
            }
        }
    }
}

impl Place {
    fn again(&self) -> io::Result<Self> {
        Ok(Self { parent: self.parent.try_clone()?, name: self.name.clone() })
    }

    fn link(&self) -> Option<PathBuf> {
        let target = rustix::fs::readlinkat(&self.parent, &self.name, Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// A path to it that leads through the open directory.
    fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.parent.as_raw_fd().to_string()).join(&self.name)
    }

    fn remove(&self) -> io::Result<()> {
        let stat = match statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            stat => stat?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => fs::remove_dir_all(self.path()),
            _ => Ok(unlinkat(&self.parent, &self.name, AtFlags::empty())?),
        }
    }
}

fn open_inside(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

fn modified(directory: impl AsFd) -> io::Result<Moment> {
    let stat = fstat(directory)?;
    Ok((stat.st_mtime, stat.st_mtime_nsec as i64))
}

fn same(a: &OwnedFd, b: &OwnedFd) -> bool {
    let id = |directory: &OwnedFd| fstat(directory).ok().map(|stat| (stat.st_dev, stat.st_ino));
    id(a).is_some() && id(a) == id(b)
}

/// Copies files and directories with owner, mode and time.
fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        fs::create_dir(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            copy(&entry.path(), &target.join(entry.file_name()))?;
        }
    } else if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(source)?, target)?;
    } else if kind.is_file() {
        let mut from = File::open(source)?;
        let mut to = File::options().write(true).create_new(true).mode(0o600).open(target)?;
        io::copy(&mut from, &mut to)?;
    } else {
        // A socket is reached by its inode, and other nodes have no content.
        return fs::hard_link(source, target);
    }
    let owner = (Some(Uid::from_raw(metadata.uid())), Some(Gid::from_raw(metadata.gid())));
    chownat(rustix::fs::CWD, target, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if !kind.is_symlink() {
        fs::set_permissions(target, metadata.permissions())?;
    }
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
    let last_modification = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() as _ };
    let times = Timestamps { last_access, last_modification };
    Ok(utimensat(rustix::fs::CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Kills every process whose root directory is `root`, until there is none.
fn kill_all_in(root: &Path) {
    let Ok(wanted) = fs::metadata(root).map(|metadata| (metadata.dev(), metadata.ino())) else { return };
    loop {
        let mut any = false;
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let its_root = fs::metadata(entry.path().join("root"));
            let is_in = its_root.is_ok_and(|its| (its.dev(), its.ino()) == wanted);
            if is_in
                && !is_dead(&entry.path())
                && let Some(pid) = Pid::from_raw(pid)
            {
                any |= kill_process(pid, Signal::KILL).is_ok();
            }
        }
        if !any {
            return;
        }
        std::thread::yield_now();
    }
}

/// Whether a process only waits for its parent to notice that it has ended.
fn is_dead(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
}

/// The root as the child needs it.
pub(crate) fn c_root(root: &Path) -> Result<CString, Error> {
    path::c_path(root)
}
