//! Findings by what to do about them.

use std::collections::BTreeMap;

use crate::findings::{Finding, Kind, Outcome, Policy, Report, Verdict};

/// Findings that one action deals with.
pub(super) struct Group<'a> {
    /// The action.
    pub(super) title: String,
    pub(super) findings: Vec<&'a Finding>,
    /// One thing to do, however many the findings.
    pub(super) is_one: bool,
}

/// The order in which groups are shown.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Action<'a> {
    Model,
    Secret,
    /// One package of one instruction to upgrade; `None` for an image without a known Dockerfile.
    Upgrade(Option<(u32, &'a str)>, &'a str),
    /// One instruction whose whole image is to be replaced; `None` for an image without a known Dockerfile.
    Base(Option<(u32, &'a str)>),
    Config,
    Licence,
    Wait,
}

/// The findings that the policy lists, grouped; most urgent kinds first.
pub(super) fn by_action<'a>(report: &'a Report, policy: &Policy) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<Action<'a>, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| policy.lists(finding)) {
        groups.entry(action(finding)).or_default().push(finding);
    }
    groups
        .into_iter()
        .map(|(action, findings)| Group {
            title: title(&action, &findings),
            is_one: matches!(action, Action::Base(_)),
            findings,
        })
        .collect()
}

fn action(finding: &Finding) -> Action<'_> {
    match finding.kind {
        Kind::Model => Action::Model,
        Kind::Secret => Action::Secret,
        Kind::Config => Action::Config,
        Kind::Licence => Action::Licence,
        Kind::Vulnerability if !finding.is_fixable() => Action::Wait,
        Kind::Vulnerability => {
            let name = finding.package.as_ref().map_or("", |package| package.advised().0);
            match &finding.location {
                Some(place) if place.instruction.to_ascii_uppercase().starts_with("FROM") => {
                    Action::Base(Some((place.line, &place.instruction)))
                }
                None if is_of_the_lowest_layer(finding) => Action::Base(None),
                Some(place) => Action::Upgrade(Some((place.line, &place.instruction)), name),
                None => Action::Upgrade(None, name),
            }
        }
    }
}

/// A package of the distribution that nobody added to it, as far as layers show.
fn is_of_the_lowest_layer(finding: &Finding) -> bool {
    let Some(package) = &finding.package else { return false };
    let of_distribution =
        ["pkg:deb/", "pkg:apk/", "pkg:rpm/"].iter().any(|kind| package.purl.starts_with(kind));
    of_distribution && package.layer == Some(0)
}

fn title(action: &Action<'_>, findings: &[&Finding]) -> String {
    match action {
        Action::Model => "Do not load these model files".into(),
        Action::Secret => "Revoke these credentials, and keep them out of the image".into(),
        Action::Config => "Build the image differently".into(),
        Action::Licence => "Look at these licences".into(),
        Action::Wait => "No fix yet".into(),
        Action::Base(place) => {
            let which = match place {
                Some((line, instruction)) => format!("line {line}: {}", brief(instruction)),
                None => "the distribution's packages of the lowest layer".into(),
            };
            format!("Build on a newer base image ({which}): it fixes {}", count(findings.len(), "finding"))
        }
        Action::Upgrade(place, name) => {
            let to = newest(findings).map(|version| format!(" to {version}")).unwrap_or_default();
            match place {
                Some((line, instruction)) => {
                    format!("Upgrade {name}{to} (line {line}: {})", brief(instruction))
                }
                None => format!("Upgrade {name}{to}"),
            }
        }
    }
}

/// The version that fixes all of the findings of one package.
fn newest(findings: &[&Finding]) -> Option<String> {
    let scheme = crate::version::Scheme::of(&findings.first()?.package.as_ref()?.ecosystem);
    let fixes: Vec<&String> =
        findings.iter().filter_map(|finding| finding.advisory.as_ref()?.fixed.as_ref()).collect();
    let newest = match scheme {
        Some(scheme) => {
            fixes.into_iter().max_by(|a, b| scheme.compare(a, b).unwrap_or(std::cmp::Ordering::Equal))
        }
        // Another engine's package, of whose versions nothing is known: one fix is the newest.
        None => fixes.first().copied().filter(|first| fixes.iter().all(|fix| fix == first)),
    };
    newest.cloned()
}

fn brief(instruction: &str) -> String {
    let text = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The verdict in one line.
pub(super) fn headline(verdict: &Verdict) -> String {
    match verdict.outcome {
        Outcome::Pass => "Scan passed".to_owned(),
        Outcome::Fail => format!("Scan failed: {} to fix first", count(verdict.stopping, "finding")),
        Outcome::Unjudged => "Scan could not judge everything".to_owned(),
    }
}

/// The page about a finding's advisory, if a reader may be led there.
pub(super) fn page(finding: &Finding) -> Option<&str> {
    let url = finding.advisory.as_ref().and_then(|advisory| advisory.url.as_deref());
    url.filter(|url| url.starts_with("https://"))
}

/// `1 finding`, `2 findings`.
pub(super) fn count(n: usize, noun: &str) -> String {
    match (n, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        _ => format!("{n} {noun}s"),
    }
}

/// Where a finding is, as people read it: the file, the place inside, the layer that removes it.
pub(super) fn place(finding: &Finding) -> String {
    // Of a file in a layer, the file is what to look for; settings have their line.
    let is_setting =
        finding.kind == Kind::Config || (finding.kind == Kind::Secret && finding.layer.is_none());
    if let Some(place) = finding.location.as_ref().filter(|_| is_setting) {
        let setting = finding.member.as_ref().filter(|_| finding.kind == Kind::Secret);
        let setting = setting.map(|setting| format!(" ({setting})")).unwrap_or_default();
        return format!("{}:{}{setting}", place.file, place.line);
    }
    let mut text = finding.path.clone();
    if let Some(member) = &finding.member {
        text.push_str(&format!("!{member}"));
    }
    if let Some(removed) = finding.layer.as_ref().and_then(|layer| layer.removed_in) {
        text.push_str(&format!(" (removed again by layer {removed}, and still in the image)"));
    }
    text
}
