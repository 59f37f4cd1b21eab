//! The plan itself: stages, their steps, and the images they come out as.

use wharf_dockerfile::Span;
use wharf_dockerfile::lint::Finding;
use wharf_oci::{ImageConfig, Platform};

use super::{Op, PinnedImage};

/// Which stage of a [`Plan`]: its index in [`Plan::stages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageId(pub usize);

/// Everything a build will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The stages the target reaches, each after those it uses.
    pub stages: Vec<Stage>,
    /// The stage whose result is the image.
    pub target: StageId,
    /// `SOURCE_DATE_EPOCH`, seconds.
    pub epoch: Option<i64>,
    /// A software inventory is to look into the build context too (`BUILDKIT_SBOM_SCAN_CONTEXT`).
    pub scan_context: bool,
    /// What the checks found, in the order of the Dockerfile.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// The stage whose result is the image.
    pub fn target(&self) -> &Stage {
        &self.stages[self.target.0]
    }
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `AS name`, or `stage-N` by its place in the Dockerfile.
    pub name: String,
    /// What it starts from.
    pub base: Base,
    /// What its processes run on.
    pub platform: Platform,
    /// Its steps in order, those of ONBUILD triggers first.
    pub steps: Vec<Step>,
    /// The config of its result: complete but for `created`, `rootfs` and the times in the history, whose
    /// first lines are the base image's. Lines of this build have the comment `buildkit.dockerfile.v0`.
    pub config: ImageConfig,
    /// Its operations take nothing from the cache.
    pub no_cache: bool,
    /// A software inventory is to look into it too (`BUILDKIT_SBOM_SCAN_STAGE`).
    pub scan: bool,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// The result of an earlier stage.
    Stage(StageId),
    /// An image.
    Image(PinnedImage),
    /// A named context that is not an image, by its name.
    NamedContext(String),
}

/// One instruction of a stage, or one trigger of its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How it is shown: `[builder 2/5] RUN make`, or the instruction alone where it has no operation.
    pub title: String,
    /// Where it stands; a trigger stands where its `FROM` does.
    pub span: Span,
    /// The line it adds to the image's history; ONBUILD adds none.
    pub history: Option<HistoryLine>,
    /// What it does to the file system.
    pub op: Option<Op>,
}

/// One line of history without its time, which only the engine knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// As BuildKit writes it, such as `COPY a b /x/ # buildkit`.
    pub created_by: String,
    /// Whether it stands for no layer.
    pub empty_layer: bool,
}
