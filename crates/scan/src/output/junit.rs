//! JUnit XML: each finding a test case that fails or is skipped, for the test views of CI systems.

use std::fmt::Write as _;

use super::groups::place;
use super::markup::escape;
use crate::findings::{Finding, Kind, Outcome, Policy, Report};

/// The report as one test suite per kind.
pub fn junit(report: &Report, policy: &Policy) -> String {
    let verdict = policy.judge(report);
    let listed: Vec<&Finding> = report.findings.iter().filter(|finding| policy.lists(finding)).collect();
    let errors = usize::from(verdict.outcome == Outcome::Unjudged);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let tests = listed.len().max(1) + errors;
    let _ = writeln!(
        text,
        "<testsuites name=\"wharf scan\" tests=\"{tests}\" failures=\"{}\" errors=\"{errors}\">",
        verdict.stopping
    );
    for kind in [Kind::Model, Kind::Secret, Kind::Vulnerability, Kind::Licence, Kind::Config] {
        let findings: Vec<&Finding> = listed.iter().filter(|finding| finding.kind == kind).copied().collect();
        if findings.is_empty() {
            continue;
        }
        let failures = findings.iter().filter(|finding| policy.stops(finding)).count();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}: {}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\">",
            kind.as_str(),
            escape(&report.subject.name),
            findings.len(),
            findings.len() - failures
        );
        findings.iter().for_each(|finding| case(&mut text, finding, policy));
        text.push_str("  </testsuite>\n");
    }
    if listed.is_empty() || errors > 0 {
        let _ = writeln!(
            text,
            "  <testsuite name=\"scan: {0}\" tests=\"1\" failures=\"0\" errors=\"{errors}\">\n    <testcase classname=\"{0}\" name=\"scan\">",
            escape(&report.subject.name)
        );
        if errors > 0 {
            let _ = writeln!(
                text,
                "      <error message=\"not judged\">{}</error>",
                escape(&verdict.unjudged.join("; "))
            );
        }
        text.push_str("    </testcase>\n  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(text: &mut String, finding: &Finding, policy: &Policy) {
    let _ = writeln!(
        text,
        "    <testcase classname=\"{}\" name=\"[{}] {}\">",
        escape(&place(finding)),
        finding.severity,
        escape(&format!("{} {}", finding.rule, finding.title))
    );
    let element = if policy.stops(finding) { "failure" } else { "skipped" };
    let _ = writeln!(
        text,
        "      <{element} message=\"{}\">{}</{element}>",
        escape(&finding.title),
        escape(&finding.help)
    );
    text.push_str("    </testcase>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Severity;

    #[test]
    fn what_stops_fails_and_the_rest_is_skipped() {
        let finding =
            |severity| Finding::new(Kind::Model, "pickle-import", severity, "a<b>.pkl", "uses \u{1}\"os\"");
        let report = Report {
            findings: vec![finding(Severity::Critical), finding(Severity::Low)],
            ..Report::default()
        };
        let text = junit(&report, &Policy::default());
        assert!(text.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{text}");
        assert!(
            text.contains("a&lt;b&gt;.pkl") && text.contains("<skipped") && !text.contains('\u{1}'),
            "{text}"
        );
        let empty = junit(&Report { unjudged: vec!["why".into()], ..Report::default() }, &Policy::default());
        assert!(empty.contains("<error message=\"not judged\">why</error>"), "{empty}");
    }
}
