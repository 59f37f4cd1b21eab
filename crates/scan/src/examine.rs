//! One file after another, as a layer or a directory gives them: who wants to see it, and what they find.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use crate::archive::{EntryKind, TarReader, spool_without_weights};
use crate::blob::{self, Blob};
use crate::findings::Finding;
use crate::image::{DirectoryRecord, FileRecord, LayerReport};
use crate::inventory::Catalog;
use crate::model;
use crate::scan::Checks;
use crate::secrets::{self, SecretRules};

/// How much of a file is looked at to tell what it is.
const HEAD: usize = 4096;
/// The largest file that the inventory reads: a program, or a jar.
const MAX_METADATA: u64 = 4 << 30;

/// Archives longer than this are looked through for weights, which are not kept.
const MANY: u64 = 8 << 20;

/// How many directories down from the root are kept.
const NEAR: usize = 3;

/// Looks at files and keeps what it learns.
#[derive(Debug)]
pub(crate) struct Examiner {
    checks: Checks,
    rules: SecretRules,
    catalog: Catalog,
    files: Vec<FileRecord>,
    directories: Vec<DirectoryRecord>,
    whiteouts: Vec<String>,
    opaques: Vec<String>,
    findings: Vec<Finding>,
}

impl Examiner {
    pub(crate) fn new(checks: Checks, rules: &SecretRules) -> Self {
        Self {
            checks,
            rules: rules.clone(),
            catalog: Catalog::default(),
            files: Vec::new(),
            directories: Vec::new(),
            whiteouts: Vec::new(),
            opaques: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Looks at every entry of a layer's tar stream.
    pub(crate) fn layer(&mut self, stream: impl BufRead) -> io::Result<()> {
        let mut reader = TarReader::new(stream);
        while let Some(entry) = reader.next_entry()? {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            if name == ".wh..wh..opq" {
                self.opaques.push(parent.to_owned());
            } else if let Some(removed) = name.strip_prefix(".wh.") {
                let path = if parent.is_empty() { removed.to_owned() } else { format!("{parent}/{removed}") };
                self.whiteouts.push(path);
            } else if entry.kind == EntryKind::Directory {
                if entry.path.matches('/').count() < NEAR {
                    let (mode, uid) = (entry.mode, entry.uid);
                    self.directories.push(DirectoryRecord { path: entry.path, mode, uid });
                }
            } else if matches!(entry.kind, EntryKind::File | EntryKind::HardLink | EntryKind::Symlink) {
                self.files.push(FileRecord { path: entry.path.clone(), size: entry.size });
                match entry.kind {
                    EntryKind::File => self.stream(&entry.path, entry.size, &mut reader)?,
                    // What is deleted by its first name only is still there.
                    EntryKind::HardLink if self.checks.needs_packages() => {
                        self.catalog.add_link(&entry.path, &entry.target);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Looks at a file that can only be read in order.
    fn stream(&mut self, path: &str, size: u64, mut content: impl Read) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD.min(size as usize));
        (&mut content).take(HEAD as u64).read_to_end(&mut head)?;
        let Some(wanted) = self.wanted(path, size, &head) else { return Ok(()) };
        let content = head.as_slice().chain(content);
        let spooled = match head.starts_with(b"PK\x03\x04") && size > MANY {
            true => spool_without_weights(content, wanted)?,
            false => blob::spool(content, wanted)?,
        };
        if let Some(error) = spooled.error {
            return Err(error);
        }
        self.whole(path, &spooled.blob.with_length(size));
        Ok(())
    }

    /// Looks at a file of this size at `place`. It is opened if its name does not tell that nobody wants it, and read no further than
    /// its beginning if that tells.
    pub(crate) fn file(&mut self, path: &str, size: u64, place: &Path) -> io::Result<()> {
        self.files.push(FileRecord { path: path.to_owned(), size });
        let may_speak = self.checks.needs_packages() && Catalog::may_want(path, size);
        let may_hold = size > 0 && (self.checks.models || self.checks.secrets);
        if !may_speak && !may_hold {
            return Ok(());
        }
        let file = File::open(place)?;
        let mut head = Vec::with_capacity(HEAD.min(size as usize));
        (&file).take(HEAD as u64).read_to_end(&mut head)?;
        if self.wanted(path, size, &head).is_some() {
            self.whole(path, &Blob::of_file(file)?);
        }
        Ok(())
    }

    /// Looks at a file that is in memory.
    pub(crate) fn bytes(&mut self, path: &str, content: Vec<u8>) {
        let size = content.len() as u64;
        self.files.push(FileRecord { path: path.to_owned(), size });
        if self.wanted(path, size, &content[..content.len().min(HEAD)]).is_some() {
            self.whole(path, &content.into());
        }
    }

    /// How many bytes somebody wants to see of a file that begins like this.
    fn wanted(&self, path: &str, size: u64, head: &[u8]) -> Option<u64> {
        let checks = self.checks;
        let metadata =
            (checks.needs_packages() && Catalog::wants(path, size, head).is_some()).then_some(MAX_METADATA);
        let model =
            (checks.models && model::wants(path, size, head)).then(|| model::needed(path, size, head));
        let secret = (checks.secrets && secrets::wants(path, size, head)).then_some(secrets::MAX_SIZE);
        metadata.max(model).max(secret)
    }

    fn whole(&mut self, path: &str, blob: &Blob) {
        let checks = self.checks;
        // What was spooled is in memory or in a file of our own; if that cannot be read, the head decides.
        let head = blob.bytes(0, HEAD).unwrap_or_default();
        if let Some(source) = Catalog::wants(path, blob.len(), &head).filter(|_| checks.needs_packages()) {
            self.catalog.add(source, path, blob);
        }
        if checks.models && model::wants(path, blob.len(), &head) {
            self.findings.extend(model::scan(path, blob));
        }
        if checks.secrets && secrets::wants(path, blob.len(), &head) {
            let content = blob.bytes(0, secrets::MAX_SIZE as usize).unwrap_or_default();
            self.findings.extend(secrets::scan(path, &content, &self.rules));
        }
    }

    /// What was learnt.
    pub(crate) fn finish(self) -> LayerReport {
        let (package_files, os_release, owned) = self.catalog.finish();
        LayerReport {
            version: LayerReport::VERSION,
            looked_for: self.checks,
            files: self.files,
            directories: self.directories,
            whiteouts: self.whiteouts,
            opaques: self.opaques,
            package_files,
            os_release,
            owned,
            findings: self.findings,
        }
    }
}
