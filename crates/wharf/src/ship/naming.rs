//! What the project's image is called and what it says of itself: the rules of `wharf.toml` applied to git
//! and CI, and the model inside.

use std::path::Path;

use anyhow::Context;
use wharf_metadata::{Event, Fact, Metadata, Snapshot};

use crate::building::file_digest;
use crate::commands::meta;
use crate::exit::{Failure, OrFail};
use crate::settings::project::Project;

/// Applies the project's rules to what is being built.
///
/// The label `created` says when the commit was made, where the tree is clean and `SOURCE_DATE_EPOCH` says
/// nothing else: the same commit is then the same image, and an unchanged ship moves nothing.
pub(crate) fn metadata(
    project: &Project,
    snapshot: &Snapshot,
    directory: &Path,
) -> Result<Metadata, Failure> {
    let mut snapshot = snapshot.clone();
    if snapshot.clock.source_date_epoch.is_none()
        && let Some(git) = snapshot.git.as_ref().filter(|git| !git.dirty)
    {
        snapshot.clock.source_date_epoch = git.commit_date;
    }
    if snapshot.event.is_none() {
        snapshot.event = tagged(&snapshot);
    }
    let mut metadata = meta::of_project(project, &snapshot, directory)?;
    if let Some(model) = &project.model {
        let path = directory.join(&model.artifact);
        let digest = file_digest(&path)
            .with_context(|| format!("reading the model {}", path.display()))
            .or_usage()
            .map_err(|failure| failure.hint("`artifact` in [model] of wharf.toml says where it is"))?;
        metadata.labels.insert("dev.wharf.model.path".into(), model.artifact.display().to_string());
        metadata.labels.insert("dev.wharf.model.sha256".into(), digest.digest().to_owned());
    }
    Ok(metadata)
}

/// On a laptop nothing says what happened; a clean commit that carries a version tag is that version, as CI
/// would have it when the tag is pushed. Of several versions, the highest counts.
fn tagged(snapshot: &Snapshot) -> Option<Event> {
    let git = snapshot.git.as_ref().filter(|git| !git.dirty)?;
    let version = |tag: &String| {
        Some((semver::Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?, tag.clone()))
    };
    let (_, tag) = git.tags.iter().filter_map(version).max()?;
    let fact = |value: String| Some(Fact { value, origin: "the version tag of the commit".into() });
    let default = git.default_branch.clone().or_else(|| git.branch.clone());
    Some(Event {
        system: "git",
        name: fact("push".into()),
        reference: fact(format!("refs/tags/{tag}")),
        commit: fact(git.commit.clone()),
        commit_date: git.commit_date,
        default_branch: default.and_then(fact),
        ..Event::default()
    })
}
