//! The files of an image themselves, as one tar archive or in a directory.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use wharf_layer::{Compression, DiffOptions, Upper, WriteOptions};

use super::Job;
use crate::copy::{Attributes, Target, copy};
use crate::error::{Cause, StepError};
use crate::snapshot::{View, Views};
use crate::tree::{Owners, Query, Tree, pick};

/// Writes the files of the image as a tar archive.
pub(super) fn write_tar(file: File, job: &Job<'_>) -> Result<(), StepError> {
    let [chain] = job.chains else {
        return Err(Cause::Refused("the files of several platforms do not fit one archive".into()).into());
    };
    let view = Views::default().open(chain, job.snapshots)?;
    let options = DiffOptions { ownership: job.engine.ownership(), upper: Upper::Overlay };
    let write = WriteOptions { compression: Compression::None, ..WriteOptions::default() };
    let out = BufWriter::new(file);
    // On top of nothing, everything is a change.
    let (mut out, _) = wharf_layer::write_diff(view.tree.path(), &[], &options, out, &write)?;
    out.flush().map_err(Cause::file("writing", Path::new("the archive")))
}

/// Copies the files of the image into a directory; of several images, each into one of its own.
pub(super) fn write_directory(path: &Path, job: &Job<'_>) -> Result<(), StepError> {
    for (image, chain) in job.images.iter().zip(job.chains) {
        let place = match job.images.len() {
            1 => path.to_owned(),
            _ => path.join(image.platform.to_string().replace('/', "_")),
        };
        let view = Views::default().open(chain, job.snapshots)?;
        write_files(&view, place)?;
    }
    Ok(())
}

/// What is written belongs to whoever asked for it.
fn write_files(view: &View, place: PathBuf) -> Result<(), StepError> {
    fs::create_dir_all(&place).map_err(Cause::file("making directory", &place))?;
    let root = Tree::open(&place, Owners::Kept).map_err(Cause::file("opening", &place))?;
    let ownership = wharf_layer::Ownership::Real;
    let target = Target {
        root: &root,
        dest: "/",
        attributes: Attributes { owner: Some((0, 0)), mode: None, ownership },
    };
    for pick in pick(&view.tree, &Query { path: "/", glob: false, parents: None, excludes: &[] })? {
        copy(&view.tree, &pick, false, &target)?;
    }
    Ok(())
}
