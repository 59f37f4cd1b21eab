//! RustSec's advisories as their database keeps them: TOML in front of Markdown, with the versions that are *not* affected
//! (<https://github.com/rustsec/advisory-db#advisory-format>). OSV says the opposite, so ranges are turned inside out.

use semver::{Comparator, Op, Prerelease, Version, VersionReq};
use serde::Deserialize;

use super::record::{Affected, AffectedPackage, Event, Range, Record, ReferenceLink, Score};

/// How such a file begins.
const FENCE: &str = "```toml\n";

#[derive(Deserialize)]
struct Document {
    advisory: Advisory,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    date: String,
    url: Option<String>,
    cvss: Option<String>,
    informational: Option<String>,
    withdrawn: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// The advisory in `text` as an OSV record; `None` for any other Markdown.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Option<Record>, String> {
    let Some((front, body)) = text.strip_prefix(FENCE).and_then(|rest| rest.split_once("\n```")) else {
        return Ok(None);
    };
    let Document { advisory, versions } = toml::from_str(front).map_err(|error| error.to_string())?;
    let mut harmless = Vec::new();
    for requirement in versions.patched.iter().chain(&versions.unaffected) {
        harmless.push(interval(requirement)?);
    }
    let (summary, details) = match body.trim_start().strip_prefix("# ").map(|body| body.split_once('\n')) {
        Some(Some((summary, details))) => (Some(summary.trim().to_owned()), details.trim().to_owned()),
        _ => (None, body.trim().to_owned()),
    };
    let kind = |vector: &str| if vector.starts_with("CVSS:4") { "CVSS_V4" } else { "CVSS_V3" };
    let page = |url: String| ReferenceLink { kind: "ADVISORY".into(), url };
    Ok(Some(Record {
        references: vec![page(format!("https://rustsec.org/advisories/{}.html", advisory.id))]
            .into_iter()
            .chain(advisory.url.map(page))
            .collect(),
        id: advisory.id,
        modified: midnight(&advisory.date),
        withdrawn: advisory.withdrawn.as_deref().map(midnight),
        aliases: advisory.aliases,
        summary,
        details: Some(details),
        severity: advisory.cvss.map(|score| Score { kind: kind(&score).into(), score }).into_iter().collect(),
        affected: vec![Affected {
            package: Some(AffectedPackage { ecosystem: "crates.io".into(), name: advisory.package }),
            ranges: vec![Range { kind: "SEMVER".into(), events: events(harmless), ..Range::default() }],
            database_specific: advisory
                .informational
                .map(|kind| serde_json::json!({ "informational": kind })),
            ..Affected::default()
        }],
        ..Record::default()
    }))
}

/// A day as the moment at which it begins.
fn midnight(day: &str) -> String {
    format!("{day}T00:00:00Z")
}

/// Versions from one, `None` being before all, up to another, `None` being after all.
type Interval = (Option<Version>, Option<Version>);

/// The versions that fulfil a requirement in Cargo's words.
fn interval(requirement: &str) -> Result<Interval, String> {
    let parsed = VersionReq::parse(requirement)
        .map_err(|error| format!("`{requirement}` is no requirement: {error}"))?;
    let (mut from, mut to): Interval = (None, None);
    for comparator in &parsed.comparators {
        let (start, end) = bounds(comparator);
        // An absent start is smaller than any version, and so is `None`; an absent end is larger.
        from = from.max(start);
        to = match (to, end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok((from, to))
}

fn bounds(comparator: &Comparator) -> Interval {
    let (minor, patch) = (comparator.minor.unwrap_or(0), comparator.patch.unwrap_or(0));
    let mut version = Version::new(comparator.major, minor, patch);
    version.pre = comparator.pre.clone();
    match comparator.op {
        Op::Greater => (Some(behind(comparator, version)), None),
        Op::GreaterEq => (Some(version), None),
        Op::Less => (None, Some(version)),
        Op::LessEq => (None, Some(behind(comparator, version))),
        Op::Exact | Op::Wildcard => {
            let end = behind(comparator, version.clone());
            (Some(version), Some(end))
        }
        Op::Tilde => {
            let end = match comparator.minor {
                Some(minor) => Version::new(version.major, minor.saturating_add(1), 0),
                None => Version::new(version.major.saturating_add(1), 0, 0),
            };
            (Some(version), Some(end))
        }
        _ => {
            let end = match (version.major, comparator.minor, comparator.patch) {
                (0, Some(0), Some(patch)) => Version::new(0, 0, patch.saturating_add(1)),
                (0, Some(minor), _) => Version::new(0, minor.saturating_add(1), 0),
                (major, ..) => Version::new(major.saturating_add(1), 0, 0),
            };
            (Some(version), Some(end))
        }
    }
}

/// The first version behind all that a comparator without its sign means: `1.2.3` is one version, `1.2` many.
fn behind(comparator: &Comparator, version: Version) -> Version {
    let mut next = match (comparator.minor, comparator.patch) {
        (None, _) => Version::new(version.major.saturating_add(1), 0, 0),
        (Some(minor), None) => Version::new(version.major, minor.saturating_add(1), 0),
        (Some(minor), Some(patch)) if version.pre.is_empty() => {
            Version::new(version.major, minor, patch.saturating_add(1))
        }
        _ => version.clone(),
    };
    // The smallest one behind a version has a number more (semver 2.0.0, 11.4).
    let pre = if version.pre.is_empty() { "0".to_owned() } else { format!("{}.0", version.pre) };
    next.pre = Prerelease::new(&pre).unwrap_or_default();
    next
}

/// What lies between the harmless versions, as OSV's events.
fn events(mut harmless: Vec<Interval>) -> Vec<Event> {
    harmless.retain(|(from, to)| to.is_none() || from < to);
    harmless.sort();
    let introduced = |from: Option<Version>| Event {
        introduced: Some(from.map_or("0".into(), |version| version.to_string())),
        ..Event::default()
    };
    let mut events = Vec::new();
    // What is known to be harmless reaches up to here.
    let mut known = None;
    for (from, to) in harmless {
        if from > known {
            events.push(introduced(known.clone()));
            events.push(Event { fixed: from.map(|version| version.to_string()), ..Event::default() });
        }
        let Some(to) = to else { return events };
        known = known.max(Some(to));
    }
    events.push(introduced(known));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(patched: &[&str], unaffected: &[&str]) -> String {
        let all = patched.iter().chain(unaffected).map(|text| interval(text).unwrap()).collect();
        let show = |event: Event| match (event.introduced, event.fixed) {
            (Some(version), _) => format!("+{version}"),
            (_, fixed) => format!("-{}", fixed.unwrap_or_default()),
        };
        events(all).into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_not_harmless_is_affected() {
        for (patched, unaffected, expected) in [
            (&[][..], &[][..], "+0"),
            (&[">= 1.2.3"], &[], "+0 -1.2.3"),
            (&[">= 0.32.0"], &["< 0.1.2"], "+0.1.2 -0.32.0"),
            (&["> 1.2.3"], &[], "+0 -1.2.4-0"),
            (&["> 1.0.0-rc.1"], &[], "+0 -1.0.0-rc.1.0"),
            (&[], &["<= 2.0.0"], "+2.0.1-0"),
            (&["^1.4.2", ">= 2.0.1"], &["< 1.0.0"], "+1.0.0 -1.4.2 +2.0.0 -2.0.1"),
            (&["^0.4.2", "0.5.1"], &[], "+0 -0.4.2 +0.5.0 -0.5.1 +0.6.0"),
            (&[">= 0.3.1, < 0.4.0", ">=0.4.2"], &[], "+0 -0.3.1 +0.4.0 -0.4.2"),
            (&["< 0.4.0, >= 0.3.1"], &[], "+0 -0.3.1 +0.4.0"),
            (&["=1.0.5"], &[], "+0 -1.0.5 +1.0.6-0"),
            (&["~1.2.3"], &[], "+0 -1.2.3 +1.3.0"),
            (&["1.2.*"], &[], "+0 -1.2.0 +1.3.0-0"),
            (&[">= 1.0.0", ">= 2.0.0"], &["< 1.5.0"], ""),
            (&["*"], &[], ""),
        ] {
            assert_eq!(ranges(patched, unaffected), expected, "{patched:?} {unaffected:?}");
        }
    }

    #[test]
    fn an_advisory_is_read_whole_and_other_text_is_none() {
        let text = "```toml\n[advisory]\nid = \"RUSTSEC-2099-0001\"\npackage = \"pillow\"\ndate = \"2099-01-02\"\n\
            cvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"\naliases = [\"CVE-2099-1\"]\n\n[versions]\n\
            patched = [\">= 1.0.1\"]\n```\n\n# It overflows\n\nWhen it is full.\n";
        let record = parse(text).unwrap().unwrap();
        assert_eq!(
            (
                record.id.as_str(),
                record.modified.as_str(),
                record.summary.as_deref(),
                record.details.as_deref()
            ),
            ("RUSTSEC-2099-0001", "2099-01-02T00:00:00Z", Some("It overflows"), Some("When it is full."))
        );
        assert_eq!(record.aliases, ["CVE-2099-1"]);
        assert_eq!(record.severity[0].kind, "CVSS_V3");
        assert_eq!(record.url(), Some("https://rustsec.org/advisories/RUSTSEC-2099-0001.html"));
        assert!(parse("# Read me\n").unwrap().is_none());
        assert!(parse("```toml\n[advisory]\n```\n").is_err());
        let broken = text.replace(">= 1.0.1", "soon");
        assert!(parse(&broken).unwrap_err().contains("`soon` is no requirement"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(```toml\n)?(\\PC|\n)*") {
            let _ = parse(&text);
        }

        #[test]
        fn no_requirement_panics(text in "[<>=^~]{0,2} ?[0-9*]{1,20}(\\.[0-9*]{1,20}){0,2}(-[a-z0-9.]{0,5})?") {
            let _ = interval(&text);
        }
    }
}
