//! SARIF 2.1.0 (OASIS), as GitHub code scanning accepts it.
//!
//! GitHub rejects a whole file over one bad detail, so: every result has a relative, non-empty URI and a
//! line from 1; `security-severity` is a string; rules carry the tag `security`; help is there as text and as
//! Markdown; the documented limits are kept. Fingerprints are wharf's own, because GitHub's are made from a
//! checked-out file, which a path inside an image is not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::findings::{Finding, Kind, Policy, Report, Severity};

/// More results are not shown by GitHub; the worst come first.
const MAX_RESULTS: usize = 5000;
/// Longer texts are cut by GitHub.
const MAX_TEXT: usize = 1000;

/// The report as a SARIF log of one run.
pub fn sarif(report: &Report, policy: &Policy) -> String {
    let mut findings: Vec<&Finding> =
        report.findings.iter().filter(|finding| policy.lists(finding)).collect();
    let left_out = findings.len().saturating_sub(MAX_RESULTS);
    findings.truncate(MAX_RESULTS);
    let mut rules: Vec<Value> = Vec::new();
    let mut indexes: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &findings {
        indexes.entry(&finding.rule).or_insert_with(|| {
            rules.push(rule(finding));
            rules.len() - 1
        });
    }
    let results: Vec<Value> =
        findings.iter().map(|finding| result(finding, indexes[finding.rule.as_str()], report)).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "wharf",
                "informationUri": "https://github.com/wharf-ship/wharf",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "automationDetails": { "id": category(report) },
            "results": results,
            "columnKind": "utf16CodeUnits",
            "properties": {
                "image": report.subject.name, "digest": report.subject.digest, "notes": report.notes, "leftOut": left_out,
            },
        }],
    });
    format!("{log:#}\n")
}

/// What keeps the alerts of several images in one repository apart; the tag is not part of it, so that the
/// next build's results replace these.
fn category(report: &Report) -> String {
    let name = report.subject.name.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    match &report.subject.platform {
        Some(platform) => format!("wharf/{name}/{platform}/"),
        None => format!("wharf/{name}/"),
    }
}

fn rule(finding: &Finding) -> Value {
    let name = match finding.kind {
        Kind::Vulnerability => "VulnerablePackage",
        Kind::Model => "UnsafeModelFile",
        Kind::Secret => "Secret",
        Kind::Licence => "Licence",
        Kind::Config => "ImageConfiguration",
    };
    let kind = match finding.kind {
        Kind::Vulnerability => "vulnerability",
        Kind::Model => "model",
        Kind::Secret => "secret",
        Kind::Licence => "licence",
        Kind::Config => "config",
    };
    let help = if finding.help.is_empty() { finding.title.as_str() } else { finding.help.as_str() };
    let mut rule = json!({
        "id": finding.rule,
        "name": name,
        "shortDescription": { "text": cut(&general_title(finding)) },
        "fullDescription": { "text": cut(&general_title(finding)) },
        "help": { "text": help, "markdown": help },
        "defaultConfiguration": { "level": level(finding.severity) },
        "properties": {
            "tags": ["security", kind],
            "precision": "high",
            "security-severity": format!("{:.1}", score(finding)),
        },
    });
    let url = finding.advisory.as_ref().and_then(|advisory| advisory.url.as_ref());
    // One URI that is none makes GitHub refuse the whole file.
    if let Some(url) = url.filter(|url| is_page(url)) {
        rule["helpUri"] = json!(url);
    }
    rule
}

fn is_page(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&b))
    })
}

/// A rule is one for all packages, so its title names none.
fn general_title(finding: &Finding) -> String {
    match finding.kind {
        Kind::Vulnerability => {
            let summary = finding.title.split_once(": ").map_or(finding.title.as_str(), |(_, rest)| rest);
            if summary == finding.rule { summary.to_owned() } else { format!("{}: {summary}", finding.rule) }
        }
        _ => finding.title.clone(),
    }
}

fn result(finding: &Finding, rule_index: usize, report: &Report) -> Value {
    let logical = match &finding.member {
        Some(member) => format!("{}!{member}", finding.path),
        None => finding.path.clone(),
    };
    let (uri, line) = match &finding.location {
        Some(place) => (relative_uri(&place.file), place.line.max(1)),
        None => (relative_uri(&finding.path), 1),
    };
    let mut message = finding.title.clone();
    if let Some(fixed) = finding.advisory.as_ref().and_then(|advisory| advisory.fixed.as_ref()) {
        message.push_str(&format!(" Fixed in {fixed}."));
    }
    message.push_str(&format!(" In {logical} of {}.", report.subject.name));
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": { "text": cut(&message) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": line },
            },
            "logicalLocations": [{ "fullyQualifiedName": logical }],
        }],
        "partialFingerprints": { "wharf/v1": finding.fingerprint, "primaryLocationLineHash": finding.fingerprint },
        "properties": {
            "severity": finding.severity,
            "layer": finding.layer,
            "package": finding.package.as_ref().map(|package| package.purl.as_str()),
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn score(finding: &Finding) -> f64 {
    finding.advisory.as_ref().and_then(|advisory| advisory.score).unwrap_or(finding.severity.nominal_score())
}

/// A relative URI reference (RFC 3986): no leading slash, no `.` or `..`, everything unusual encoded; never empty.
fn relative_uri(path: &str) -> String {
    let segments: Vec<String> =
        path.split('/').filter(|segment| !matches!(*segment, "" | "." | "..")).map(encode).collect();
    if segments.is_empty() { "image".into() } else { segments.join("/") }
}

fn encode(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b'+' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Subject;

    #[test]
    fn uris_are_relative_and_encoded() {
        assert_eq!(relative_uri("/opt/a b/../c:d"), "opt/a%20b/c%3Ad");
        assert_eq!(relative_uri("/"), "image");
    }

    #[test]
    fn of_too_many_results_the_worst_are_kept() {
        let finding = |severity, number: usize| {
            Finding::new(Kind::Secret, "key", severity, &format!("f{number}"), "a key")
        };
        let mut findings: Vec<_> = (0..MAX_RESULTS + 2).map(|n| finding(Severity::Low, n)).collect();
        findings.push(finding(Severity::Critical, MAX_RESULTS + 2));
        let mut report = Report { findings, ..Report::default() };
        report.sort();
        let log: Value = serde_json::from_str(&sarif(&report, &Policy::default())).unwrap();
        let run = &log["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), MAX_RESULTS);
        assert_eq!(run["results"][0]["properties"]["severity"], "critical");
        assert_eq!(run["properties"]["leftOut"], 3);
    }

    #[test]
    fn categories_survive_a_new_tag() {
        let of = |name: &str| {
            let subject = Subject { name: name.into(), ..Subject::default() };
            category(&Report { subject, ..Report::default() })
        };
        assert_eq!(of("host:5000/org/model:1.2"), "wharf/host:5000/org/model/");
        assert_eq!(of("host:5000/org/model"), "wharf/host:5000/org/model/");
    }
}
