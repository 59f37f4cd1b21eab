//! SPDX 2.3, JSON.

use serde_json::{Value, json};

use super::identity;
use crate::findings::Report;
use crate::inventory::Package;

/// The inventory as an SPDX document. `time` is the moment, `2026-01-02T03:04:05Z`.
pub fn spdx(report: &Report, time: &str) -> String {
    let subject = &report.subject;
    let mut packages = vec![json!({
        "SPDXID": "SPDXRef-Image",
        "name": subject.name,
        "versionInfo": subject.digest.as_deref().unwrap_or("NOASSERTION"),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": if subject.digest.is_some() { "CONTAINER" } else { "FILE" },
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    })];
    if let Some(digest) = &subject.digest {
        packages[0]["externalRefs"] = purl(&identity::image_purl(&subject.name, digest));
    }
    let mut relationships = vec![json!({
        "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Image",
    })];
    for (number, package) in report.inventory.packages.iter().enumerate() {
        let id = format!("SPDXRef-Package-{number}");
        relationships.push(json!({
            "spdxElementId": "SPDXRef-Image", "relationshipType": "CONTAINS", "relatedSpdxElement": id,
        }));
        packages.push(of_package(package, &id));
    }
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject.name,
        "documentNamespace": format!("https://wharf.invalid/spdx/{}", identity::uuid(report, "spdx")),
        "creationInfo": { "created": time, "creators": [concat!("Tool: wharf-", env!("CARGO_PKG_VERSION"))] },
        "packages": packages,
        "relationships": relationships,
    });
    format!("{document:#}\n")
}

fn of_package(package: &Package, id: &str) -> Value {
    let mut value = json!({
        "SPDXID": id,
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "sourceInfo": format!("found in {}", package.path),
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": purl(&package.purl),
    });
    // Only an expression of the licence list may be declared; anybody's words are a remark.
    if !package.licences.is_empty() {
        value["licenseComments"] = json!(package.licences.join(", "));
    }
    value
}

fn purl(purl: &str) -> Value {
    json!([{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl }])
}
