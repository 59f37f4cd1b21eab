//! Which tags move in a registry: what each points at is asked before anything is sent, and
//! [`wharf_metadata::decide`] decides.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use wharf_metadata::{Decision, Motion, Overrides, Present, Release, Tag, Version, decide};
use wharf_oci::{Descriptor, digest};
use wharf_registry::{DOCUMENT_MAX, Document, Name, Parsed, Repository, Store};

use crate::commands::registry_failure;
use crate::exit::Failure;

/// The label and the annotation that say which version an image is (image-spec, annotations).
pub(crate) const VERSION: &str = "org.opencontainers.image.version";

/// How many small questions are asked at once.
const QUESTIONS: usize = 8;
/// How many tags are looked at for one that names the same image and says its version.
const SIBLINGS_MAX: usize = 256;

/// What becomes of the tags of one push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    /// Those that will name the image, in the order given.
    pub(crate) tags: Vec<String>,
    /// Those that stay where they are, and why, a sentence each.
    pub(crate) kept: Vec<String>,
    /// Those that only move because somebody insisted, a sentence each.
    pub(crate) overridden: Vec<String>,
}

/// Decides about `tags` in `repository`.
///
/// # Errors
/// A gate: a full version names another image there. Otherwise what the registry answers.
pub(crate) async fn moves(
    repository: &Repository,
    tags: &[Tag],
    release: &Release<'_>,
    overrides: Overrides,
) -> Result<Moves, Failure> {
    let asked = stream::iter(tags).map(|tag| present(repository, tag, release)).buffered(QUESTIONS);
    let found: Vec<Option<Present>> = asked.try_collect().await.map_err(registry_failure)?;
    let mut moves = Moves::default();
    for (tag, present) in tags.iter().zip(&found) {
        match decide(tag, release, present.as_ref(), overrides) {
            Decision::Move { overridden } => {
                moves.overridden.extend(overridden);
                moves.tags.push(tag.name.clone());
            }
            Decision::Same => moves.tags.push(tag.name.clone()),
            Decision::Keep { reason } => moves.kept.push(reason),
            Decision::Refuse { reason } => {
                let place = repository.place();
                return Err(Failure::gate(reason).context(format!("publishing to {place}")).hint(
                    "release a new version; `--force` overwrites the tag for everybody who relies on it",
                ));
            }
        }
    }
    Ok(moves)
}

/// What `tag` points at, with as much as the decision about it needs.
async fn present(
    repository: &Repository,
    tag: &Tag,
    release: &Release<'_>,
) -> wharf_registry::Result<Option<Present>> {
    if tag.motion == Motion::Free {
        return Ok(None);
    }
    let Some(found) = repository.head(Name::Tag(&tag.name)).await? else { return Ok(None) };
    let mut present = Present { digest: found.digest, version: None, siblings: Vec::new() };
    let must_know = tag.motion == Motion::Rolling && release.version.is_some();
    if must_know && present.digest != *release.digest {
        if let Some(document) = repository.manifest(Name::Digest(&present.digest)).await? {
            present.version = labelled(repository, &document).await?;
        }
        if present.version.as_deref().and_then(Version::within).is_none() {
            present.siblings = siblings(repository, tag, &present).await;
        }
    }
    Ok(Some(present))
}

/// What an image says of its version: in its labels, else in its annotations. Of an index the first image speaks.
pub(crate) async fn labelled(
    repository: &Repository,
    document: &Document,
) -> wharf_registry::Result<Option<String>> {
    let annotated = match document.parse() {
        Ok(Parsed::Manifest(manifest)) => {
            let label = config_label(repository, &manifest.config).await?;
            return Ok(label.or_else(|| manifest.annotations.get(VERSION).cloned()));
        }
        Ok(Parsed::Index(index)) => {
            let image = index.manifests.iter().find(|child| child.platform.is_some());
            if let Some(child) = image.or_else(|| index.manifests.first())
                && let Some(document) = repository.manifest(Name::Digest(&child.digest)).await?
                && let Ok(Parsed::Manifest(manifest)) = document.parse()
                && let Some(label) = config_label(repository, &manifest.config).await?
            {
                return Ok(Some(label));
            }
            index.annotations.get(VERSION).cloned()
        }
        // Whatever it is, it says no version.
        Err(_) => None,
    };
    Ok(annotated)
}

async fn config_label(
    repository: &Repository,
    config: &Descriptor,
) -> wharf_registry::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Labelled {
        config: Option<Inner>,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[serde(rename = "Labels")]
        labels: Option<std::collections::BTreeMap<String, String>>,
    }
    if config.size > DOCUMENT_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut stream = repository.blob(config).open(0).await?;
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    if !digest::matches(&config.digest, &bytes) {
        return Ok(None);
    }
    let read: Option<Labelled> = serde_json::from_slice(&bytes).ok();
    Ok(read.and_then(|read| read.config?.labels?.remove(VERSION)))
}

/// The fullest version among the tags that name the same image; none where the registry does not list its tags.
async fn siblings(repository: &Repository, tag: &Tag, present: &Present) -> Vec<String> {
    let Ok(all) = repository.tags().await else { return Vec::new() };
    let named = all.into_iter().filter(|name| *name != tag.name);
    let mut versions: Vec<(Version, String)> =
        named.filter_map(|name| Some((Version::within(&name)?, name))).collect();
    versions.sort_by(|(a, _), (b, _)| {
        b.is_full().cmp(&a.is_full()).then_with(|| b.compare(a).unwrap_or(std::cmp::Ordering::Equal))
    });
    let asked = stream::iter(versions.into_iter().take(SIBLINGS_MAX)).map(|(_, name)| async move {
        let found = repository.head(Name::Tag(&name)).await.ok().flatten()?;
        (found.digest == present.digest).then_some(name)
    });
    let mut found = std::pin::pin!(asked.buffered(QUESTIONS).filter_map(std::future::ready));
    found.next().await.into_iter().collect()
}

/// The release that an image on this machine is: as its label says, else the full version that `names` hold.
pub(crate) fn version_here(label: Option<&str>, names: &[String]) -> Option<String> {
    if let Some(label) = label.filter(|label| Version::within(label).is_some()) {
        return Some(label.to_owned());
    }
    let versions = names.iter().filter_map(|name| Version::within(name)).filter(Version::is_full);
    let greatest =
        versions.reduce(
            |best, next| {
                if best.compare(&next).is_some_and(std::cmp::Ordering::is_lt) { next } else { best }
            },
        );
    greatest.map(|version| version.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::version_here;

    #[test]
    fn an_image_here_is_the_version_of_its_label_or_of_its_fullest_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(version_here(Some("1.2.9"), &names(&["v1"])).as_deref(), Some("1.2.9"));
        assert_eq!(
            version_here(Some("main"), &names(&["v1", "v1.2.9", "v1.2.8"])).as_deref(),
            Some("v1.2.9")
        );
        assert_eq!(version_here(None, &names(&["v1", "latest"])), None);
    }
}
