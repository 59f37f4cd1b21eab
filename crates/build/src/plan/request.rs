//! What planning needs to know, and what it asks.

use std::collections::BTreeMap;
use std::fmt;

use wharf_dockerfile::{Network, NoCache};
use wharf_oci::{Digest, ImageConfig, Platform};

use super::ResolveError;

/// The options of a build that decide what its plan is. Limits of the sandbox (memory, `ulimit`, size of
/// `/dev/shm`, extra hosts) change no image config and stay with the engine.
#[derive(Debug, Clone)]
pub struct Request {
    /// `--build-arg`; the `BUILDKIT_*` arguments and `SOURCE_DATE_EPOCH` are read from here.
    pub build_args: BTreeMap<String, String>,
    /// `--target`; `None` is the last stage.
    pub target: Option<String>,
    /// `--platform`; `None` is the builder's own, and then the base image may say otherwise.
    pub platform: Option<Platform>,
    /// What the builder runs on.
    pub build_platform: Platform,
    /// Several platforms are being built: step titles name theirs.
    pub multi_platform: bool,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--no-cache` and `--no-cache-filter`.
    pub no_cache: NoCache,
    /// `--network`.
    pub network: Network,
    /// `--build-context`: what each name is, the name as typed.
    pub contexts: BTreeMap<String, ContextKind>,
    /// `--allow`: entitlements such as `network.host`.
    pub allow: Vec<String>,
    /// The text of the context's ignore file, for the checks.
    pub ignore: Vec<u8>,
    /// Nothing will be run: look at every stage where no target is named, and ask no permission.
    pub check_only: bool,
}

impl Request {
    /// Everything by default, on `build_platform`.
    pub fn new(build_platform: Platform) -> Self {
        Self {
            build_args: BTreeMap::new(),
            target: None,
            platform: None,
            build_platform,
            multi_platform: false,
            labels: BTreeMap::new(),
            no_cache: NoCache::Off,
            network: Network::Default,
            contexts: BTreeMap::new(),
            allow: Vec::new(),
            ignore: Vec::new(),
            check_only: false,
        }
    }

    /// The platform the image is for.
    pub(super) fn target_platform(&self) -> &Platform {
        self.platform.as_ref().unwrap_or(&self.build_platform)
    }
}

/// What a named context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextKind {
    /// Files: a directory, a git repository or a download. It has no config.
    Files,
    /// An image, from a registry or an OCI layout: the base resolver is asked for its config.
    Image,
    /// `docker-image://scratch`.
    Scratch,
}

/// Which image a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BaseRef {
    /// An image in a registry, its reference in full (`docker.io/library/python:3.11-slim`).
    Image {
        /// What.
        reference: wharf_oci::Reference,
        /// For which platform.
        platform: Platform,
    },
    /// A named context of the kind [`ContextKind::Image`].
    Context {
        /// The name in [`Request::contexts`].
        name: String,
        /// For which platform.
        platform: Platform,
    },
}

impl fmt::Display for BaseRef {
    /// The reference in full, or the name of the context.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { reference, .. } => f.write_str(&reference.canonical()),
            Self::Context { name, .. } => f.write_str(name),
        }
    }
}

/// Asks the engine for the configs of images, several at a time so that it may fetch them side by side. The
/// answers have the order of the questions. Nothing but manifests and configs need be fetched for them.
pub type Resolve<'a> = &'a dyn Fn(&[BaseRef]) -> Vec<Result<BaseImage, ResolveError>>;

/// What the engine answers.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// The digest of the manifest for the platform asked for.
    pub digest: Digest,
    /// Its config.
    pub config: ImageConfig,
}
