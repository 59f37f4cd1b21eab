//! Several engines' findings as one list: each says who found it.

use std::collections::BTreeSet;

use wharf_scan::{Finding, Kind, Report};

/// Says of every vulnerability so far that this engine found it.
pub(super) fn mark(report: &mut Report, engine: &str) {
    for finding in report.findings.iter_mut().filter(|finding| finding.kind == Kind::Vulnerability) {
        finding.engines.push(engine.to_owned());
    }
}

/// Leaves out the built-in engine's vulnerabilities, and what it could not judge.
pub(super) fn forget(report: &mut Report) {
    report.findings.retain(|finding| finding.kind != Kind::Vulnerability);
    report.unjudged.clear();
}

/// Adds what an engine found: to what is known already, its name, else as news. Gives a note on how they agree.
pub(super) fn merge(report: &mut Report, engine: &str, found: Vec<Finding>) -> String {
    let (mut both, mut alone, mut other_severity) = (0, 0, 0);
    for new in found {
        match report.findings.iter_mut().find(|known| is_same(known, &new)) {
            Some(known) => {
                if !known.engines.iter().any(|name| name == engine) {
                    known.engines.push(engine.to_owned());
                    both += 1;
                    other_severity += usize::from(known.severity != new.severity);
                }
            }
            None => {
                let engines = vec![engine.to_owned()];
                report.findings.push(Finding { engines, ..new });
                alone += 1;
            }
        }
    }
    let vulnerabilities = report.findings.iter().filter(|finding| finding.kind == Kind::Vulnerability);
    let without =
        vulnerabilities.filter(|finding| !finding.engines.iter().any(|name| name == engine)).count();
    report.sort();
    format!(
        "{engine}: {both} in common ({other_severity} of another severity), {alone} that only {engine} has, {without} that it has not"
    )
}

/// One problem of one package, whatever each calls it.
fn is_same(known: &Finding, new: &Finding) -> bool {
    let names = |finding: &Finding| -> BTreeSet<String> {
        let ids = finding.advisory.iter().flat_map(|advisory| advisory.ids.iter().cloned());
        ids.chain([finding.rule.clone()]).collect()
    };
    known.kind == Kind::Vulnerability && same_package(known, new) && !names(known).is_disjoint(&names(new))
}

/// By name, where a distribution's source counts too; several versions of a package are told apart.
fn same_package(known: &Finding, new: &Finding) -> bool {
    let (Some(known), Some(new)) = (&known.package, &new.package) else { return false };
    let plain = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    let by_source = known.source.as_ref().is_some_and(|source| {
        !source.name.is_empty() && known.purl.split('/').nth(1) == new.purl.split('/').nth(1)
    });
    let by_name = plain(&known.name) == plain(&new.name) && known.version == new.version;
    by_name || (by_source && known.source.as_ref().is_some_and(|source| source.name == new.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answers;
    use super::*;

    fn trivy(id: &str, severity: &str) -> Vec<Finding> {
        answers::trivy(
            &json!({ "Results": [{ "Vulnerabilities": [{ "VulnerabilityID": id, "Severity": severity, "PkgName": "A_b", "InstalledVersion": "1" }] }] }),
        )
    }

    #[test]
    fn one_problem_is_one_finding() {
        let mut report = Report { findings: trivy("CVE-1", "HIGH"), ..Report::default() };
        mark(&mut report, "builtin");
        let note = merge(&mut report, "trivy", [trivy("CVE-1", "LOW"), trivy("CVE-2", "LOW")].concat());
        assert_eq!(report.findings.len(), 2);
        assert_eq!(report.findings[0].engines, ["builtin", "trivy"]);
        assert_eq!(report.findings[1].engines, ["trivy"]);
        assert_eq!(
            note,
            "trivy: 1 in common (1 of another severity), 1 that only trivy has, 0 that it has not"
        );
    }
}
