//! Stacks of layers as plain trees, for hosts that cannot mount layers on one another.
//!
//! A stack is one directory with everything merged. A step gets a copy of it: of the files that stay as they are
//! only further names, where the step is a copy and never writes into a file that is there; whole copies, by
//! reference where the file system can, where a process will run on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_layer::{ApplyOptions, Form};

use super::unpack::touch;
use super::{Chain, Layer, Place, Snapshots, publish};
use crate::copy::{Attributes, Target, clone_tree};
use crate::error::{Cause, StepError};
use crate::event::Event;
use crate::id::Hasher;
use crate::tree::{Owners, Tree};

/// What becomes of files in a copy of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloning {
    /// They get further names. Whoever writes must make new files.
    Names,
    /// They are copied.
    Contents,
}

impl Snapshots<'_> {
    /// The tree that a stack of layers is.
    pub(crate) fn flat(&self, layers: &[Arc<Layer>]) -> Result<PathBuf, StepError> {
        let Some((top, below)) = layers.split_last() else {
            return self
                .work
                .directory("nothing")
                .map_err(Cause::file("making a directory in", &self.engine.data));
        };
        let mut place = top.place();
        if let Some(Place::Whole(tree)) = &*place {
            return Ok(tree.clone());
        }
        let name = self.flat_name(layers)?;
        if touch(&name) {
            *place = Some(Place::Whole(name.clone()));
            return Ok(name);
        }
        let record = top.record()?;
        self.fetch(top, &record.blob)?;
        let below = self.flat(below)?;
        let directory = self.clone(&below, Cloning::Names)?;
        (self.events)(Event::Unpacking { diff_id: record.diff_id.clone() });
        let options = ApplyOptions::new(Form::Plain, self.engine.ownership());
        self.apply_to(&directory, record, &options)?;
        let published = publish(&directory, &name)?;
        *place = Some(Place::Whole(published.clone()));
        Ok(published)
    }

    fn flat_name(&self, layers: &[Arc<Layer>]) -> Result<PathBuf, StepError> {
        let mut id = Hasher::new("flat");
        for layer in layers {
            id.text(layer.record()?.diff_id.as_ref());
        }
        Ok(self.engine.snapshots().join(format!("flat-{}", id.finish())))
    }

    /// A tree of its own that looks like `tree`.
    pub(super) fn clone(&self, tree: &Path, cloning: Cloning) -> Result<PathBuf, StepError> {
        let directory = self.work.path("flat");
        fs::create_dir(&directory).map_err(Cause::file("making directory", &directory))?;
        let source = Tree::open(tree, Owners::Kept).map_err(Cause::file("opening", tree))?;
        let root = Tree::open(&directory, Owners::Kept).map_err(Cause::file("opening", &directory))?;
        let attributes = Attributes { owner: None, mode: None, ownership: self.engine.ownership() };
        clone_tree(&source, &Target { root: &root, dest: "/", attributes }, cloning == Cloning::Names)?;
        Ok(directory)
    }

    /// The tree of `chain`, to be changed by a step; and that tree as it was.
    pub(super) fn flat_workspace(
        &self,
        chain: &Chain,
        cloning: Cloning,
    ) -> Result<(PathBuf, PathBuf), StepError> {
        let below = self.flat(&chain.layers)?;
        Ok((self.clone(&below, cloning)?, below))
    }
}
