//! CycloneDX 1.6, JSON: what the image consists of, and, for a report, what is known against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::identity;
use crate::findings::{Finding, Kind, Report, Severity};
use crate::inventory::Package;

/// The inventory as a bill of materials; `with_findings` adds its vulnerabilities. `time` is the moment, RFC 3339.
pub fn cyclonedx(report: &Report, time: &str, with_findings: bool) -> String {
    let packages = &report.inventory.packages;
    let references = references(packages);
    let mut components: Vec<Value> =
        packages.iter().zip(&references).map(|(package, reference)| component(package, reference)).collect();
    if let Some(os) = &report.inventory.distribution {
        components.push(json!({
            "type": "operating-system", "bom-ref": "os", "name": os.id, "version": os.version,
            "description": os.name,
        }));
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", identity::uuid(report, "cyclonedx")),
        "version": 1,
        "metadata": {
            "timestamp": time,
            "tools": { "components": [{ "type": "application", "name": "wharf", "version": env!("CARGO_PKG_VERSION") }] },
            "component": subject(report),
        },
        "components": components,
        "dependencies": [{ "ref": "image", "dependsOn": references }],
    });
    if with_findings {
        document["vulnerabilities"] = json!(vulnerabilities(report, &references));
    }
    format!("{document:#}\n")
}

fn subject(report: &Report) -> Value {
    let kind = if report.subject.digest.is_some() { "container" } else { "file" };
    let mut component = json!({ "type": kind, "bom-ref": "image", "name": report.subject.name });
    if let Some(digest) = &report.subject.digest {
        component["version"] = json!(digest);
        component["purl"] = json!(identity::image_purl(&report.subject.name, digest));
        if let Some(hex) = digest.strip_prefix("sha256:") {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": hex }]);
        }
    }
    component
}

/// A reference for each package, by which the rest of the document names it. A package that lies in two places is two.
fn references(packages: &[Package]) -> Vec<String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut references = Vec::new();
    for package in packages {
        let times = seen.entry(&package.purl).or_default();
        *times += 1;
        references.push(match *times {
            1 => package.purl.clone(),
            n => format!("{}#{n}", package.purl),
        });
    }
    references
}

fn component(package: &Package, reference: &str) -> Value {
    let mut properties = vec![json!({ "name": "wharf:path", "value": package.path })];
    if let Some(layer) = package.layer {
        properties.push(json!({ "name": "wharf:layer", "value": layer.to_string() }));
    }
    if let Some(source) = &package.source {
        properties
            .push(json!({ "name": "wharf:source", "value": format!("{} {}", source.name, source.version) }));
    }
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "properties": properties,
    });
    // Anybody's words may stand here, so they are names and not identifiers.
    let licences: BTreeSet<&str> = package.licences.iter().map(String::as_str).collect();
    if !licences.is_empty() {
        let named: Vec<Value> = licences.iter().map(|name| json!({ "license": { "name": name } })).collect();
        component["licenses"] = json!(named);
    }
    component
}

fn vulnerabilities(report: &Report, references: &[String]) -> Vec<Value> {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.kind == Kind::Vulnerability) {
        by_rule.entry(&finding.rule).or_default().push(finding);
    }
    let reference_of = |finding: &Finding| {
        let package = finding.package.as_ref()?;
        let at = report.inventory.packages.iter().position(|other| other == package)?;
        references.get(at).cloned()
    };
    by_rule
        .into_iter()
        .map(|(rule, findings)| {
            let worst = findings.iter().map(|f| f.severity).max().unwrap_or(Severity::Info);
            let advisory = findings.iter().find_map(|finding| finding.advisory.as_ref());
            let score = findings.iter().filter_map(|f| f.advisory.as_ref()?.score).reduce(f64::max);
            let method = advisory.map_or("other", |advisory| match advisory.severity_source.as_str() {
                "CVSS:4" => "CVSSv4",
                "CVSS:3" => "CVSSv31",
                "CVSS:2" => "CVSSv2",
                _ => "other",
            });
            let mut rating = json!({ "severity": worst, "method": method });
            if let Some(score) = score {
                rating["score"] = json!(score);
            }
            let affects: BTreeSet<String> = findings.iter().filter_map(|finding| reference_of(finding)).collect();
            let affects: Vec<Value> = affects.into_iter().map(|reference| json!({ "ref": reference })).collect();
            let mut entry = json!({ "id": rule, "ratings": [rating], "description": findings[0].title, "affects": affects });
            if let Some(url) = advisory.and_then(|advisory| advisory.url.as_ref()) {
                entry["source"] = json!({ "name": "OSV", "url": url });
            }
            if let Some(fixed) = advisory.and_then(|advisory| advisory.fixed.as_ref()) {
                entry["recommendation"] = json!(format!("Upgrade to {fixed}."));
            }
            if let Some(answer) = findings.iter().find_map(|finding| finding.suppressed.as_ref()) {
                entry["analysis"] = json!({ "state": "not_affected", "detail": answer.reason });
            }
            entry
        })
        .collect()
}
