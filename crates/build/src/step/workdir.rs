//! `WORKDIR`: a directory and those above it.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::copy::owner;
use super::{Done, Request};
use crate::copy::{Attributes, make_directories, set_time};
use crate::error::{Cause, StepError};
use crate::plan::WorkdirOp;
use crate::session::Session;
use crate::snapshot::{Glance, Workspace};
use crate::tree::Moment;

pub(super) fn workdir(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &WorkdirOp,
) -> Result<Done, StepError> {
    let workspace = match request.sketch {
        true => {
            let names = Some(BTreeSet::new());
            let glance = Glance { dest: PathBuf::from(&op.path), names, users: !op.user.is_empty() };
            Workspace::sketch(request.parent, &glance, &session.snapshots)?
        }
        false => Workspace::for_copies(request.parent, &session.snapshots)?,
    };
    {
        let root = workspace.tree()?;
        let owner = match op.user.as_str() {
            "" => None,
            user => Some(owner(session, user, Some(&root).filter(|_| !request.parent.layers.is_empty()))?),
        };
        let attributes = Attributes { owner, mode: None, ownership: session.engine.ownership() };
        let path =
            root.resolve(Path::new(&op.path)).map_err(Cause::file("looking up", Path::new(&op.path)))?;
        make_directories(&root, &path, &attributes)?;
        if let (Some(epoch), Some(name)) = (session.plan.epoch, path.file_name()) {
            let parent = path.parent().unwrap_or(Path::new(""));
            let parent = root.open_at(parent, OFlags::PATH | OFlags::DIRECTORY);
            let parent = parent.map_err(Cause::file("opening the directory above", &path))?;
            set_time(parent.as_fd(), name, Moment { seconds: epoch, nanoseconds: 0 })
                .map_err(Cause::file("setting the time of", &path))?;
        }
    }
    Ok(Done { written: workspace.close().0, forget: false, listing: None })
}
