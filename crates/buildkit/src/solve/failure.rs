//! Why a build failed, with the place in the Dockerfile: the builder attaches it to its answer as typed details
//! (moby/buildkit, `util/grpcerrors` and `solver/errdefs`), each a type's name and JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::google::rpc;
use bollard_buildkit_proto::pb::Range;
use prost::Message;
use serde::Deserialize;
use tonic::{Code, Status};

use super::progress::Progress;
use crate::builder::Builder;
use crate::error::Error;
use crate::session::HERE;
use crate::status::{Refusal, is_lost_build};

/// A build that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// The builder went away in the middle of it.
    #[error("the builder {address} went away during the build")]
    Lost {
        /// Where it was.
        address: String,
        /// What is known of it.
        source: Refusal,
    },
    /// Something in the Dockerfile, or that it asks for, is at fault.
    #[error("{message}")]
    Build {
        /// What the builder says.
        message: String,
        /// Where in the Dockerfile.
        place: Option<Box<Place>>,
        /// The step that failed, such as `[2/3] RUN make`.
        step: Option<String>,
        /// The last lines that it wrote.
        output: Vec<String>,
        /// A disk is full.
        full_disk: Option<Disk>,
        /// It is the builder's or the network's fault, as far as its answer tells.
        environment: bool,
    },
    /// It did not come to a build.
    #[error(transparent)]
    Builder(#[from] Error),
}

/// Whose disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The builder's.
    Builder,
    /// That of this machine, while what the builder made came in.
    Here,
}

impl SolveError {
    /// Whether another builder may do better.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Build { .. } => false,
            Self::Builder(error) => error.is_lost(),
        }
    }
}

/// A place in a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// First and last line, from 1.
    pub lines: (u32, u32),
    /// The text of the first of them.
    pub source: String,
}

/// What the answer of a failed build means.
pub(super) fn explain(status: Status, builder: &Builder, progress: &Progress) -> SolveError {
    if is_lost_build(&status) {
        return SolveError::Lost { address: builder.address.to_string(), source: status.into() };
    }
    let details = rpc::Status::decode(status.details()).map(|status| status.details).unwrap_or_default();
    let find = |kind: &str| details.iter().find(|detail| detail.type_url.contains(kind));
    let place = find("errdefs.Source").and_then(|detail| place(&detail.value)).map(Box::new);
    let vertex =
        find("errdefs.Vertex").and_then(|detail| serde_json::from_slice::<Vertex>(&detail.value).ok());
    let step =
        vertex.and_then(|vertex| progress.of(&vertex.digest).map(|(title, lines)| (title.to_owned(), lines)));
    let (step, output) = step.map_or((None, Vec::new()), |(title, lines)| (Some(title), lines));
    let message = status.message();
    SolveError::Build {
        message: message.strip_prefix("failed to solve: ").unwrap_or(message).to_owned(),
        full_disk: std::iter::once(message).chain(output.iter().map(String::as_str)).find_map(full_disk),
        environment: matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::PermissionDenied
        ) || is_registry(message)
            || message.contains(HERE),
        place,
        step,
        output,
    }
}

fn full_disk(text: &str) -> Option<Disk> {
    let is_full = text.contains("no space left on device") || text.contains("No space left on device");
    is_full.then(|| if text.contains(HERE) { Disk::Here } else { Disk::Builder })
}

/// A base image that cannot be had is not the Dockerfile's fault.
fn is_registry(message: &str) -> bool {
    ["failed to resolve source metadata", "failed to do request", "failed to authorize", "pull access denied"]
        .iter()
        .any(|known| message.contains(known))
}

#[derive(Deserialize)]
struct Vertex {
    #[serde(default)]
    digest: String,
}

#[derive(Deserialize)]
struct Source {
    info: Option<Info>,
    #[serde(default)]
    ranges: Vec<Lines>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    filename: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Lines {
    start: Option<Line>,
    end: Option<Line>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    line: u32,
}

/// Reads the JSON of an `errdefs.Source`. What makes no sense is no place.
fn place(json: &[u8]) -> Option<Place> {
    let source: Source = serde_json::from_slice(json).ok()?;
    let info = source.info?;
    let line = |line: &Option<Line>| line.as_ref().map_or(0, |line| line.line);
    let first = source.ranges.iter().map(|range| line(&range.start)).filter(|line| *line > 0).min()?;
    let last = source.ranges.iter().map(|range| line(&range.end)).max()?.max(first);
    let text = line_of(&STANDARD.decode(info.data).ok()?, first)?;
    Some(Place { file: info.filename, lines: (first, last), source: text })
}

/// The first and the last line of places.
pub(super) fn lines(ranges: &[Range]) -> Option<(u32, u32)> {
    let number = |line: i32| u32::try_from(line).unwrap_or_default();
    let start = |range: &Range| range.start.as_ref().map_or(0, |at| number(at.line));
    let end = |range: &Range| range.end.as_ref().map_or(0, |at| number(at.line));
    let first = ranges.iter().map(start).filter(|line| *line > 0).min()?;
    Some((first, ranges.iter().map(end).max()?.max(first)))
}

/// A line of a text, from 1.
pub(super) fn line_of(text: &[u8], number: u32) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().nth(usize::try_from(number.checked_sub(1)?).ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_place_is_read_from_the_details() {
        let data = STANDARD.encode("FROM x\nRUN false \\\n  || false\n");
        let json = format!(
            r#"{{"info":{{"filename":"Dockerfile","data":"{data}"}},
                "ranges":[{{"start":{{"line":2}},"end":{{"line":3}}}}]}}"#
        );
        let place = place(json.as_bytes()).unwrap();
        assert_eq!((place.file.as_str(), place.lines), ("Dockerfile", (2, 3)));
        assert_eq!(place.source, "RUN false \\");
    }

    #[test]
    fn it_is_known_whose_disk_is_full() {
        assert_eq!(full_disk("mkdir /x: no space left on device"), Some(Disk::Builder));
        let here = "failed to copy: on the client: No space left on device (os error 28)";
        assert_eq!(full_disk(here), Some(Disk::Here));
        assert_eq!(full_disk("exit code: 1"), None);
    }

    proptest! {
        #[test]
        fn nonsense_is_no_place(json in any::<Vec<u8>>(), line in any::<u32>()) {
            let _ = place(&json);
            let _ = line_of(&json, line);
        }
    }
}
