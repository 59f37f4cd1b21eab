//! What is made of a finished image besides the image in the store.

use std::path::PathBuf;

use crate::request::ImageOptions;

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What, and where to.
    pub kind: OutputKind,
    /// How the image in it is written.
    pub image: ImageOptions,
}

/// The kinds of output. A destination that is a file may be `/dev/stdout`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputKind {
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
