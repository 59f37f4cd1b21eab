//! `COPY` and `ADD`: what was picked goes to its destination.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wharf_layer::archive::{ExtractOptions, extract, is_archive};

use super::inputs::Inputs;
use super::key::Parts;
use super::{Done, Request, changes};
use crate::contexts::check_out;
use crate::copy::{Attributes, Listing, Target, copy_to, make_destination, place, resolve_owner, write_file};
use crate::download::Downloaded;
use crate::error::{Cause, StepError};
use crate::event::Event;
use crate::id::Id;
use crate::plan::{CopyOp, CopySource, GitSource};
use crate::session::Session;
use crate::snapshot::{Chain, Glance, Workspace};
use crate::tree::{Kind, Moment, Owners, Pick, Query, Tree, pick};

pub(super) fn copy(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &CopyOp,
    inputs: &mut Inputs,
    parts: &Parts,
) -> Result<Done, StepError> {
    let listed_as = changes::key(session, request, op, parts);
    if let Some(key) = &listed_as
        && let Some(done) = changes::copy(session, request, op, inputs, key)?
    {
        return Ok(done);
    }
    let digests = listed_as.and_then(|key| Some((key, inputs.digests()?)));
    let workspace = workspace(session, request, op, inputs)?;
    let downloads = std::mem::take(&mut inputs.downloads);
    let copied = {
        let root = workspace.tree()?;
        let target = target(session, request, op, &root)?;
        let listing = digests.map(|(key, digests)| (key, digests.into_iter(), Listing::default()));
        Copying { session, op, target, changed: None, listing }.run(inputs, &downloads)?
    };
    warn_of_change(session, copied.changed.as_deref());
    let (written, sketch) = workspace.close();
    if let Some(sketch) = sketch {
        session.snapshots.fill(&sketch, &sketch.repeats(&written.upper))?;
    }
    Ok(Done { written, forget: copied.changed.is_some(), listing: copied.listing })
}

/// Where the copy is written: as far as it takes no more than a glance at what is there, it gets no more.
pub(super) fn workspace(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &CopyOp,
    inputs: &mut Inputs,
) -> Result<Workspace, StepError> {
    let nothing = Chain::empty();
    let below = if op.link { &nothing } else { request.parent };
    let glance = match request.sketch {
        true => glance(session, op, inputs)?,
        false => None,
    };
    match &glance {
        Some(glance) => Workspace::sketch(below, glance, &session.snapshots),
        None => Workspace::for_copies(below, &session.snapshots),
    }
}

/// The destination in `root`, and what becomes of owners and modes there.
pub(super) fn target<'a>(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &'a CopyOp,
    root: &'a Tree,
) -> Result<Target<'a>, StepError> {
    // On nothing there is nobody to be known.
    let known = Some(root).filter(|_| !op.link && !request.parent.layers.is_empty());
    let owner = op.chown.as_deref().map(|chown| owner(session, chown, known)).transpose()?;
    let attributes = Attributes { owner, mode: op.chmod.as_ref(), ownership: session.engine.ownership() };
    Ok(Target { root, dest: &op.dest, attributes })
}

/// Says that a file was no longer as it had been picked.
pub(super) fn warn_of_change(session: &Session<'_>, path: Option<&Path>) {
    if let Some(path) = path {
        let text = format!("/{} changed while it was copied; the step will not be cached", path.display());
        (session.events)(Event::Warning { text });
    }
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
pub(super) fn is_archive_at(tree: &Tree, pick: &Pick) -> bool {
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
    /// What is listed of the copy, under which key, and the digests of the files that are still to come.
    listing: Option<(Id, std::vec::IntoIter<Id>, Listing)>,
}

/// What there is to say of a copy.
struct Copied {
    changed: Option<PathBuf>,
    listing: Option<(Id, Listing)>,
}

impl Copying<'_> {
    fn run(mut self, inputs: &mut Inputs, downloads: &[Downloaded]) -> Result<Copied, StepError> {
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
        let listing = self.listing.map(|(key, _, listing)| (key, listing));
        let listing = listing.filter(|(_, listing)| listing.is_worth_keeping());
        Ok(Copied { changed: self.changed, listing })
    }

    fn pick(&mut self, source: &Tree, pick: &Pick, parents: bool) -> Result<(), StepError> {
        let is_file = pick.entries.first().is_some_and(|entry| entry.meta.kind == Kind::File);
        if self.op.unpack && is_file {
            let file = open(source, pick)?;
            if is_archive(&file)? {
                self.listing = None;
                return self.unpack(&file);
            }
        }
        let dest = place(pick, &self.target)?;
        if let Some((_, digests, listing)) = &mut self.listing {
            let attributes = &self.target.attributes;
            let is_listed = listing.add(source, pick, digests, &dest, attributes);
            if !is_listed.map_err(Cause::file("reading", &pick.path))? {
                self.listing = None;
            }
        }
        let changed = copy_to(source, pick, &dest, parents, &self.target)?;
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
