//! What a caller asks of a build.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wharf_oci::{Platform, Reference};
use wharf_sandbox::{Limits, Ulimit};

use crate::annotation::Annotation;
use crate::attest::Attestations;
use crate::cache::{CacheSource, CacheTarget};
use crate::output::Output;
use crate::plan;

/// A build. Made by [`BuildRequest::new`], then changed field by field.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Where `COPY` finds its files.
    pub context: ContextSource,
    /// The Dockerfile.
    pub dockerfile: DockerfileSource,
    /// The options that decide what the image is. `platform`, `multi_platform`, `contexts` and `ignore` are
    /// filled in from the other fields here.
    pub options: plan::Request,
    /// The platforms to build for. None: the builder's own. Several: the result is an index.
    pub platforms: Vec<Platform>,
    /// `--build-context`: further contexts, by the name as typed.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// `--ssh`: the sockets of agents, by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// The host's certificate authorities in `RUN`.
    pub host_ca: HostCa,
    /// Proxy variables of the host for `RUN`, used where no build argument of the name says otherwise.
    pub proxies: BTreeMap<String, String>,
    /// `--add-host`: names and addresses for `/etc/hosts` in `RUN`.
    pub extra_hosts: Vec<(String, String)>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--shm-size`: bytes of `/dev/shm`; `None` is the sandbox's default.
    pub shm_size: Option<u64>,
    /// Limits of memory and processor time for each step.
    pub limits: Limits,
    /// `--pull`: ask registries for base images even when the store has them.
    pub pull: bool,
    /// `--tag`: names for the result in the store.
    pub tags: Vec<Reference>,
    /// What the image is written as.
    pub image: ImageOptions,
    /// What is said of the image, beside it.
    pub attestations: Attestations,
    /// What else is made of the result.
    pub outputs: Vec<Output>,
    /// `--cache-from`: caches to find steps in.
    pub cache_from: Vec<CacheSource>,
    /// `--cache-to`: where the steps of this build are to be found by others.
    pub cache_to: Vec<CacheTarget>,
    /// The image is only pushed: layers that no step needs stay where they are, and the image gets its names
    /// in the store only if all of it is there.
    pub remote: bool,
    /// How many steps run at once.
    pub parallelism: usize,
}

impl BuildRequest {
    /// A build of `context` with its own `Dockerfile` and docker's defaults.
    pub fn new(context: ContextSource) -> Self {
        Self {
            context,
            dockerfile: DockerfileSource::InContext("Dockerfile".into()),
            options: plan::Request::new(Platform::host()),
            platforms: Vec::new(),
            contexts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            host_ca: HostCa::Auto,
            proxies: BTreeMap::new(),
            extra_hosts: Vec::new(),
            ulimits: Vec::new(),
            shm_size: None,
            limits: Limits::default(),
            pull: false,
            tags: Vec::new(),
            image: ImageOptions::default(),
            attestations: Attestations::default(),
            outputs: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            remote: false,
            parallelism: 16,
        }
    }
}

/// A set of files to build from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A tar archive, compressed or not, such as `/dev/stdin`. A file that is none is taken for a Dockerfile.
    Archive(PathBuf),
    /// A git repository, `https://host/repo.git#ref:directory`.
    Git(String),
    /// A download: a tar archive, or a Dockerfile.
    Url(String),
    /// No files.
    Empty,
}

/// Where the Dockerfile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileSource {
    /// In the context, by its path there.
    InContext(String),
    /// On this machine.
    File(PathBuf),
    /// Here.
    Inline(Vec<u8>),
}

/// What a named context stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// Files.
    Files(ContextSource),
    /// `docker-image://`: an image of a registry or of the store.
    Image(Reference),
    /// `docker-image://scratch`.
    Scratch,
    /// `oci-layout://path[:tag][@digest]`: an image of a layout on this machine.
    Layout {
        /// The directory of the layout.
        path: PathBuf,
        /// A tag or a digest; `None` is `latest`, or the only image there is.
        name: Option<String>,
    },
}

/// Where a secret comes from. It is read when a step asks for it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A file of this machine.
    File(PathBuf),
    /// Itself, from a variable.
    Value(Vec<u8>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value(…)"),
        }
    }
}

/// Whether the certificate authorities that this host trusts are trusted in `RUN`, for the time of the step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostCa {
    /// Where the host trusts one that no distribution ships, and the image may speak TLS.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How the image is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// How new layers are compressed.
    pub compression: wharf_layer::Compression,
    /// The layers of base images are brought into `compression`, too.
    pub force_compression: bool,
    /// Which media types it speaks.
    pub family: wharf_layer::Family,
    /// Times in layers are at most `SOURCE_DATE_EPOCH`.
    pub rewrite_timestamp: bool,
    /// Annotations of manifests and the index.
    pub annotations: Vec<Annotation>,
}
