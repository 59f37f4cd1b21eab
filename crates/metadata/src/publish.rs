//! Whether a tag moves in a registry: rolling tags only forward, full versions never.
//!
//! A pure decision. Who asks the registry fills in what each tag points at; who pushes does as it is told, and
//! shows the sentences.

use std::cmp::Ordering;

use wharf_oci::{Digest, digest};

use crate::resolve::{Motion, Tag};
use crate::version::Version;

/// What is about to be published.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The version, where one is released ([`crate::Metadata::release`]).
    pub version: Option<&'a str>,
    /// The image.
    pub digest: &'a Digest,
}

/// What a registry says of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What it points at.
    pub digest: Digest,
    /// The label `org.opencontainers.image.version` of that image.
    pub version: Option<String>,
    /// Other tags that point at the same.
    pub siblings: Vec<String>,
}

/// What the one who publishes insists on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Rolling tags may move to an older version.
    pub allow_backward: bool,
    /// Full versions may be overwritten.
    pub force: bool,
}

/// What to do with one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Point it at the image.
    Move {
        /// What to record, as a sentence, where this only happens because somebody insisted.
        overridden: Option<String>,
    },
    /// It points at the image already.
    Same,
    /// Leave it where it is, and publish the other tags.
    Keep {
        /// Why, as a sentence.
        reason: String,
    },
    /// Publish nothing.
    Refuse {
        /// Why, as a sentence.
        reason: String,
    },
}

/// Decides about `tag`, which points at `present`, or at nothing yet.
pub fn decide(tag: &Tag, release: &Release<'_>, present: Option<&Present>, overrides: Overrides) -> Decision {
    if present.is_some_and(|present| present.digest == *release.digest) {
        return Decision::Same;
    }
    match tag.motion {
        Motion::Free => Decision::Move { overridden: None },
        Motion::Immutable => immutable(tag, present, overrides.force),
        Motion::Rolling => match backward(tag, release, present) {
            None => Decision::Move { overridden: None },
            Some(Backward { from, why }) if overrides.allow_backward => {
                let overridden = format!("`{}` was moved from {from}, although {why}", tag.name);
                Decision::Move { overridden: Some(overridden) }
            }
            Some(Backward { from, why }) => {
                let place = if present.is_some() { format!("stays at {from}") } else { "is not made".into() };
                Decision::Keep { reason: format!("`{}` {place}: {why}", tag.name) }
            }
        },
    }
}

fn immutable(tag: &Tag, present: Option<&Present>, force: bool) -> Decision {
    let Some(present) = present else { return Decision::Move { overridden: None } };
    let (name, old) = (&tag.name, short(&present.digest));
    if force {
        return Decision::Move { overridden: Some(format!("`{name}` was {old} and was overwritten")) };
    }
    Decision::Refuse { reason: format!("`{name}` is {old} already, and a full version never moves") }
}

/// A move that a rolling tag does not make.
struct Backward {
    /// Where it is.
    from: String,
    /// What is wrong with where it would go.
    why: String,
}

/// Why a rolling tag would go back.
fn backward(tag: &Tag, release: &Release<'_>, present: Option<&Present>) -> Option<Backward> {
    let new = release.version.and_then(Version::within)?;
    let old = present.and_then(version);
    let from = match (&old, present) {
        (Some(old), _) => old.as_str().to_owned(),
        (None, Some(present)) => short(&present.digest),
        (None, None) => "nothing".to_owned(),
    };
    // A tag with a name of its own, `next`, is there for pre-releases; these two kinds are for releases.
    let for_releases = tag.name == "latest" || Version::within(&tag.name).is_some();
    if new.is_prerelease() && for_releases {
        return Some(Backward { from, why: format!("{} is a pre-release", new.as_str()) });
    }
    let older = old.is_some_and(|old| new.compare(&old) == Some(Ordering::Less));
    older.then(|| Backward { from, why: format!("{} is older", new.as_str()) })
}

/// The version of what a tag points at: as its label says, else the greatest that its other tags name.
fn version(present: &Present) -> Option<Version> {
    let labelled = present.version.as_deref().and_then(Version::within);
    labelled.or_else(|| {
        let versions = present.siblings.iter().filter_map(|tag| Version::within(tag));
        // A shared `1` or `1.2` says less than the `1.2.3` beside it.
        versions.max_by(|a, b| {
            a.segments().cmp(&b.segments()).then_with(|| a.compare(b).unwrap_or(Ordering::Equal))
        })
    })
}

fn short(image: &Digest) -> String {
    format!("sha256:{}", digest::short(image, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, motion: Motion) -> Tag {
        Tag { name: name.to_owned(), motion }
    }

    fn present(version: Option<&str>, siblings: &[&str]) -> Present {
        let siblings = siblings.iter().map(|tag| (*tag).to_owned()).collect();
        Present { digest: digest::sha256(b"old"), version: version.map(str::to_owned), siblings }
    }

    fn decided(
        name: &str,
        motion: Motion,
        version: &str,
        present: Option<Present>,
        overrides: Overrides,
    ) -> Decision {
        let digest = digest::sha256(b"new");
        let release = Release { version: Some(version).filter(|v| !v.is_empty()), digest: &digest };
        decide(&tag(name, motion), &release, present.as_ref(), overrides)
    }

    fn rolling(name: &str, version: &str, old: Present) -> Decision {
        decided(name, Motion::Rolling, version, Some(old), Overrides::default())
    }

    const MOVE: Decision = Decision::Move { overridden: None };

    fn keep(reason: &str) -> Decision {
        Decision::Keep { reason: reason.to_owned() }
    }

    #[test]
    fn a_backport_moves_its_minor_and_nothing_above() {
        assert_eq!(rolling("v1.2", "1.2.9", present(Some("1.2.8"), &[])), MOVE);
        assert_eq!(
            rolling("v1", "1.2.9", present(Some("1.3.0"), &[])),
            keep("`v1` stays at 1.3.0: 1.2.9 is older")
        );
        assert_eq!(
            rolling("latest", "v1.2.9", present(None, &["v1", "v1.3", "v1.3.0"])),
            keep("`latest` stays at v1.3.0: v1.2.9 is older")
        );
    }

    #[test]
    fn a_pre_release_moves_neither() {
        let reason = "`latest` stays at 1.3.0: 1.4.0-rc.1 is a pre-release";
        assert_eq!(rolling("latest", "1.4.0-rc.1", present(Some("1.3.0"), &[])), keep(reason));
        let first = decided("1", Motion::Rolling, "1.0.0-rc.1", None, Overrides::default());
        assert_eq!(first, keep("`1` is not made: 1.0.0-rc.1 is a pre-release"));
        assert_eq!(rolling("next", "1.4.0-rc.1", present(Some("1.3.0"), &[])), MOVE);
    }

    #[test]
    fn what_cannot_be_compared_moves() {
        assert_eq!(rolling("latest", "", present(Some("1.3.0"), &[])), MOVE);
        assert_eq!(rolling("latest", "1.2.0", present(Some("main"), &["main"])), MOVE);
        assert_eq!(decided("latest", Motion::Rolling, "1.2.0", None, Overrides::default()), MOVE);
        assert_eq!(rolling("latest", "1.3.0", present(Some("1.3.0"), &[])), MOVE);
    }

    #[test]
    fn insisting_moves_back_and_says_so() {
        let overrides = Overrides { allow_backward: true, force: false };
        let decision = decided("v1", Motion::Rolling, "1.2.9", Some(present(Some("1.3.0"), &[])), overrides);
        let sentence = "`v1` was moved from 1.3.0, although 1.2.9 is older".to_owned();
        assert_eq!(decision, Decision::Move { overridden: Some(sentence) });
    }

    #[test]
    fn a_full_version_never_moves_unless_forced() {
        let at = |present, overrides| decided("1.2.3", Motion::Immutable, "1.2.3", present, overrides);
        assert_eq!(at(None, Overrides::default()), MOVE);
        let Decision::Refuse { reason } = at(Some(present(None, &[])), Overrides::default()) else {
            panic!()
        };
        assert!(reason.starts_with("`1.2.3` is sha256:") && reason.ends_with("never moves"), "{reason}");
        let forced = at(Some(present(None, &[])), Overrides { force: true, allow_backward: false });
        assert!(matches!(forced, Decision::Move { overridden: Some(_) }));
        let same = Present { digest: digest::sha256(b"new"), version: None, siblings: Vec::new() };
        assert_eq!(at(Some(same), Overrides::default()), Decision::Same);
    }

    proptest::proptest! {
        /// Whatever order releases are published in, a rolling tag ends at the greatest of them.
        #[test]
        fn the_greatest_version_wins(releases in proptest::collection::vec((0u8..3, 0u8..3, 0u8..3), 1..12)) {
            let mut at: Option<(u8, u8, u8)> = None;
            for release in &releases {
                let text = |(major, minor, patch): (u8, u8, u8)| format!("{major}.{minor}.{patch}");
                let old = at.map(|version| present(Some(&text(version)), &[]));
                if matches!(decided("latest", Motion::Rolling, &text(*release), old, Overrides::default()), Decision::Move { .. }) {
                    at = Some(*release);
                }
            }
            proptest::prop_assert_eq!(at, releases.iter().max().copied());
        }
    }
}
