//! What the checks found, in the form that `docker build --check` gives it; and what practice says, in a form of our own
//! after it, so that who reads docker's still can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wharf_build::Checked;
use wharf_dockerfile::Span;
use wharf_dockerfile::lint::Finding;

/// Every finding with the lines it is about, after a sentence that counts them.
pub(crate) fn render(all: &[Checked]) -> String {
    let count: usize = all.iter().map(|checked| checked.findings.len()).sum();
    let mut text = match count {
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    for checked in all {
        let source = String::from_utf8_lossy(&checked.text);
        let lines: Vec<&str> = source.lines().collect();
        for finding in &checked.findings {
            let link = match finding.rule.url {
                "" => String::new(),
                url => format!(" - {url}"),
            };
            text.push_str(&format!("\nWARNING: {}{link}\n{}\n", finding.rule.name, finding.message));
            text.push_str(&excerpt(&checked.name, &lines, finding.span));
        }
    }
    text
}

/// The lines that a finding is about, with those around it.
fn excerpt(name: &str, lines: &[&str], span: Span) -> String {
    const RULE: &str = "--------------------";
    let (first, last) = (span.line.max(1) as usize, span.end_line.max(span.line).max(1) as usize);
    let around = if first == last { 2 } else { 1 };
    let shown = first.saturating_sub(around).max(1)..=(last + around).min(lines.len().max(1));
    let mut text = format!("{name}:{first}\n{RULE}\n");
    for number in shown {
        let mark = if (first..=last).contains(&number) { ">>>" } else { "   " };
        let line = wharf_scan::without_secrets(lines.get(number - 1).copied().unwrap_or_default());
        text.push_str(&format!("{number:>4} | {mark} {line}\n"));
    }
    text + RULE + "\n"
}

/// What practice says: place, severity and rule, what is there, what to do.
pub(crate) fn advise(practice: &[wharf_scan::Finding]) -> String {
    let mut text = match practice.len() {
        0 => return String::new(),
        1 => "\nPractice: 1 remark.\n".to_owned(),
        count => format!("\nPractice: {count} remarks.\n"),
    };
    for finding in practice {
        let line = finding.location.as_ref().map_or(0, |place| place.line);
        text.push_str(&format!(
            "\n{}:{line}  {}  {}\n    {}\n    {}\n",
            finding.path, finding.severity, finding.rule, finding.title, finding.help
        ));
    }
    text
}

/// The document of docker's `--call=check,format=json`; what practice says stands beside it.
pub(crate) fn document(all: &[Checked], practice: &[wharf_scan::Finding]) -> Value {
    let warnings = all
        .iter()
        .enumerate()
        .flat_map(|(index, checked)| checked.findings.iter().map(move |finding| warning(index, finding)));
    let warnings: Vec<Value> = warnings.collect();
    let source = |checked: &Checked| {
        json!({
            "filename": checked.name,
            "language": "Dockerfile",
            "data": STANDARD.encode(&checked.text),
        })
    };
    let mut document = json!({ "warnings": warnings, "sources": all.iter().map(source).collect::<Vec<_>>() });
    if !practice.is_empty() {
        document["practice"] = practice.iter().map(remark).collect();
    }
    document
}

fn remark(finding: &wharf_scan::Finding) -> Value {
    json!({
        "rule": finding.rule, "severity": finding.severity, "path": finding.path,
        "line": finding.location.as_ref().map(|place| place.line),
        "title": finding.title, "fix": finding.help, "fingerprint": finding.fingerprint,
    })
}

fn warning(source: usize, finding: &Finding) -> Value {
    let line = |line: u32| json!({ "line": line });
    json!({
        "ruleName": finding.rule.name,
        "description": finding.rule.description,
        "url": finding.rule.url,
        "detail": finding.message,
        "location": {
            "sourceIndex": source,
            "ranges": [{ "start": line(finding.span.line), "end": line(finding.span.end_line) }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_marks_its_lines() {
        let lines = ["FROM scratch AS A", "", "RUN x", "RUN y"];
        let span = Span { line: 1, end_line: 1, column: 1, start: 0, end: 17 };
        assert_eq!(
            excerpt("Dockerfile", &lines, span),
            "Dockerfile:1\n--------------------\n   1 | >>> FROM scratch AS A\n   2 |     \n   3 |     RUN x\n--------------------\n"
        );
    }
}
