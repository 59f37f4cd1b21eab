//! VEX: OpenVEX 0.2.0, CSAF 2.0, and the analysis part of CycloneDX. Only what says "not affected" or "fixed" counts.

mod csaf;

use std::collections::HashMap;

use serde_json::Value;

use super::{Statement, SuppressError};

/// The statements of a document that answer for something.
pub(super) fn read(name: &str, text: &str, image: Option<&str>) -> Result<Vec<Statement>, SuppressError> {
    let document: Value = serde_json::from_str(text).map_err(|error| SuppressError::new(name, error))?;
    if document["bomFormat"] == "CycloneDX" {
        return Ok(cyclonedx(name, &document));
    }
    if document["@context"].as_str().is_some_and(|context| context.contains("openvex")) {
        return Ok(openvex(name, &document, image));
    }
    if csaf::is(&document) {
        return Ok(csaf::read(name, &document, image));
    }
    Err(SuppressError::new(name, "it is no OpenVEX, CSAF or CycloneDX document"))
}

fn openvex(name: &str, document: &Value, image: Option<&str>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (number, said) in list(&document["statements"]).iter().enumerate() {
        if !matches!(said["status"].as_str(), Some("not_affected" | "fixed")) {
            continue;
        }
        let Some(packages) = products(&said["products"], image) else { continue };
        let vulnerability = &said["vulnerability"];
        let mut ids: Vec<String> =
            ["name", "@id"].iter().filter_map(|key| text(&vulnerability[*key])).collect();
        ids.extend(vulnerability.as_str().map(str::to_owned));
        ids.extend(list(&vulnerability["aliases"]).iter().filter_map(text));
        // An identifier may be a page about it.
        ids = ids.iter().map(|id| id.rsplit('/').next().unwrap_or(id).to_owned()).collect();
        if ids.is_empty() {
            continue;
        }
        let reason =
            ["impact_statement", "status_notes", "justification"].iter().find_map(|key| text(&said[*key]));
        statements.push(Statement {
            ids,
            packages,
            reason: reason.or_else(|| text(&said["status"])).unwrap_or_default(),
            place: format!("{name} (statement {})", number + 1),
            ..Statement::default()
        });
    }
    statements
}

/// The packages that a statement is about; empty for all, `None` for none of this image's.
fn products(products: &Value, image: Option<&str>) -> Option<Vec<String>> {
    let products = list(products);
    if products.is_empty() {
        return Some(Vec::new());
    }
    let mut packages = Vec::new();
    for product in products {
        let name = identifier(product);
        let below: Vec<String> = list(&product["subcomponents"]).iter().filter_map(identifier).collect();
        if name.as_deref().is_some_and(is_image) {
            if !is_of(name.as_deref().unwrap_or_default(), image) {
                continue;
            }
            if below.is_empty() {
                return Some(Vec::new());
            }
            packages.extend(below);
        } else {
            packages.extend(name);
            packages.extend(below);
        }
    }
    (!packages.is_empty()).then_some(packages)
}

fn identifier(component: &Value) -> Option<String> {
    text(&component["identifiers"]["purl"])
        .or_else(|| text(&component["@id"]))
        .or_else(|| component.as_str().map(str::to_owned))
}

fn is_image(name: &str) -> bool {
    name.starts_with("pkg:oci/") || name.starts_with("pkg:docker/")
}

/// Whether the image that a package URL names may be the one that is judged: where both have a digest, it decides.
fn is_of(purl: &str, image: Option<&str>) -> bool {
    let digest = purl
        .split(['@', '?', '&'])
        .map(|part| part.replace("%3A", ":"))
        .find(|part| part.starts_with("sha256:"));
    match (digest, image) {
        (Some(digest), Some(image)) => digest == image,
        _ => true,
    }
}

fn cyclonedx(name: &str, document: &Value) -> Vec<Statement> {
    let mut purls: HashMap<&str, &str> = HashMap::new();
    for component in list(&document["components"]) {
        if let (Some(reference), Some(purl)) = (component["bom-ref"].as_str(), component["purl"].as_str()) {
            purls.insert(reference, purl);
        }
    }
    let settled = ["not_affected", "resolved", "resolved_with_pedigree", "false_positive"];
    let mut statements = Vec::new();
    for vulnerability in list(&document["vulnerabilities"]) {
        let analysis = &vulnerability["analysis"];
        let (Some(id), Some(state)) = (text(&vulnerability["id"]), analysis["state"].as_str()) else {
            continue;
        };
        if !settled.contains(&state) {
            continue;
        }
        // `urn:cdx:serial/version#reference` is a reference into another document.
        let packages = list(&vulnerability["affects"])
            .iter()
            .filter_map(|affected| affected["ref"].as_str())
            .map(|reference| {
                let local = match reference.strip_prefix("urn:cdx:") {
                    Some(link) => link.split_once('#').map_or(reference, |(_, local)| local),
                    None => reference,
                };
                purls.get(local).copied().unwrap_or(local).to_owned()
            });
        let detail = text(&analysis["detail"]).or_else(|| text(&analysis["justification"]));
        statements.push(Statement {
            place: format!("{name} ({id})"),
            ids: vec![id],
            packages: packages.collect(),
            reason: detail.unwrap_or_else(|| state.to_owned()),
            ..Statement::default()
        });
    }
    statements
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn openvex_counts_where_it_settles_something() {
        let text = r#"{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [
            {"vulnerability": {"name": "CVE-1", "@id": "https://nvd.example/CVE-1"}, "products": [{"@id": "pkg:pypi/numpy@1.0"}],
             "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"},
            {"vulnerability": {"name": "CVE-2"}, "products": [{"@id": "pkg:pypi/numpy"}], "status": "affected"},
            {"vulnerability": "CVE-3", "products": [{"@id": "pkg:oci/app@sha256%3Aaa", "subcomponents": [{"@id": "pkg:deb/debian/zlib1g"}]}], "status": "fixed"},
            {"vulnerability": "CVE-4", "products": [{"@id": "pkg:oci/app"}], "status": "fixed"}]}"#;
        let of = |image| {
            let said = read("v", text, image).unwrap();
            said.into_iter().map(|s| (s.ids[0].clone(), s.packages)).collect::<Vec<_>>()
        };
        let (numpy, zlib) = (vec!["pkg:pypi/numpy@1.0".to_owned()], vec!["pkg:deb/debian/zlib1g".to_owned()]);
        let all = [("CVE-1".into(), numpy.clone()), ("CVE-3".into(), zlib), ("CVE-4".into(), vec![])];
        assert_eq!(of(Some("sha256:aa")), all);
        assert_eq!(of(Some("sha256:bb")), [("CVE-1".into(), numpy), ("CVE-4".into(), vec![])]);
    }

    #[test]
    fn cyclonedx_finds_packages_by_reference() {
        let text = r#"{"bomFormat": "CycloneDX", "components": [{"bom-ref": "c1", "purl": "pkg:npm/a@1"}], "vulnerabilities": [
            {"id": "CVE-1", "analysis": {"state": "not_affected", "detail": "not used"}, "affects": [{"ref": "urn:cdx:1/1#c1"}, {"ref": "pkg:npm/b@2"}]},
            {"id": "CVE-2", "analysis": {"state": "in_triage"}, "affects": [{"ref": "c1"}]}]}"#;
        let said = read("v", text, None).unwrap();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].packages, ["pkg:npm/a@1", "pkg:npm/b@2"]);
        assert_eq!(said[0].reason, "not used");
        assert!(read("v", "{}", None).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,80}") {
            let _ = read("v", &text, None);
        }
    }
}
