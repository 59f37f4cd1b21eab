//! The files of this machine for the builder: the fsutil protocol (tonistiigi/fsutil, `send.go`), spoken as the sender.
//!
//! The sender lists what there is, entry by entry with its metadata. The receiver compares that with what it kept of
//! the last build and asks for the content of what changed, by the place in the list; only that travels.

mod filter;
mod follow;
mod send;
pub(super) mod stat;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::moby::filesync::packet::file_sync_server::FileSync;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::stream::{self, Outgoing};
use filter::Filter;

/// A set of files that a build may ask for, under a name that its frontend knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// A directory of this machine.
    Directory(PathBuf),
    /// Files that are nowhere but here: a Dockerfile from standard input.
    Inline(BTreeMap<String, Vec<u8>>),
}

/// The service of the session that hands out files.
#[derive(Debug)]
pub(super) struct FileService {
    sets: BTreeMap<String, Files>,
}

impl FileService {
    pub(super) fn new(sets: BTreeMap<String, Files>) -> Self {
        Self { sets }
    }

    /// The set that is asked for, and which of its files.
    fn asked(&self, metadata: &MetadataMap) -> Result<(Files, Filter), Status> {
        let name = values(metadata, "dir-name").into_iter().next().unwrap_or_default();
        let files = self.sets.get(&name);
        let files = files.ok_or_else(|| Status::not_found(format!("no access allowed to dir {name:?}")))?;
        let mut include = values(metadata, "include-patterns");
        let followed = values(metadata, "followpaths");
        if let (Files::Directory(root), false) = (files, followed.is_empty()) {
            let targets = follow::targets(root, &followed);
            include.extend(targets.map_err(|error| Status::unknown(error.to_string()))?);
        }
        let filter = Filter::new(&include, &values(metadata, "exclude-patterns"));
        Ok((files.clone(), filter.map_err(|error| Status::invalid_argument(error.to_string()))?))
    }
}

#[tonic::async_trait]
impl FileSync for FileService {
    type DiffCopyStream = Outgoing<Packet>;
    type TarStreamStream = Outgoing<Packet>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let (files, filter) = self.asked(request.metadata())?;
        let (sender, outgoing) = stream::channel();
        tokio::spawn(send::send(files, filter, request.into_inner(), sender));
        Ok(Response::new(outgoing))
    }

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("files travel by DiffCopy"))
    }
}

/// The values of a key. What is not ASCII comes as in a URL's query, and a key beside says so.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let encoded = metadata.get(format!("{key}-encoded")).is_some_and(|value| value.as_bytes() == b"1");
    let value = |bytes: &[u8]| match encoded {
        true => unescape(bytes),
        false => String::from_utf8_lossy(bytes).into_owned(),
    };
    metadata.get_all(key).iter().map(|found| value(found.as_bytes())).collect()
}

/// Go's `url.QueryUnescape`.
fn unescape(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        match (first, after.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_arrive_as_they_were_written() {
        let mut metadata = MetadataMap::new();
        metadata.append("followpaths", "a b".parse().unwrap());
        metadata.append("followpaths", "c+d".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["a b", "c+d"]);
        metadata.append("followpaths-encoded", "1".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["a b", "c d"]);
        assert_eq!(unescape(b"%C3%A4%2"), "ä%2");
        assert!(values(&metadata, "include-patterns").is_empty());
    }
}
