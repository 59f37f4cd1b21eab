//! Entries of an archive made into files, below one directory and nowhere else.
//!
//! Later entries win over earlier ones of the same name, whatever the two are. Everything is done
//! relative to open directories of a [`Tree`], so neither names nor links lead outside.

mod directory;
mod hollow;
mod node;
mod whiteouts;

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::File,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Stat, statat},
    io::Errno,
};

pub use hollow::lay_out;

use crate::{
    Entry, Error, Form, Kind, Limits, Metadata, Ownership,
    member::{Whiteouts, interpret},
    outline::Tracing,
    remove::remove,
    stack::Stack,
    stream::Decompressed,
    tar::TarReader,
    tree::{Place, Tree, open_directory},
};

/// How much of a stream passes before its compression ratio is looked at.
const RATIO_FROM: u64 = 4 << 30;

/// What is done with entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) form: Form,
    pub(crate) ownership: Ownership,
    pub(crate) whiteouts: Whiteouts,
    /// Who owns everything, instead of whom the archive says.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) limits: Limits,
}

/// Makes the entries of one archive.
pub(crate) struct Unpacker<'a> {
    tree: Tree,
    policy: Policy,
    lowers: Stack<'a>,
    /// Inodes that this archive made and that its own whiteouts spare, kept in [`Form::Plain`].
    own: HashSet<u64>,
    /// Directories in the order of their entries. Their mode and time are set when nothing changes in
    /// them any more.
    directories: Vec<(PathBuf, Metadata)>,
    entries: u64,
    bytes: u64,
    /// The files that get their content; `None` is all.
    pub(crate) kept: Option<&'a [PathBuf]>,
    /// What the entries are, where somebody wants to know.
    pub(crate) tracing: Option<Tracing>,
    /// The content of the current file, if its outline has it.
    traced: Vec<u8>,
    pub(crate) implied: Vec<PathBuf>,
    pub(crate) placeholders: Vec<PathBuf>,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(tree: Tree, policy: Policy, lowers: &'a [PathBuf]) -> Self {
        Self {
            tree,
            policy,
            lowers: Stack::new(lowers),
            own: HashSet::new(),
            directories: Vec::new(),
            entries: 0,
            bytes: 0,
            kept: None,
            tracing: None,
            traced: Vec::new(),
            implied: Vec::new(),
            placeholders: Vec::new(),
        }
    }

    /// Makes all entries of the archive in `stream`. Gives their number.
    pub(crate) fn unpack(&mut self, stream: &mut Decompressed) -> Result<u64, Error> {
        let mut archive = TarReader::new(stream);
        let mut latest = PathBuf::new();
        while let Some(entry) = archive.next_entry().map_err(|error| after(&latest, error))? {
            latest.clone_from(&entry.path);
            self.admit(&entry)?;
            if let Some(entry) = interpret(entry, self.policy.whiteouts)? {
                let traced = self.tracing.is_some().then(|| entry.clone());
                self.make(entry, &mut archive).map_err(|error| after(&latest, error))?;
                if let (Some(tracing), Some(entry)) = (&mut self.tracing, traced) {
                    tracing.record(entry, Some(std::mem::take(&mut self.traced)));
                }
            }
        }
        self.finish_directories()?;
        Ok(self.entries)
    }

    fn admit(&mut self, entry: &Entry) -> Result<(), Error> {
        let Limits { entries, bytes, .. } = self.policy.limits;
        let exceeded = |limit, unit| Err(Error::LimitExceeded { entry: entry.path.clone(), limit, unit });
        self.entries += 1;
        if let Kind::File { size } = entry.kind {
            self.bytes = self.bytes.saturating_add(size);
        }
        match () {
            () if self.entries > entries => exceeded(entries, "entries"),
            () if self.bytes > bytes => exceeded(bytes, "bytes"),
            () => Ok(()),
        }
    }

    fn make(&mut self, mut entry: Entry, archive: &mut TarReader<&mut Decompressed>) -> Result<(), Error> {
        if let Some((uid, gid)) = self.policy.owner {
            (entry.metadata.uid, entry.metadata.gid) = (uid, gid);
        }
        match entry.kind {
            Kind::Whiteout => return self.remove_lower(&entry.path),
            Kind::Opaque => return self.hide_lower(&entry.path),
            _ => {}
        }
        let Some(name) = entry.path.file_name() else { return Ok(()) };
        let parent = self.enter(entry.path.parent().unwrap_or(Path::new("")))?;
        let spot = Spot { parent: &parent, name };
        match &entry.kind {
            Kind::Directory => self.make_directory(spot, entry.metadata.clone())?,
            Kind::File { .. } => self.make_file(spot, &entry.metadata, archive)?,
            Kind::HardLink { target } => self.make_hard_link(spot, target, &entry.metadata)?,
            _ => self.make_node(spot, &entry.kind, &entry.metadata)?,
        }
        if self.policy.form == Form::Plain && self.policy.whiteouts == Whiteouts::Interpreted {
            self.own.extend(spot.stat()?.map(|stat| stat.st_ino));
        }
        Ok(())
    }

    /// Makes something at `spot`, in place of whatever is there.
    fn replace<T>(
        &mut self,
        spot: Spot<'_>,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                self.tree.forget();
                remove(spot.parent.directory.as_fd(), spot.name, &HashSet::new())?;
                make()
            }
            result => result,
        }
    }
}

/// Fails when far more has come out of a stream than went in.
pub(crate) fn check_ratio(limits: Limits, path: &Path, stream: &Decompressed) -> Result<(), Error> {
    let limit = limits.ratio;
    if stream.consumed() > RATIO_FROM && stream.consumed() > stream.compressed().saturating_mul(limit) {
        let unit = "bytes for every compressed byte";
        return Err(Error::LimitExceeded { entry: path.to_owned(), limit, unit });
    }
    Ok(())
}

/// Where an entry goes.
#[derive(Clone, Copy)]
struct Spot<'a> {
    parent: &'a Place,
    name: &'a OsStr,
}

impl Spot<'_> {
    fn path(&self) -> PathBuf {
        self.parent.path.join(self.name)
    }

    /// What is there now.
    fn stat(&self) -> Result<Option<Stat>, Error> {
        match statat(&self.parent.directory, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            stat => stat.map(Some).map_err(Error::file("examining", self.path())),
        }
    }

    fn holds_directory(&self) -> Result<bool, Error> {
        Ok(self.stat()?.is_some_and(|stat| file_type(&stat) == FileType::Directory))
    }

    fn open_directory(&self) -> Result<File, Error> {
        open_directory(&self.parent.directory, self.name).map_err(Error::file("opening", self.path()))
    }
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Says of an archive that is malformed where no name is known after which entry that was.
fn after(latest: &Path, error: Error) -> Error {
    match error {
        Error::Malformed { entry: None, reason } if !latest.as_os_str().is_empty() => {
            Error::Malformed { entry: Some(latest.to_owned()), reason }
        }
        error => error,
    }
}
