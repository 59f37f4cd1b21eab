//! How tags may move once a registry has them.

use super::check::MOTION_ATTRIBUTES;
use crate::evaluate::{Produced, sanitize};
use crate::rules::{Kind, RefKind, TagRule};
use crate::version::Version;

/// How a tag may move once a registry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Follows whatever is built: a branch, a pull request, a commit.
    Free,
    /// Moves forward in version order only: `latest`, `1`, `1.2`.
    Rolling,
    /// Never moves: a full version.
    Immutable,
}

impl Motion {
    /// How a tag moves that no rule gave, by its name alone.
    pub fn of_name(name: &str) -> Self {
        if name == LATEST { Self::Rolling } else { of_version(name, None) }
    }
}

/// The tag that names what is newest.
pub(super) const LATEST: &str = "latest";

/// How the tag `name`, which `rule` produced, may move.
pub(super) fn of(rule: &TagRule, produced: &Produced, name: &str) -> Motion {
    if let Some(motion) = asked_for(rule) {
        return motion;
    }
    if name == LATEST {
        return Motion::Rolling;
    }
    match &rule.kind {
        Kind::Schedule { .. } | Kind::Edge { .. } | Kind::Sha { .. } => Motion::Free,
        Kind::Ref(RefKind::Branch | RefKind::PullRequest) => Motion::Free,
        Kind::Semver(_)
        | Kind::Pep440(_)
        | Kind::Match { .. }
        | Kind::Ref(RefKind::Tag)
        | Kind::Raw { .. } => of_version(core(produced, name), produced.version.as_deref()),
    }
}

/// `rolling=true`, `immutable=true`; both `false` for neither.
fn asked_for(rule: &TagRule) -> Option<Motion> {
    let is = |key: &str, wanted: &str| rule.unknown.iter().any(|(k, v)| k == key && v == wanted);
    let [rolling, immutable] = MOTION_ATTRIBUTES;
    if is(immutable, "true") {
        Some(Motion::Immutable)
    } else if is(rolling, "true") {
        Some(Motion::Rolling)
    } else if is(rolling, "false") || is(immutable, "false") {
        Some(Motion::Free)
    } else {
        None
    }
}

/// The tag without what was put around its value.
fn core<'a>(produced: &Produced, name: &'a str) -> &'a str {
    let core = name.strip_prefix(&sanitize(&produced.prefix)).unwrap_or(name);
    core.strip_suffix(&sanitize(&produced.suffix)).unwrap_or(core)
}

/// A version with all its numbers stays; an abbreviated one follows the newest; anything else is free.
fn of_version(core: &str, whole: Option<&str>) -> Motion {
    if whole.is_some_and(|whole| sanitize(whole) == core) {
        return Motion::Immutable;
    }
    match Version::parse(core) {
        Some(version) if version.is_full() => Motion::Immutable,
        Some(_) => Motion::Rolling,
        None if whole.is_some() => Motion::Rolling,
        None => Motion::Free,
    }
}
