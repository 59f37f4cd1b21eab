//! For people at a terminal: the verdict, what to do, what was found. Plain text, readable without colour.

use std::fmt::Write as _;

use super::groups::{by_action, count, place};
use crate::findings::{Finding, Kind, Outcome, Policy, Report, Severity, Unfixed, Verdict};

/// What one step deals with need not be read one by one: the worst are shown.
const MAX_OF_ONE: usize = 10;

/// The report for people: the verdict, then findings by what to do about them.
pub fn table(report: &Report, policy: &Policy) -> String {
    let verdict = policy.judge(report);
    let mut text = headline(report);
    for group in by_action(report, policy) {
        let _ = writeln!(text, "\n{}", group.title);
        let shown = if group.is_one { group.findings.len().min(MAX_OF_ONE) } else { group.findings.len() };
        text.push_str(&rows(&group.findings[..shown]));
        if shown < group.findings.len() {
            let _ = writeln!(text, "  … and {} more, gone with the same step", group.findings.len() - shown);
        }
    }
    text.push('\n');
    text.push_str(&conclusion(report, policy, &verdict));
    text
}

fn headline(report: &Report) -> String {
    let subject = &report.subject;
    let mut parts = vec![subject.name.clone()];
    parts.extend(subject.digest.as_ref().map(|digest| digest.chars().take(19).collect()));
    parts.extend(subject.platform.clone());
    parts.extend(
        report.inventory.distribution.as_ref().map(|d| d.name.clone()).filter(|name| !name.is_empty()),
    );
    if !report.inventory.packages.is_empty() {
        parts.push(count(report.inventory.packages.len(), "package"));
    }
    parts.extend(report.notes.iter().cloned());
    format!("{}\n", parts.join(", "))
}

/// The findings in columns; the last column is free to be long.
fn rows(findings: &[&Finding]) -> String {
    let cells: Vec<[String; 4]> = findings
        .iter()
        .map(|finding| {
            let about = match (&finding.package, &finding.advisory) {
                (Some(package), Some(advisory)) => {
                    let (name, version) = package.advised();
                    let fixed = advisory.fixed.as_ref().map(|v| format!(" -> {v}")).unwrap_or_default();
                    format!("{name} {version}{fixed}")
                }
                _ => place(finding),
            };
            let title = if finding.kind == Kind::Vulnerability {
                finding.title.split_once(": ").map_or(finding.title.as_str(), |(_, rest)| rest)
            } else {
                finding.title.as_str()
            };
            let mut title = cut(title, 100);
            if !finding.engines.is_empty() {
                title.push_str(&format!(" [{}]", finding.engines.join(", ")));
            }
            [finding.severity.as_str().to_uppercase(), finding.rule.clone(), about, title]
        })
        .collect();
    let width =
        |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(48);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [severity, rule, about, title] in &cells {
        let _ = writeln!(
            text,
            "  {severity:<0$}  {rule:<1$}  {about:<2$}  {title}",
            widths[0], widths[1], widths[2]
        );
    }
    text
}

fn conclusion(report: &Report, policy: &Policy, verdict: &Verdict) -> String {
    let mut text = String::new();
    let counts: Vec<String> =
        report.counts().iter().rev().map(|(severity, n)| format!("{n} {severity}")).collect();
    if !counts.is_empty() {
        let _ = writeln!(text, "Found: {}", counts.join(", "));
    }
    if verdict.unlisted > 0 && policy.unfixed == Unfixed::Ignore {
        let what = count(verdict.unlisted, "vulnerability");
        let _ = writeln!(text, "Not listed: {what} without a fix (--unfixed report lists them)");
    }
    for reason in &verdict.unjudged {
        let _ = writeln!(text, "Not judged: {reason}");
    }
    if verdict.suppressed > 0 {
        let _ =
            writeln!(text, "Answered for: {} (ignore files and VEX)", count(verdict.suppressed, "finding"));
    }
    let thresholds = thresholds(policy);
    let _ = match verdict.outcome {
        Outcome::Pass => writeln!(text, "PASS: nothing reaches the threshold ({thresholds})"),
        Outcome::Fail => {
            let reach = if verdict.stopping == 1 { "reaches" } else { "reach" };
            writeln!(
                text,
                "FAIL: {} {reach} the threshold ({thresholds})",
                count(verdict.stopping, "finding")
            )
        }
        Outcome::Unjudged => writeln!(text, "NOT JUDGED: there is not enough to go by"),
    };
    text
}

/// The thresholds in few words.
fn thresholds(policy: &Policy) -> String {
    let said = |least: Option<Severity>| least.map_or("never".to_owned(), |least| format!("from {least}"));
    let kinds = [
        ("vulnerabilities", policy.fail_on.vulnerabilities),
        ("model files", policy.fail_on.models),
        ("secrets", policy.fail_on.secrets),
        ("licences", policy.fail_on.licences),
        ("configuration", policy.fail_on.config),
    ];
    let most = policy.fail_on.models;
    let others: Vec<String> = kinds
        .iter()
        .filter(|(_, least)| *least != most)
        .map(|(kind, least)| format!("{kind} {}", said(*least)))
        .collect();
    match others.is_empty() {
        true => said(most),
        false => format!("{}, all else {}", others.join(", "), said(most)),
    }
}

fn cut(text: &str, length: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}
