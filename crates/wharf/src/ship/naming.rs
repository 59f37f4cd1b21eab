//! What the project's image is called and what it says of itself: the rules of `wharf.toml` applied to git
//! and CI, and the model inside.

use std::path::Path;

use anyhow::Context;
use wharf_metadata::{Metadata, Rules, Snapshot, resolve};

use crate::building::file_digest;
use crate::exit::{Failure, OrFail};
use crate::settings::project::Project;

/// Applies the project's rules to what is being built.
///
/// The label `created` says when the commit was made, where the tree is clean and `SOURCE_DATE_EPOCH` says
/// nothing else: the same commit is then the same image, and an unchanged ship moves nothing.
pub(crate) fn metadata(project: &Project, snapshot: &Snapshot, directory: &Path) -> Result<Metadata, Failure> {
    let rules = Rules { tags: project.image.tags.clone(), flavor: project.image.flavor.clone(), ..Rules::default() };
    let mut snapshot = snapshot.clone();
    if snapshot.clock.source_date_epoch.is_none()
        && let Some(git) = snapshot.git.as_ref().filter(|git| !git.dirty)
    {
        snapshot.clock.source_date_epoch = git.commit_date;
    }
    let mut metadata = resolve(&snapshot, &rules).or_usage()?;
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
