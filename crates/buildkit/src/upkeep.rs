//! What keeps a builder in shape: who works there, what its cache takes, and removing of that (`Control.ListWorkers`,
//! `Info`, `DiskUsage`, `Prune`).

use std::collections::BTreeMap;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1 as proto;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use serde::Serialize;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// A layer's list may be long, and that of a cache longer.
const LONGEST_ANSWER: usize = 64 << 20;

/// How long a question may take. Pruning is not one.
const PATIENCE: Duration = Duration::from_secs(60);

/// What executes steps on a builder.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its id.
    pub id: String,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// What it builds, its own platform first.
    pub platforms: Vec<String>,
    /// When it forgets what.
    pub gc: Vec<GcRule>,
    /// Its version, where the builder is new enough to say (v0.11).
    pub version: Option<String>,
}

/// A rule of the builder's garbage collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcRule {
    /// Also what is not reproducible.
    pub all: bool,
    /// Only what these match.
    pub filters: Vec<String>,
    /// Only what was not used for so many seconds.
    pub keep_seconds: i64,
    /// So many bytes stay in any case.
    pub reserved_bytes: i64,
    /// More bytes do not stay; 0 where nothing says so.
    pub max_bytes: i64,
    /// So many bytes of the disk are kept free; 0 where nothing says so.
    pub min_free_bytes: i64,
}

/// A thing that a builder keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its id.
    pub id: String,
    /// What it is of: `regular`, `source.local`, `exec.cachemount`, `frontend`, `internal`.
    pub kind: String,
    /// What it comes from.
    pub description: String,
    /// Its bytes.
    pub bytes: u64,
    /// A build uses it now.
    pub in_use: bool,
    /// It can change: a cache mount, a synchronised directory.
    pub mutable: bool,
    /// Others share its bytes: an image in the engine, for instance.
    pub shared: bool,
    /// How often it was used.
    pub used: i64,
    /// When it was used last, in seconds since 1970.
    pub last_used: Option<i64>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
}

/// What to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Only what one of these matches (containerd's filters).
    pub filters: Vec<String>,
    /// Also internal things and frontends.
    pub all: bool,
    /// Only what was not used for so long.
    pub older_than: Duration,
    /// Stop when what remains takes no more than this.
    pub keep_bytes: u64,
}

/// Everything that executes steps.
///
/// # Errors
/// The builder's answer.
pub async fn workers(channel: &Channel) -> Result<Vec<Worker>, Status> {
    let mut control = client(channel);
    let answer = control.list_workers(timed(proto::ListWorkersRequest::default())).await?;
    Ok(answer.into_inner().record.into_iter().map(worker).collect())
}

/// The builder's version, where it is new enough to say.
///
/// # Errors
/// The builder's answer, unless that is that it does not know the question.
pub async fn version(channel: &Channel) -> Result<Option<String>, Status> {
    match client(channel).info(timed(proto::InfoRequest {})).await {
        Ok(answer) => Ok(answer.into_inner().buildkit_version.map(|version| version.version)),
        Err(status) if status.code() == Code::Unimplemented => Ok(None),
        Err(status) => Err(status),
    }
}

/// What the builder keeps.
///
/// # Errors
/// The builder's answer.
pub async fn usage(channel: &Channel, filters: &[String]) -> Result<Vec<Record>, Status> {
    let request = proto::DiskUsageRequest { filter: filters.to_vec(), age_limit: 0 };
    let answer = client(channel).disk_usage(timed(request)).await?;
    Ok(answer.into_inner().record.into_iter().map(record).collect())
}

/// Removes what the builder keeps, and tells of each thing that is gone.
///
/// # Errors
/// The builder's answer; what it told of before that is gone all the same.
pub async fn prune(channel: &Channel, what: &Prune, mut gone: impl FnMut(Record)) -> Result<(), Status> {
    let nanoseconds = i64::try_from(what.older_than.as_nanos()).unwrap_or(i64::MAX);
    let request = proto::PruneRequest {
        filter: what.filters.clone(),
        all: what.all,
        keep_duration: nanoseconds,
        // Old builders call the same field `keepBytes`.
        reserved_space: i64::try_from(what.keep_bytes).unwrap_or(i64::MAX),
        ..proto::PruneRequest::default()
    };
    let mut records = client(channel).prune(request).await?.into_inner();
    while let Some(next) = records.message().await? {
        gone(record(next));
    }
    Ok(())
}

fn client(channel: &Channel) -> ControlClient<Channel> {
    ControlClient::new(channel.clone()).max_decoding_message_size(LONGEST_ANSWER)
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

fn worker(said: proto::types::WorkerRecord) -> Worker {
    let platform = |platform: &bollard_buildkit_proto::pb::Platform| {
        let parts = [&platform.os, &platform.architecture, &platform.variant];
        parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
    };
    Worker {
        id: said.id,
        labels: said.labels.into_iter().collect(),
        platforms: said.platforms.iter().map(platform).collect(),
        gc: said.gc_policy.into_iter().map(gc_rule).collect(),
        version: said.buildkit_version.map(|version| version.version).filter(|version| !version.is_empty()),
    }
}

fn gc_rule(said: proto::types::GcPolicy) -> GcRule {
    GcRule {
        all: said.all,
        filters: said.filters,
        keep_seconds: said.keep_duration / 1_000_000_000,
        reserved_bytes: said.reserved_space,
        max_bytes: said.max_used_space,
        min_free_bytes: said.min_free_space,
    }
}

fn record(said: proto::UsageRecord) -> Record {
    Record {
        id: said.id,
        kind: said.record_type,
        description: said.description,
        bytes: u64::try_from(said.size).unwrap_or(0),
        in_use: said.in_use,
        mutable: said.mutable,
        shared: said.shared,
        used: said.usage_count,
        last_used: said.last_used_at.map(|time| time.seconds),
        created: said.created_at.map(|time| time.seconds),
    }
}
