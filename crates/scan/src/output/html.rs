//! A page that stands alone: no script, no style sheet or picture from elsewhere.

use std::fmt::Write as _;

use super::groups::{by_action, count, headline, page, place};
use super::markup::escape;
use crate::findings::{Finding, Policy, Report};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
.critical,.high{color:#b00020}.medium{color:#8a5a00}.low,.info{color:#555}code{overflow-wrap:anywhere}";

/// The report as HTML.
pub fn html(report: &Report, policy: &Policy) -> String {
    let verdict = policy.judge(report);
    let headline = headline(&verdict);
    let name = escape(&report.subject.name);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{name}: {headline}</title>\n<style>{STYLE}</style>\n\
         <h1>{headline}</h1>\n<p><code>{name}</code> {}</p>\n",
        escape(report.subject.digest.as_deref().unwrap_or_default())
    );
    for said in verdict.unjudged.iter().map(|why| format!("Not judged: {why}")).chain(report.notes.clone()) {
        let _ = writeln!(text, "<p>{}</p>", escape(&said));
    }
    for group in by_action(report, policy) {
        let _ = writeln!(text, "<h2>{}</h2>\n<table>", escape(&group.title));
        text.push_str("<tr><th>Severity<th>Finding<th>Where<th>What\n");
        group.findings.iter().for_each(|finding| row(&mut text, finding));
        text.push_str("</table>\n");
    }
    if verdict.unlisted > 0 {
        let _ =
            writeln!(text, "<p>{} without a fix not listed.</p>", count(verdict.unlisted, "vulnerability"));
    }
    text + "</html>\n"
}

fn row(text: &mut String, finding: &Finding) {
    let rule = escape(&finding.rule);
    let rule = match page(finding) {
        Some(url) => format!("<a href=\"{}\" rel=\"noreferrer\">{rule}</a>", escape(url)),
        None => rule,
    };
    let _ = writeln!(
        text,
        "<tr><td class=\"{0}\">{0}<td>{rule}<td><code>{1}</code><td>{2}",
        finding.severity,
        escape(&place(finding)),
        escape(&finding.title)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Kind, Severity};

    #[test]
    fn nothing_that_is_found_becomes_markup() {
        let bad = "<script>alert('x')</script>";
        let finding = Finding::new(Kind::Secret, bad, Severity::High, bad, bad);
        let mut report = Report { findings: vec![finding], notes: vec![bad.into()], ..Report::default() };
        report.subject.name = bad.into();
        let page = html(&report, &Policy::default());
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("<h1>Scan failed: 1 finding to fix first</h1>"), "{page}");
    }
}
