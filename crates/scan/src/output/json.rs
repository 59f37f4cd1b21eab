//! For programs: the report with its verdict, findings first in what matters and stable in its names.

use serde_json::{Value, json};

use super::groups::{Group, by_action};
use crate::findings::{Finding, Policy, Report};

/// The report as one document: `subject`, `verdict`, `findings`, what to do about them, those that somebody has answered for,
/// `packages`.
pub fn json(report: &Report, policy: &Policy) -> String {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .filter(|finding| policy.lists(finding))
        .map(|finding| with_stop(finding, policy))
        .collect();
    let document = json!({
        "subject": report.subject,
        "verdict": policy.judge(report),
        "findings": findings,
        "actions": by_action(report, policy).iter().map(|group| action(group, policy)).collect::<Vec<_>>(),
        "suppressed": report.findings.iter().filter(|finding| finding.suppressed.is_some()).collect::<Vec<_>>(),
        "distribution": report.inventory.distribution,
        "packages": report.inventory.packages,
        "notes": report.notes,
    });
    format!("{document:#}\n")
}

/// One thing to do, and the findings that it deals with, by their fingerprints.
fn action(group: &Group<'_>, policy: &Policy) -> Value {
    let stopping = group.findings.iter().filter(|finding| policy.stops(finding)).count();
    let findings: Vec<&str> = group.findings.iter().map(|finding| finding.fingerprint.as_str()).collect();
    json!({ "title": group.title, "findings": findings, "stopping": stopping })
}

fn with_stop(finding: &Finding, policy: &Policy) -> Value {
    let mut value = serde_json::to_value(finding).unwrap_or_default();
    value["stops"] = json!(policy.stops(finding));
    value
}
