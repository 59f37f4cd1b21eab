//! `COPY` and `ADD`: what was picked goes to its destination.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wharf_layer::archive::{ExtractOptions, extract, is_archive};

use super::inputs::Inputs;
use super::{Done, Request};
use crate::contexts::check_out;
use crate::copy::{Attributes, Target, copy as copy_pick, make_destination, resolve_owner, write_file};
use crate::download::Downloaded;
use crate::error::{Cause, StepError};
use crate::event::Event;
use crate::plan::{CopyOp, CopySource, GitSource};
use crate::session::Session;
use crate::snapshot::{Chain, Glance, Workspace};
use crate::tree::{Kind, Moment, Owners, Pick, Query, Tree, pick};

pub(super) fn copy(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &CopyOp,
    inputs: &mut Inputs,
) -> Result<Done, StepError> {
    let nothing = Chain::empty();
    let below = if op.link { &nothing } else { request.parent };
    let glance = match request.sketch {
        true => glance(session, op, inputs)?,
        false => None,
    };
    let workspace = match &glance {
        Some(glance) => Workspace::sketch(below, glance, &session.snapshots)?,
        None => Workspace::for_copies(below, &session.snapshots)?,
    };
    let downloads = std::mem::take(&mut inputs.downloads);
    let changed = {
        let root = workspace.tree()?;
        // On nothing there is nobody to be known.
        let known = Some(&root).filter(|_| !op.link && !below.layers.is_empty());
        let owner = op.chown.as_deref().map(|chown| owner(session, chown, known)).transpose()?;
        let attributes = Attributes { owner, mode: op.chmod.as_ref(), ownership: session.engine.ownership() };
        let target = Target { root: &root, dest: &op.dest, attributes };
        Copying { session, op, target, changed: None }.run(inputs, &downloads)?
    };
    if let Some(path) = &changed {
        let text = format!("/{} changed while it was copied; the step will not be cached", path.display());
        (session.events)(Event::Warning { text });
    }
    let (written, sketch) = workspace.close();
    if let Some(sketch) = sketch {
        session.snapshots.fill(&sketch, &sketch.repeats(&written.upper))?;
    }
    Ok(Done { written, forget: changed.is_some() })
}

/// What a copy may come upon at its destination. `None` where it takes more than a look: what an archive brings
/// may be a link to a file that is there.
fn glance(session: &Session<'_>, op: &CopyOp, inputs: &mut Inputs) -> Result<Option<Glance>, StepError> {
    let mut names = BTreeSet::new();
    let mut is_known = true;
    let mut downloads = inputs.downloads.clone().into_iter();
    let found = inputs.found(session)?;
    for pick in found.iter().flat_map(|found| found.picks.iter().flatten()) {
        let tree = found.as_ref().map(|found| found.files.tree());
        if op.unpack && tree.is_some_and(|tree| is_archive_at(tree, pick)) {
            return Ok(None);
        }
        for entry in &pick.entries {
            names.insert(entry.path.clone());
            names.insert(Path::new(&pick.name).join(&entry.path));
        }
    }
    for source in &op.sources {
        match source {
            CopySource::Path { .. } => {}
            CopySource::Inline { name, .. } => drop(names.insert(name.into())),
            CopySource::Url { name, unpack, .. } => {
                names.insert(name.into());
                if let Some(download) = downloads.next().filter(|_| *unpack)
                    && is_archive(&download.open(session.engine)?)?
                {
                    return Ok(None);
                }
            }
            CopySource::Git(_) => is_known = false,
        }
    }
    let names = is_known.then_some(names);
    Ok(Some(Glance { dest: PathBuf::from(&op.dest), names, users: op.chown.is_some() }))
}

/// The ids that `spec` means. What the image does not know counts as root, with a warning.
pub(super) fn owner(session: &Session<'_>, spec: &str, root: Option<&Tree>) -> Result<(u32, u32), StepError> {
    let (owner, unknown) = resolve_owner(spec, root).map_err(|error| Cause::Refused(error.to_string()))?;
    for name in unknown {
        let text = format!("the image knows no user or group `{}`; root is taken for it", name.0);
        (session.events)(Event::Warning { text });
    }
    Ok(owner)
}

/// Whether the pick is an archive. What cannot be read is said when it is copied.
fn is_archive_at(tree: &Tree, pick: &Pick) -> bool {
    let is_file = pick.entries.first().is_some_and(|entry| entry.meta.kind == Kind::File);
    is_file && open(tree, pick).is_ok_and(|file| is_archive(&file).unwrap_or(true))
}

fn open(tree: &Tree, pick: &Pick) -> Result<File, StepError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    Ok(File::from(tree.open_at(&pick.path, flags).map_err(Cause::file("opening", &pick.path))?))
}

struct Copying<'a> {
    session: &'a Session<'a>,
    op: &'a CopyOp,
    target: Target<'a>,
    changed: Option<PathBuf>,
}

impl Copying<'_> {
    fn run(mut self, inputs: &mut Inputs, downloads: &[Downloaded]) -> Result<Option<PathBuf>, StepError> {
        let mut downloads = downloads.iter();
        let found = inputs.found(self.session)?;
        let mut picks = found.iter().flat_map(|found| &found.picks);
        let size: u64 = found.iter().flat_map(|found| &found.picks).flatten().map(Pick::size).sum();
        crate::space::require(self.target.root.path(), size, "copying the files")?;
        for source in &self.op.sources {
            match source {
                CopySource::Path { parents, .. } => {
                    let (Some(found), Some(picks)) = (found, picks.next()) else { continue };
                    for pick in picks {
                        self.pick(found.files.tree(), pick, parents.is_some())?;
                    }
                }
                CopySource::Inline { name, content } => {
                    write_file(&mut content.as_slice(), OsStr::new(name), 0o644, None, &self.target)?;
                }
                CopySource::Url { name, unpack, .. } => {
                    let Some(download) = downloads.next() else { continue };
                    self.download(download, name, *unpack)?;
                }
                CopySource::Git(git) => self.git(git)?,
            }
        }
        Ok(self.changed)
    }

    fn pick(&mut self, source: &Tree, pick: &Pick, parents: bool) -> Result<(), StepError> {
        let is_file = pick.entries.first().is_some_and(|entry| entry.meta.kind == Kind::File);
        if self.op.unpack && is_file {
            let file = open(source, pick)?;
            if is_archive(&file)? {
                return self.unpack(&file);
            }
        }
        let changed = copy_pick(source, pick, parents, &self.target)?;
        self.changed = self.changed.take().or(changed);
        Ok(())
    }

    fn download(&self, download: &Downloaded, name: &str, unpack: bool) -> Result<(), StepError> {
        let mut file = download.open(self.session.engine)?;
        if unpack && is_archive(&file)? {
            return self.unpack(&file);
        }
        // A server that says nothing of a file's time leaves it without one.
        let modified = download.modified.unwrap_or(Moment { seconds: 0, nanoseconds: 0 });
        write_file(&mut file, OsStr::new(name), 0o600, Some(modified), &self.target)
    }

    fn unpack(&self, file: &File) -> Result<(), StepError> {
        // The mode is for what is copied, not for what is unpacked.
        let attributes = Attributes { mode: None, ..self.target.attributes };
        let target = Target { attributes, ..self.target };
        let dest = make_destination(&target)?;
        let options = ExtractOptions {
            owner: attributes.owner,
            ownership: attributes.ownership,
            ..ExtractOptions::default()
        };
        extract(file, target.root.path(), &Path::new("/").join(dest), &options)?;
        Ok(())
    }

    fn git(&mut self, git: &GitSource) -> Result<(), StepError> {
        let directory = self.session.snapshots.work.directory("git");
        let directory = directory.map_err(Cause::file("making a directory for", Path::new(&git.remote)))?;
        let checkout = check_out(git, self.session.engine, directory)?;
        let tree = Tree::open(&checkout.directory, Owners::Root);
        let tree = tree.map_err(Cause::file("opening", &checkout.directory))?;
        let path = format!("/{}", git.subdir);
        for pick in
            pick(&tree, &Query { path: &path, glob: false, parents: None, excludes: &self.op.excludes })?
        {
            self.pick(&tree, &pick, false)?;
        }
        Ok(())
    }
}
