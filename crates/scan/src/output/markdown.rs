//! For a job summary or a pull request: the verdict and what to do, the rest folded away.

use std::fmt::Write as _;

use super::groups::{by_action, count, headline, page, place};
use crate::findings::{Outcome, Policy, Report};

/// The most findings that are shown of one group; a summary is read, not searched.
const MAX_ROWS: usize = 20;

/// The report as GitHub-flavoured Markdown.
pub fn markdown(report: &Report, policy: &Policy) -> String {
    let verdict = policy.judge(report);
    let mut text = String::new();
    let sign = match verdict.outcome {
        Outcome::Pass => "✅",
        Outcome::Fail => "❌",
        Outcome::Unjudged => "⚠️",
    };
    let _ = writeln!(text, "### {sign} {}\n", headline(&verdict));
    let _ = writeln!(text, "`{}`, {}\n", report.subject.name, facts(report));
    for reason in &verdict.unjudged {
        let _ = writeln!(text, "- Not judged: {reason}");
    }
    for group in by_action(report, policy) {
        let stops = group.findings.iter().any(|finding| policy.stops(finding));
        let open = if stops { " open" } else { "" };
        let n = count(group.findings.len(), "finding");
        let _ = writeln!(text, "\n<details{open}><summary><b>{}</b>: {n}</summary>\n", escape(&group.title));
        text.push_str("| Severity | Finding | Where | What |\n|---|---|---|---|\n");
        for finding in group.findings.iter().take(MAX_ROWS) {
            let rule = match page(finding).filter(|url| !url.contains([')', ' ', '|'])) {
                Some(url) => format!("[{}]({url})", escape(&finding.rule)),
                None => escape(&finding.rule),
            };
            let _ = writeln!(
                text,
                "| {} | {rule} | {} | {} |",
                finding.severity,
                escape(&place(finding)),
                escape(&finding.title)
            );
        }
        if group.findings.len() > MAX_ROWS {
            let _ = writeln!(text, "\n…and {} more.", group.findings.len() - MAX_ROWS);
        }
        text.push_str("\n</details>\n");
    }
    if verdict.unlisted > 0 {
        let _ = writeln!(text, "\n{} without a fix not listed.", count(verdict.unlisted, "vulnerability"));
    }
    text
}

fn facts(report: &Report) -> String {
    let mut parts = vec![count(report.inventory.packages.len(), "package")];
    parts.extend(report.counts().iter().rev().map(|(severity, n)| format!("{n} {severity}")));
    parts.extend(report.notes.iter().cloned());
    parts.join(", ")
}

/// What is found comes from strangers: it is shown, and neither marks up nor links.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '@' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
