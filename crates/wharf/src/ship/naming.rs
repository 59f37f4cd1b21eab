//! What the project's image is called and what it says of itself: the rules of `wharf.toml` applied to git
//! and CI, and the model inside.

use std::path::Path;

use wharf_metadata::{Event, Fact, Metadata, Snapshot};

use crate::commands::meta;
use crate::exit::Failure;
use crate::settings::project::Project;
use crate::snapshot;

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
    snapshot.model = snapshot::model::of_project(directory, project)?;
    if let (Some(model), None) = (&project.model, &snapshot.model) {
        let path = directory.join(&model.artifact);
        return Err(Failure::usage(format!("the model {} does not exist", path.display()))
            .hint("`artifact` in [model] of wharf.toml says where it is"));
    }
    meta::of_project(project, &snapshot, directory)
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
