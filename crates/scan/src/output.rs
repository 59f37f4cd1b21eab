//! Reports as text: a table for people, JSON for programs, SARIF for code scanning, Markdown for summaries.

use crate::findings::{Policy, Report};

/// For people: what to do first, then what was found.
pub fn table(report: &Report, policy: &Policy) -> String {
    let _ = (report, policy);
    String::new()
}

/// For programs.
pub fn json(report: &Report, policy: &Policy) -> serde_json::Value {
    let _ = policy;
    serde_json::json!({ "findings": report.findings })
}

/// For code scanning: SARIF 2.1.0.
pub fn sarif(report: &Report, policy: &Policy) -> serde_json::Value {
    json(report, policy)
}

/// For a job summary.
pub fn markdown(report: &Report, policy: &Policy) -> String {
    table(report, policy)
}
