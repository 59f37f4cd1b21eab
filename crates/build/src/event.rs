//! What a build tells while it runs.

use std::time::Duration;

use wharf_oci::Digest;

/// Takes the news. Called from several threads at once, so it should be quick.
pub type Events<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Which step of a build, over all platforms and stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepNumber(pub usize);

/// News of a build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The plan is made; so many steps may have to run.
    Planned {
        /// How many.
        steps: usize,
    },
    /// A step is being worked on: its key is sought, or it runs.
    Started {
        /// Which.
        step: StepNumber,
        /// Such as `[builder 2/5] RUN make`.
        title: String,
    },
    /// The step was not in the cache and runs now.
    Executing {
        /// Which.
        step: StepNumber,
        /// Why it was not in the cache.
        reason: Reason,
    },
    /// A line of the step's output, without its end.
    Output {
        /// Which.
        step: StepNumber,
        /// Standard error, not standard output.
        error: bool,
        /// The line.
        line: String,
    },
    /// The step is done.
    Finished {
        /// Which.
        step: StepNumber,
        /// It was in the cache.
        cached: bool,
        /// How long it took.
        took: Duration,
    },
    /// The step failed; the build ends with its error.
    Failed {
        /// Which.
        step: StepNumber,
        /// How long it took.
        took: Duration,
    },
    /// The layer of a step that ran is in the store.
    Layer {
        /// Which step.
        step: StepNumber,
        /// The digest of the blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// It is part of the image, and not of a stage that only lends it files.
        published: bool,
    },
    /// A blob is on its way in.
    Transfer {
        /// What it is for, such as `docker.io/library/python:3.11-slim`.
        what: String,
        /// Which blob.
        digest: Digest,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A layer is being unpacked.
    Unpacking {
        /// Which, by the digest of its tar stream.
        diff_id: Digest,
    },
    /// Something a person should know.
    Note {
        /// The sentence.
        text: String,
    },
    /// Something a person should put right.
    Warning {
        /// The sentence.
        text: String,
    },
}

/// Why a step was not in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// This step of this Dockerfile has not been built here before.
    New,
    /// The caller wants no cache.
    Disabled,
    /// The step before it, or the stage it starts from, was run anew.
    Parent {
        /// Where that began, such as `[builder 2/5] COPY src .`, as far as this build knows.
        step: Option<String>,
    },
    /// The base image changed.
    Base,
    /// The instruction changed.
    Instruction,
    /// These variables changed, came or went.
    Variables(Vec<String>),
    /// Files that it copies or mounts changed: the first of them, and how many there are.
    Files {
        /// Some of them.
        paths: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// The files of a stage or image that it uses changed.
    Source {
        /// Which.
        names: Vec<String>,
    },
    /// Its record is there, but the layer has been lost.
    Lost,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::New => f.write_str("it has not been built here before"),
            Self::Disabled => f.write_str("the cache is not to be used"),
            Self::Parent { step: Some(step) } => write!(f, "`{step}` ran anew"),
            Self::Parent { step: None } => f.write_str("the step before it ran anew"),
            Self::Base => f.write_str("the base image changed"),
            Self::Instruction => f.write_str("the instruction changed"),
            Self::Variables(names) => write!(f, "{} changed", quoted(names)),
            Self::Files { paths, count } if paths.is_empty() => write!(f, "{count} files changed"),
            Self::Files { paths, count } if *count > paths.len() => {
                write!(f, "{} and {} more files changed", quoted(paths), count - paths.len())
            }
            Self::Files { paths, .. } => write!(f, "{} changed", quoted(paths)),
            Self::Source { names } if names.is_empty() => {
                f.write_str("the files it takes from another stage or image changed")
            }
            Self::Source { names } => write!(f, "the files it takes from {} changed", quoted(names)),
            Self::Lost => f.write_str("its layer is no longer in the store"),
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
