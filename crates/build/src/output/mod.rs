//! What is made of a finished image besides the image in the store.

mod archive;
mod convert;
mod files;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use wharf_oci::{Descriptor, Reference};

use crate::attest::Statement;
use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::request::ImageOptions;
use crate::result::Image;
use crate::snapshot::{Chain, Snapshots};

pub(crate) use convert::{convert, is_compressed_as};
pub use files::FileOptions;

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What, and where to.
    pub kind: OutputKind,
    /// How the image in it is written.
    pub image: ImageOptions,
    /// How files are laid out, where it is files.
    pub files: FileOptions,
    /// Its names, where the build itself has none.
    pub names: Vec<Reference>,
}

/// The kinds of output. A destination that is a file may be `/dev/stdout`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputKind {
    /// `type=image` and `type=registry`: the image in the store, from where it may be pushed.
    Image,
    /// `type=oci`: an OCI layout with the image, as a tar archive.
    Oci(PathBuf),
    /// `type=oci,tar=false`: an OCI layout in a directory, to which the image is added.
    OciDirectory(PathBuf),
    /// `type=docker`: an archive that `docker load` and OCI tools read.
    Docker(PathBuf),
    /// `type=tar`: the files of the image in one tar archive.
    Tar(PathBuf),
    /// `type=local`: the files of the image in a directory.
    Local(PathBuf),
    /// `type=cacheonly`: nothing.
    CacheOnly,
}

impl OutputKind {
    /// Whether it is made of the files of the image, and not of its layers.
    pub(crate) fn needs_files(&self) -> bool {
        matches!(self, Self::Tar(_) | Self::Local(_))
    }

    /// Where it goes; empty where nothing goes anywhere.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Oci(path)
            | Self::OciDirectory(path)
            | Self::Docker(path)
            | Self::Tar(path)
            | Self::Local(path) => path.clone(),
            Self::Image | Self::CacheOnly => PathBuf::new(),
        }
    }
}

/// An image to be put out.
pub(crate) struct Job<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) snapshots: &'a Snapshots<'a>,
    pub(crate) tags: &'a [Reference],
    /// The manifest, or the index of several.
    pub(crate) top: &'a Descriptor,
    pub(crate) images: &'a [Image],
    /// What is said of the images, where anything is.
    pub(crate) attestations: &'a [Descriptor],
    /// The same as statements, of each image.
    pub(crate) statements: &'a [Vec<Statement>],
    /// How files are laid out.
    pub(crate) files: &'a FileOptions,
    /// The time that every file is to have.
    pub(crate) epoch: Option<i64>,
    /// Annotations of the image in an index above it.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The layers of each image.
    pub(crate) chains: &'a [Chain],
}

/// Writes one output.
pub(crate) fn write(kind: &OutputKind, job: &Job<'_>) -> Result<(), StepError> {
    match kind {
        OutputKind::Oci(path) => to_file(path, |file| archive::write(file, job, archive::Format::Oci)),
        OutputKind::Docker(path) => to_file(path, |file| archive::write(file, job, archive::Format::Docker)),
        OutputKind::OciDirectory(path) => archive::write_directory(path, job),
        OutputKind::Tar(path) => to_file(path, |file| files::write_tar(file, job)),
        OutputKind::Local(path) => files::write_directory(path, job),
        OutputKind::Image | OutputKind::CacheOnly => Ok(()),
    }
}

/// Writes a file whole: under another name first, unless the destination is a pipe or the like. Standard output is
/// taken as it is: it may be a file, which would begin anew if it were opened, and a new one in its place would be in
/// everybody's place.
fn to_file(path: &Path, write: impl FnOnce(File) -> Result<(), StepError>) -> Result<(), StepError> {
    if path == Path::new("/dev/stdout") {
        let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(Cause::file("opening", path))?;
        return write(File::from(stdout));
    }
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::options().write(true).open(path).map_err(Cause::file("opening", path))?;
        return write(file);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(Cause::file("making a file in", directory))?;
    write(file.reopen().map_err(Cause::file("opening", file.path()))?)?;
    file.persist(path).map_err(|error| Cause::file("naming", path)(error.error))?;
    Ok(())
}
