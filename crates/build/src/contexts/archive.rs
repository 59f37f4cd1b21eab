//! A context that comes as one file: a tar archive, or a Dockerfile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use wharf_layer::archive::{ExtractOptions, extract, is_archive};

use crate::error::{Cause, StepError};
use crate::work::WorkDirectory;

/// Unpacks the file at `path`, which may be a pipe, into `directory`. What is no archive becomes the file
/// `name` there.
pub(super) fn load(
    path: &Path,
    directory: PathBuf,
    name: &str,
    work: &WorkDirectory,
) -> Result<PathBuf, StepError> {
    let spool = work.path("archive");
    let mut input = File::open(path).map_err(Cause::file("opening", path))?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&spool)
        .map_err(Cause::file("making", &spool))?;
    io::copy(&mut input, &mut file).map_err(Cause::file("reading", path))?;
    if is_archive(&file)? {
        let options = ExtractOptions { owner: Some((0, 0)), ..ExtractOptions::default() };
        extract(&file, &directory, Path::new("/"), &options)?;
    } else {
        let place = directory.join(name);
        std::fs::rename(&spool, &place).map_err(Cause::file("naming", &place))?;
    }
    Ok(directory)
}
