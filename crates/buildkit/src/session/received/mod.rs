//! What an exporter sends back (moby/buildkit, `session/filesync`, `FileSend`): one file, such as a tar, as bytes; or
//! a directory, entry by entry.

mod directory;
mod file;

use std::path::PathBuf;

use bollard_buildkit_proto::moby::filesync::packet::file_send_server::FileSendServer as DirectoryServer;
use bollard_buildkit_proto::moby::filesync::v1::file_send_server::FileSendServer as FileServer;

/// The one method of both kinds. Their messages differ, and the exporter says beforehand which it will send.
pub(super) const METHOD: &str = "/moby.filesync.v1.FileSend/DiffCopy";

/// Where what the exporter sends is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, which gets its name when it is whole; or something like a pipe, which is written as it comes.
    File(PathBuf),
    /// A directory, whose other files stay.
    Directory(PathBuf),
}

pub(super) fn as_file(path: PathBuf) -> FileServer<file::ToFile> {
    FileServer::new(file::ToFile(path))
}

pub(super) fn as_directory(path: PathBuf) -> DirectoryServer<directory::ToDirectory> {
    DirectoryServer::new(directory::ToDirectory(path))
}
