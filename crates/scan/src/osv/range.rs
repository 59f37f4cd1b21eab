//! Which versions a record is about: the schema's evaluation of events, explicit versions and limits.

use std::cmp::Ordering;

use crate::version::Scheme;

use super::record::{Affected, Event, Range};

/// Whether the record's entry is about this version.
pub(crate) fn affects(affected: &Affected, scheme: Scheme, version: &str) -> bool {
    affected.versions.iter().any(|listed| same(scheme, version, listed))
        || affected.ranges.iter().filter(|r| is_ordered(r)).any(|range| in_range(range, scheme, version))
}

/// The first version that is not affected any more, seen from `version`.
pub(crate) fn next_fix(affected: &Affected, scheme: Scheme, version: &str) -> Option<String> {
    let fixes = affected.ranges.iter().filter(|r| is_ordered(r)).flat_map(|range| &range.events);
    fixes
        .filter_map(|event| event.fixed.as_deref())
        .filter(|fixed| scheme.compare(version, fixed) == Some(Ordering::Less))
        .min_by(|a, b| scheme.compare(a, b).unwrap_or(Ordering::Equal))
        .map(str::to_owned)
}

/// Ranges over commits say nothing about packages.
fn is_ordered(range: &Range) -> bool {
    matches!(range.kind.as_str(), "ECOSYSTEM" | "SEMVER")
}

/// Equal by the ecosystem's order; by text where they are no versions.
fn same(scheme: Scheme, version: &str, listed: &str) -> bool {
    match scheme.compare(version, listed) {
        Some(order) => order.is_eq(),
        None => version == listed,
    }
}

/// An event, reduced to what happens and where.
enum Bound<'a> {
    Introduced(&'a str),
    Fixed(&'a str),
    LastAffected(&'a str),
}

impl<'a> Bound<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event { introduced: Some(v), .. } => Some(Self::Introduced(v)),
            Event { fixed: Some(v), .. } => Some(Self::Fixed(v)),
            Event { last_affected: Some(v), .. } => Some(Self::LastAffected(v)),
            _ => None,
        }
    }

    fn version(&self) -> &'a str {
        match self {
            Self::Introduced(v) | Self::Fixed(v) | Self::LastAffected(v) => v,
        }
    }
}

/// Walks the events in the order of their versions; the last one that `version` has reached decides.
fn in_range(range: &Range, scheme: Scheme, version: &str) -> bool {
    if !within_limits(range, scheme, version) {
        return false;
    }
    let mut bounds: Vec<Bound<'_>> = range.events.iter().filter_map(Bound::of).collect();
    bounds.sort_by(|a, b| order(scheme, a, b));
    let mut affected = false;
    for bound in bounds {
        let bound_version = bound.version();
        // Zero is before every version, whatever the ecosystem thinks of it.
        let reached = if bound_version == "0" {
            Some(Ordering::Greater)
        } else {
            scheme.compare(version, bound_version)
        };
        match (bound, reached) {
            (Bound::Introduced(_), Some(Ordering::Equal | Ordering::Greater)) => affected = true,
            (Bound::Fixed(_), Some(Ordering::Equal | Ordering::Greater)) => affected = false,
            (Bound::LastAffected(_), Some(Ordering::Greater)) => affected = false,
            _ => {}
        }
    }
    affected
}

fn order(scheme: Scheme, a: &Bound<'_>, b: &Bound<'_>) -> Ordering {
    let by_version = match (a.version(), b.version()) {
        ("0", "0") => Ordering::Equal,
        ("0", _) => Ordering::Less,
        (_, "0") => Ordering::Greater,
        (a, b) => scheme.compare(a, b).unwrap_or(Ordering::Equal),
    };
    let rank = |bound: &Bound<'_>| matches!(bound, Bound::Introduced(_));
    // At one version, what ends an earlier stretch comes after what begins one: `fixed: 0` means never.
    by_version.then_with(|| rank(b).cmp(&rank(a)))
}

/// Without limits there is none; with several, one that is not reached is enough.
fn within_limits(range: &Range, scheme: Scheme, version: &str) -> bool {
    let mut limits = range.events.iter().filter_map(|event| event.limit.as_deref()).peekable();
    limits.peek().is_none()
        || limits.any(|limit| limit == "*" || scheme.compare(version, limit) == Some(Ordering::Less))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(events: &str, versions: &[&str]) -> Affected {
        serde_json::from_value(serde_json::json!({
            "ranges": [{ "type": "ECOSYSTEM", "events": serde_json::from_str::<serde_json::Value>(events).unwrap() }],
            "versions": versions,
        }))
        .unwrap()
    }

    fn python(affected: &Affected, version: &str) -> bool {
        affects(affected, Scheme::Pep440, version)
    }

    #[test]
    fn events_count_by_version_and_not_by_place() {
        let entry =
            affected(r#"[{"fixed":"2.2"},{"introduced":"2.0"},{"fixed":"1.5"},{"introduced":"0"}]"#, &[]);
        for (version, expected) in
            [("1.0", true), ("1.5", false), ("1.9", false), ("2.0", true), ("2.2", false)]
        {
            assert_eq!(python(&entry, version), expected, "{version}");
        }
        assert_eq!(next_fix(&entry, Scheme::Pep440, "1.0").as_deref(), Some("1.5"));
        assert_eq!(next_fix(&entry, Scheme::Pep440, "2.1").as_deref(), Some("2.2"));
    }

    #[test]
    fn last_affected_is_affected() {
        let entry = affected(r#"[{"introduced":"1.0"},{"last_affected":"1.4"}]"#, &[]);
        assert!(
            python(&entry, "1.4")
                && python(&entry, "1.4+cpu")
                && !python(&entry, "1.4.1")
                && !python(&entry, "0.9")
        );
        assert_eq!(next_fix(&entry, Scheme::Pep440, "1.2"), None);
    }

    #[test]
    fn listed_versions_are_affected_beside_the_ranges() {
        let entry = affected(r#"[{"introduced":"0"},{"fixed":"1.2"}]"#, &["1.3", "2004d"]);
        assert!(python(&entry, "1.3.0") && python(&entry, "2004d") && !python(&entry, "1.2"));
    }

    #[test]
    fn fixed_at_zero_is_never_affected() {
        assert!(!python(&affected(r#"[{"introduced":"0"},{"fixed":"0"}]"#, &[]), "1.0"));
    }

    #[test]
    fn one_open_limit_is_enough() {
        let entry = affected(r#"[{"introduced":"1.0"},{"limit":"1.5"},{"limit":"3.0"}]"#, &[]);
        assert!(python(&entry, "2.0") && !python(&entry, "3.0"));
    }
}
