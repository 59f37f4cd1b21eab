//! What the engines answer, as findings. Fields that are missing are left out; no field of theirs is taken on trust for more than text.

use serde_json::Value;
use wharf_scan::{Advisory, Finding, Kind, Package, Severity};

/// One vulnerability, however it was said.
#[derive(Default)]
struct Said<'a> {
    id: &'a str,
    aliases: Vec<String>,
    severity: &'a str,
    package: &'a str,
    version: &'a str,
    purl: &'a str,
    path: &'a str,
    fixed: Option<&'a str>,
    title: &'a str,
    url: Option<&'a str>,
}

impl Said<'_> {
    fn finding(self, engine: &str) -> Option<Finding> {
        if self.id.is_empty() || self.package.is_empty() {
            return None;
        }
        let severity = Severity::of_word(self.severity).unwrap_or(Severity::Medium);
        let path = if self.path.is_empty() { "image" } else { self.path.trim_start_matches('/') };
        let what = if self.title.is_empty() { self.id } else { self.title };
        let rule =
            std::iter::once(self.id.to_owned()).chain(self.aliases.clone()).find(|id| id.starts_with("CVE-"));
        let rule = rule.unwrap_or_else(|| self.id.to_owned());
        let title = format!("{} {}: {}", self.package, self.version, what.lines().next().unwrap_or(what));
        let mut finding = Finding::new(Kind::Vulnerability, &rule, severity, path, title);
        finding.package = Some(Package {
            ecosystem: "unknown".into(),
            name: self.package.to_owned(),
            version: self.version.to_owned(),
            source: None,
            purl: self.purl.to_owned(),
            path: path.to_owned(),
            layer: None,
            licences: Vec::new(),
        });
        let mut ids = vec![self.id.to_owned()];
        ids.extend(self.aliases);
        finding.advisory = Some(Advisory {
            ids,
            fixed: self.fixed.filter(|fixed| !fixed.is_empty()).map(str::to_owned),
            score: None,
            severity_source: engine.to_owned(),
            url: self.url.map(str::to_owned),
        });
        Some(finding.sealed())
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// `trivy image --format json`.
pub(super) fn trivy(answer: &Value) -> Vec<Finding> {
    let results = list(answer, "Results");
    let of_result = |result: &Value| {
        let target = text(result, "Target").to_owned();
        list(result, "Vulnerabilities")
            .iter()
            .filter_map(|found| {
                let path = if text(found, "PkgPath").is_empty() && target.contains('/') {
                    target.as_str()
                } else {
                    text(found, "PkgPath")
                };
                let said = Said {
                    id: text(found, "VulnerabilityID"),
                    aliases: list(found, "VendorIDs")
                        .iter()
                        .filter_map(|id| id.as_str().map(str::to_owned))
                        .collect(),
                    severity: text(found, "Severity"),
                    package: text(found, "PkgName"),
                    version: text(found, "InstalledVersion"),
                    purl: text(&found["PkgIdentifier"], "PURL"),
                    path,
                    fixed: found["FixedVersion"].as_str(),
                    title: text(found, "Title"),
                    url: found["PrimaryURL"].as_str(),
                };
                said.finding("trivy")
            })
            .collect::<Vec<_>>()
    };
    results.iter().flat_map(of_result).collect()
}

/// `grype --output json`.
pub(super) fn grype(answer: &Value) -> Vec<Finding> {
    let matches = list(answer, "matches").iter();
    matches
        .filter_map(|found| {
            let (vulnerability, artifact) = (&found["vulnerability"], &found["artifact"]);
            let related = list(found, "relatedVulnerabilities").iter();
            let said = Said {
                id: text(vulnerability, "id"),
                aliases: related.filter_map(|other| other["id"].as_str().map(str::to_owned)).collect(),
                severity: text(vulnerability, "severity"),
                package: text(artifact, "name"),
                version: text(artifact, "version"),
                purl: text(artifact, "purl"),
                path: list(artifact, "locations").first().map_or("", |location| text(location, "path")),
                fixed: list(&vulnerability["fix"], "versions").first().and_then(Value::as_str),
                title: text(vulnerability, "description"),
                url: vulnerability["dataSource"].as_str(),
            };
            said.finding("grype")
        })
        .collect()
}

/// `snyk container test --json`.
pub(super) fn snyk(answer: &Value) -> Vec<Finding> {
    let found = list(answer, "vulnerabilities").iter();
    found
        .filter_map(|found| {
            let identifiers = &found["identifiers"];
            let aliases = ["CVE", "GHSA"].iter().flat_map(|kind| list(identifiers, kind));
            // Distributions' packages are named `source/package`.
            let name = text(found, "packageName");
            let said = Said {
                id: text(found, "id"),
                aliases: aliases.filter_map(|id| id.as_str().map(str::to_owned)).collect(),
                severity: text(found, "severity"),
                package: name.rsplit('/').next().unwrap_or(name),
                version: text(found, "version"),
                fixed: found["nearestFixedInVersion"]
                    .as_str()
                    .or_else(|| list(found, "fixedIn").first().and_then(Value::as_str)),
                title: text(found, "title"),
                ..Said::default()
            };
            said.finding("snyk")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn brief(findings: &[Finding]) -> Vec<String> {
        let fixed =
            |finding: &Finding| finding.advisory.as_ref().and_then(|a| a.fixed.clone()).unwrap_or_default();
        findings
            .iter()
            .map(|f| {
                format!(
                    "{} {} {} {}",
                    f.rule,
                    f.severity,
                    f.package.as_ref().map_or("", |p| &p.name),
                    fixed(f)
                )
            })
            .collect()
    }

    #[test]
    fn all_three_say_the_same_in_the_end() {
        let from_trivy = trivy(
            &json!({ "Results": [{ "Target": "debian 12", "Vulnerabilities": [{ "VulnerabilityID": "CVE-1", "Severity": "HIGH",
            "PkgName": "zlib1g", "InstalledVersion": "1", "FixedVersion": "2", "PkgIdentifier": { "PURL": "pkg:deb/debian/zlib1g@1" } }] }, {}] }),
        );
        let from_grype = grype(
            &json!({ "matches": [{ "vulnerability": { "id": "GHSA-1", "severity": "High", "fix": { "versions": ["2"] } },
            "relatedVulnerabilities": [{ "id": "CVE-1" }], "artifact": { "name": "zlib1g", "version": "1", "locations": [{ "path": "/x" }] } }] }),
        );
        let from_snyk = snyk(
            &json!({ "vulnerabilities": [{ "id": "SNYK-1", "severity": "high", "packageName": "zlib/zlib1g", "version": "1",
            "identifiers": { "CVE": ["CVE-1"] }, "nearestFixedInVersion": "2" }] }),
        );
        for findings in [from_trivy, from_grype, from_snyk] {
            assert_eq!(brief(&findings), ["CVE-1 high zlib1g 2"]);
        }
        assert!(
            trivy(&json!([])).is_empty()
                && grype(&json!({ "matches": [1] })).is_empty()
                && snyk(&Value::Null).is_empty()
        );
    }
}
