//! GitLab's container scanning report, schema 15.

use serde_json::{Value, json};

use crate::findings::{Finding, Outcome, Policy, Report, Severity};

/// The report for GitLab. `time` is the moment, `2026-01-02T03:04:05Z`; GitLab wants it without a zone.
pub fn gitlab(report: &Report, policy: &Policy, time: &str) -> String {
    let time = time.get(..19).unwrap_or("1970-01-01T00:00:00");
    let tool = json!({
        "id": "wharf", "name": "wharf", "version": env!("CARGO_PKG_VERSION"), "vendor": { "name": "wharf" },
    });
    let status = if policy.judge(report).outcome == Outcome::Unjudged { "failure" } else { "success" };
    let listed = report.findings.iter().filter(|finding| policy.lists(finding));
    let document = json!({
        "version": "15.0.7",
        "scan": {
            "analyzer": tool, "scanner": tool, "type": "container_scanning",
            "start_time": time, "end_time": time, "status": status,
        },
        "vulnerabilities": listed.map(|finding| vulnerability(finding, report)).collect::<Vec<_>>(),
        "remediations": [],
    });
    format!("{document:#}\n")
}

fn vulnerability(finding: &Finding, report: &Report) -> Value {
    let os = report.inventory.distribution.as_ref();
    let system =
        os.map_or_else(|| "unknown".to_owned(), |os| format!("{} {}", os.id, os.version).trim().to_owned());
    let (name, version) = match &finding.package {
        Some(package) => (package.name.as_str(), package.version.as_str()),
        None => (finding.path.as_str(), "-"),
    };
    let solution = finding.advisory.as_ref().and_then(|advisory| advisory.fixed.as_ref());
    let url = finding.advisory.as_ref().and_then(|advisory| advisory.url.clone());
    let url = url.filter(|url| ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)));
    let names = finding.advisory.as_ref().map(|advisory| advisory.ids.clone()).unwrap_or_default();
    let mut ids = vec![finding.rule.clone()];
    ids.extend(names.into_iter().filter(|id| *id != finding.rule));
    let identifiers: Vec<Value> = ids
        .iter()
        .take(20)
        .map(|id| {
            let kind = match id.split('-').next() {
                Some("CVE") => "cve",
                Some("GHSA") => "ghsa",
                _ => "wharf",
            };
            let mut identifier = json!({ "type": kind, "name": id, "value": id });
            if let Some(url) = &url {
                identifier["url"] = json!(url);
            }
            identifier
        })
        .collect();
    let mut value = json!({
        "id": format!("{}{}", finding.fingerprint, finding.package.as_ref().map(|p| p.version.as_str()).unwrap_or_default()),
        "name": finding.rule,
        "description": if finding.help.is_empty() { &finding.title } else { &finding.help },
        "severity": severity(finding.severity),
        "location": {
            "dependency": { "package": { "name": name }, "version": version },
            "operating_system": system,
            "image": image(&report.subject.name),
        },
        "identifiers": identifiers,
        "links": url.iter().map(|url| json!({ "url": url })).collect::<Vec<_>>(),
    });
    if let Some(fixed) = solution {
        value["solution"] = json!(format!("Upgrade {name} to {fixed}"));
    }
    value
}

/// The image's name as the schema wants it, which is with a tag; what was scanned may have been a directory.
fn image(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
    }
}
