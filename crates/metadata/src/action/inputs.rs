//! What the workflow says in `with:` and `env:`.

use super::ActionError;
use crate::javascript::trim;
use crate::rules::{self, Flavor, parse_images, parse_tags};
use crate::snapshot::Variables;

/// Where the action takes ref and commit from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The workflow's event.
    Workflow,
    /// The repository in the working directory.
    Git,
}

/// The action's inputs and switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Where ref and commit come from.
    pub source: Source,
    /// The token for the forge's API; empty for none.
    pub github_token: String,
    /// Whether a pull request's own commit is meant, not its merge into the base.
    pub head_of_pull_request: bool,
    pub(super) images: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) flavor: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) annotations: Vec<String>,
    pub(super) tag_separator: String,
    pub(super) label_separator: String,
    pub(super) annotation_separator: String,
    pub(super) bake_target: String,
    pub(super) annotation_levels: String,
    pub(super) short_commit_length: Option<String>,
    pub(super) export: bool,
}

impl Inputs {
    /// Reads `INPUT_*` and `DOCKER_METADATA_*`.
    ///
    /// # Errors
    /// A list that is no CSV, an unknown `context`, a switch that is no boolean.
    pub fn read(variables: &Variables) -> Result<Self, ActionError> {
        let raw =
            |name: &str| variables.get(&format!("INPUT_{}", name.to_uppercase())).map_or("", String::as_str);
        let text = |name: &str, default: &str| match trim(raw(name)) {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let untrimmed = |name: &str| match raw(name) {
            "" => "\n".to_owned(),
            text => text.to_owned(),
        };
        let list = |input: &'static str| {
            rules::items(trim(raw(input))).map_err(|source| ActionError::Input { input, source })
        };
        let switch = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        Ok(Self {
            source: match text("context", "workflow").as_str() {
                "workflow" => Source::Workflow,
                "git" => Source::Git,
                other => return Err(ActionError::Source(other.to_owned())),
            },
            images: list("images")?,
            tags: list("tags")?,
            flavor: list("flavor")?,
            labels: list("labels")?,
            annotations: list("annotations")?,
            tag_separator: untrimmed("sep-tags"),
            label_separator: untrimmed("sep-labels"),
            annotation_separator: untrimmed("sep-annotations"),
            bake_target: text("bake-target", "docker-metadata-action"),
            github_token: text("github-token", ""),
            head_of_pull_request: switch("DOCKER_METADATA_PR_HEAD_SHA")
                .is_some_and(|value| value.to_ascii_lowercase().contains("true")),
            annotation_levels: switch("DOCKER_METADATA_ANNOTATIONS_LEVELS")
                .map_or("manifest", |v| v)
                .to_owned(),
            short_commit_length: switch("DOCKER_METADATA_SHORT_SHA_LENGTH").cloned(),
            export: match switch("DOCKER_METADATA_SET_OUTPUT_ENV").map(String::as_str) {
                None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => true,
                Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
                Some(other) => return Err(ActionError::SetOutputEnv(other.to_owned())),
            },
        })
    }

    /// Whether the rules can be read, whatever they are applied to.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), ActionError> {
        parse_images(&self.images)?;
        parse_tags(&self.tags)?;
        Flavor::parse(&self.flavor)?;
        Ok(())
    }
}
