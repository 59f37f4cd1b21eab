//! Names without contents: files that are holes, to be looked at and never read.

use std::{io::Write, path::Path};

use super::{Policy, Spot, Unpacker, Whiteouts};
use crate::{Entry, Error, Form, Kind, Limits, Ownership, attributes, inode::failed, tree::Tree};

/// Makes `entries` in the empty directory `dir`, parents before what they contain. Files are as long as they say,
/// and hold what is given for them or nothing but zeros, which take no room.
///
/// # Errors
/// When something cannot be made.
pub fn lay_out<'a>(
    entries: impl IntoIterator<Item = (&'a Entry, Option<&'a [u8]>)>,
    dir: &Path,
    ownership: Ownership,
) -> Result<(), Error> {
    let policy = Policy {
        form: Form::Plain,
        ownership,
        whiteouts: Whiteouts::Interpreted,
        owner: None,
        limits: Limits::default(),
    };
    let mut unpacker = Unpacker::new(Tree::open(dir)?, policy, &[]);
    for (entry, content) in entries {
        unpacker.make_hollow(entry, content)?;
    }
    unpacker.finish_directories()
}

impl Unpacker<'_> {
    fn make_hollow(&mut self, entry: &Entry, content: Option<&[u8]>) -> Result<(), Error> {
        let Some(name) = entry.path.file_name() else { return Ok(()) };
        let parent = self.enter(entry.path.parent().unwrap_or(Path::new("")))?;
        let spot = Spot { parent: &parent, name };
        match &entry.kind {
            Kind::Directory => self.make_directory(spot, entry.metadata.clone()),
            Kind::File { size } => {
                let path = spot.path();
                let mut file = self.create(spot)?;
                file.write_all(content.unwrap_or_default()).map_err(failed("writing", &path))?;
                file.set_len(*size).map_err(failed("writing", &path))?;
                attributes::set_owner(&file, &entry.metadata, self.policy.ownership, &path)?;
                attributes::set_mode_and_time(&file, &entry.metadata, &path)
            }
            // What is gone, or another name of what is elsewhere, is nothing to look at.
            Kind::Whiteout | Kind::Opaque | Kind::HardLink { .. } => Ok(()),
            Kind::Symlink { .. } | Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo => {
                self.make_node(spot, &entry.kind, &entry.metadata)
            }
        }
    }
}
