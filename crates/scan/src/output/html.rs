//! A page that stands alone: no script, no style sheet or picture from elsewhere.

use std::fmt::Write as _;

use super::groups::{by_action, count, headline, page, place};
use super::markup::escape;
use crate::findings::{Finding, Policy, Report};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
td:nth-child(2){white-space:nowrap}.critical,.high{color:#b00020}.medium{color:#8a5a00}.low,.info{color:#555}code{overflow-wrap:anywhere}\
.bar{display:flex;height:1.8rem;border-radius:.3rem;overflow:hidden}.bar span{color:#fff;padding:0 .5rem;min-width:max-content;line-height:1.8rem}\
.bar .critical{background:#7a0016}.bar .high{background:#b00020}.bar .medium{background:#8a5a00}.bar .low{background:#666}.bar .info{background:#888}";

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
    bar(&mut text, report);
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

/// How many findings there are of each severity, to be seen at a glance.
fn bar(text: &mut String, report: &Report) {
    let counts = report.counts();
    if counts.is_empty() {
        return;
    }
    text.push_str("<div class=\"bar\">");
    for (severity, n) in counts.iter().rev() {
        let _ = write!(text, "<span class=\"{severity}\" style=\"flex:{n}\">{n} {severity}</span>");
    }
    let packages = count(report.inventory.packages.len(), "package");
    let _ = writeln!(text, "</div>\n<p>{packages}</p>");
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
        assert!(page.contains("<span class=\"high\" style=\"flex:1\">1 high</span>"), "{page}");
    }
}
