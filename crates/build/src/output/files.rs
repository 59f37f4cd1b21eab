//! The files of an image themselves, as one tar archive or in a directory, with what is said of them beside
//! them: `provenance.json`, `sbom.spdx.json`.
//!
//! As in BuildKit, the files of several platforms are in a directory each (`linux_amd64`), unless
//! `platform-split` says otherwise, and every time is that of `SOURCE_DATE_EPOCH` where it is given.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use wharf_layer::{
    Change, Compression, DiffOptions, Entry, Kind, LayerWriter, Ownership, Timestamp, WriteOptions,
};
use wharf_oci::{Hashing, Platform};

use super::Job;
use crate::copy::{Attributes, Target, copy, set_time_of};
use crate::error::{Cause, StepError};
use crate::snapshot::{View, Views};
use crate::tree::{Moment, Owners, Query, Tree, pick};

/// How `type=local` and `type=tar` lay files out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether each platform has a directory of its own; `None` where there are several.
    pub platform_split: Option<bool>,
    /// What the names of attestations begin with.
    pub attestation_prefix: String,
}

/// The files of one image.
struct Part {
    platform: Platform,
    view: Arc<View>,
    /// The directory that they are in; empty for the top.
    prefix: PathBuf,
    /// What is said of them, by file name.
    statements: BTreeMap<String, Vec<u8>>,
}

/// Writes the files as a tar archive.
pub(super) fn write_tar(file: File, job: &Job<'_>) -> Result<(), StepError> {
    let write = WriteOptions { compression: Compression::None, ..WriteOptions::default() };
    let mut tar = LayerWriter::new(BufWriter::new(file), &write);
    for part in parts(job)? {
        part.append(&mut tar, job)?;
    }
    let (mut out, _) = tar.finish()?;
    out.flush().map_err(Cause::file("writing", Path::new("the archive")))
}

/// Copies the files into a directory, to what is there already.
pub(super) fn write_directory(path: &Path, job: &Job<'_>) -> Result<(), StepError> {
    for part in parts(job)? {
        let place = path.join(&part.prefix);
        part.copy_to(&place, job.epoch)?;
        for (name, text) in &part.statements {
            write_statement(&place.join(name), text, job.epoch)?;
        }
    }
    Ok(())
}

/// The files of each image, which do not get in one another's way.
fn parts(job: &Job<'_>) -> Result<Vec<Part>, StepError> {
    let several = job.images.len() > 1;
    let is_split = job.files.platform_split.unwrap_or(several);
    let mut parts = Vec::new();
    for (place, (image, chain)) in job.images.iter().zip(job.chains).enumerate() {
        let view = Views::default().open(chain, job.snapshots)?;
        let name = image.platform.to_string().replace('/', "_");
        let prefix = if is_split { PathBuf::from(&name) } else { PathBuf::new() };
        let mut part = Part { platform: image.platform.clone(), view, prefix, statements: BTreeMap::new() };
        if let Some(said) = job.statements.get(place).filter(|said| !said.is_empty()) {
            let subjects = part.subjects(job)?;
            for statement in said {
                let (base, extension) = statement.file_name();
                let platform = if several && !is_split { format!(".{name}") } else { String::new() };
                let file = format!("{}{base}{platform}.{extension}", job.files.attestation_prefix);
                let text = format!("{:#}", statement.document(&subjects));
                part.statements.insert(file, text.into_bytes());
            }
        }
        parts.push(part);
    }
    if several && !is_split {
        apart(&parts, job)?;
    }
    Ok(parts)
}

/// Makes sure that no file of one image would overwrite that of another.
fn apart(parts: &[Part], job: &Job<'_>) -> Result<(), StepError> {
    let mut taken: BTreeMap<PathBuf, (bool, &Platform)> = BTreeMap::new();
    for part in parts {
        for entry in part.entries(job)? {
            let is_dir = entry.kind == Kind::Directory;
            let first = taken.entry(entry.path.clone()).or_insert((is_dir, &part.platform));
            if first.1 != &part.platform && !(is_dir && first.0) {
                let text = format!(
                    "`{}` of {} would be overwritten by that of {}: with platform-split=false all platforms \
                     share one directory",
                    entry.path.display(),
                    first.1,
                    part.platform
                );
                return Err(Cause::Refused(text).into());
            }
        }
    }
    Ok(())
}

impl Part {
    /// Everything in it; on top of nothing, everything is a change.
    fn walk(
        &self,
        job: &Job<'_>,
        visit: impl FnMut(Change) -> Result<(), wharf_layer::Error>,
    ) -> Result<(), StepError> {
        let options = DiffOptions { ownership: job.engine.ownership(), ..DiffOptions::default() };
        Ok(wharf_layer::diff(self.view.tree.path(), &[], &options, visit)?)
    }

    fn entries(&self, job: &Job<'_>) -> Result<Vec<Entry>, StepError> {
        let mut entries = Vec::new();
        self.walk(job, |change| {
            entries.push(change.entry);
            Ok(())
        })?;
        Ok(entries)
    }

    /// What statements are about: each file by its digest.
    fn subjects(&self, job: &Job<'_>) -> Result<Vec<Value>, StepError> {
        let mut subjects = Vec::new();
        for entry in self.entries(job)? {
            if !matches!(entry.kind, Kind::File { .. } | Kind::HardLink { .. }) {
                continue;
            }
            let read = || {
                let mut hashing = Hashing::new(self.view.tree.open_file(&entry.path)?);
                io::copy(&mut hashing, &mut io::sink())?;
                Ok::<_, io::Error>(hashing.finish().1)
            };
            let digest = read().map_err(Cause::file("reading", &entry.path))?;
            let digest = json!({ digest.algorithm().to_string(): digest.digest() });
            subjects.push(json!({ "name": entry.path.to_string_lossy(), "digest": digest }));
        }
        Ok(subjects)
    }

    /// Adds the files to an archive, statements in their places among them.
    fn append(&self, tar: &mut LayerWriter<BufWriter<File>>, job: &Job<'_>) -> Result<(), StepError> {
        let epoch = job.epoch.map(Timestamp::from_seconds);
        if !self.prefix.as_os_str().is_empty() {
            let mut directory = Entry::directory(&self.prefix);
            directory.metadata.mtime = epoch.unwrap_or_default();
            tar.append(&directory, io::empty())?;
        }
        let mut said = self.statements.iter().peekable();
        let mut say = |tar: &mut LayerWriter<_>, before: Option<&Path>| {
            while let Some((name, text)) =
                said.next_if(|(name, _)| before.is_none_or(|path| Path::new(name) < path))
            {
                let mut entry = Entry::file(self.prefix.join(name), text.len() as u64);
                entry.metadata.mode = 0o600;
                entry.metadata.mtime = epoch.unwrap_or_else(now);
                tar.append(&entry, Cursor::new(text))?;
            }
            Ok::<_, wharf_layer::Error>(())
        };
        self.walk(job, |Change { mut entry, content }| {
            say(tar, Some(&entry.path))?;
            entry.path = self.prefix.join(&entry.path);
            if let Kind::HardLink { target } = &mut entry.kind {
                *target = self.prefix.join(&*target);
            }
            entry.metadata.mtime = epoch.unwrap_or(entry.metadata.mtime);
            match content {
                Some(content) => tar.append(&entry, content),
                None => tar.append(&entry, io::empty()),
            }
        })?;
        Ok(say(tar, None)?)
    }

    /// Copies the files to `place`; they belong to whoever asked for them.
    fn copy_to(&self, place: &Path, epoch: Option<i64>) -> Result<(), StepError> {
        fs::create_dir_all(place).map_err(Cause::file("making directory", place))?;
        let root = Tree::open(place, Owners::Kept).map_err(Cause::file("opening", place))?;
        let attributes = Attributes { owner: Some((0, 0)), mode: None, ownership: Ownership::Real };
        let target = Target { root: &root, dest: "/", attributes };
        let everything = Query { path: "/", glob: false, parents: None, excludes: &[] };
        for pick in pick(&self.view.tree, &everything)? {
            copy(&self.view.tree, &pick, false, &target)?;
            let Some(epoch) = epoch else { continue };
            // What is in a directory before the directory.
            for entry in pick.entries.iter().rev().filter(|entry| !entry.path.as_os_str().is_empty()) {
                set_epoch(&place.join(&entry.path), epoch)?;
            }
        }
        Ok(())
    }
}

fn write_statement(path: &Path, text: &[u8], epoch: Option<i64>) -> Result<(), StepError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut file =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(directory)?;
        file.write_all(text)?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map_err(Cause::file("writing", path))?;
    epoch.map_or(Ok(()), |epoch| set_epoch(path, epoch))
}

fn set_epoch(path: &Path, epoch: i64) -> Result<(), StepError> {
    let moment = Moment { seconds: epoch, nanoseconds: 0 };
    set_time_of(path, moment).map_err(Cause::file("setting the time of", path))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or_default())
}
