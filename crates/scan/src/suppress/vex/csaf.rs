//! CSAF 2.0, whose profile 5 is VEX: which products are not affected or fixed (section 3.2.3.9). Products are named by
//! identifiers of the document's own; the product tree says which package URL each has (3.2.2), and relationships which
//! component of what it is (3.2.2.5).

use std::collections::HashMap;

use serde_json::Value;

use super::{is_image, is_of, list, text};
use crate::suppress::Statement;

/// How deep branches of the product tree may be.
const MAX_DEPTH: usize = 64;

/// Whether it is such a document.
pub(super) fn is(document: &Value) -> bool {
    document["document"]["csaf_version"].is_string()
}

/// The statements that answer for something.
pub(super) fn read(name: &str, document: &Value, image: Option<&str>) -> Vec<Statement> {
    let products = Products::new(&document["product_tree"]);
    let mut statements = Vec::new();
    for vulnerability in list(&document["vulnerabilities"]) {
        let mut ids: Vec<String> = text(&vulnerability["cve"]).into_iter().collect();
        ids.extend(list(&vulnerability["ids"]).iter().filter_map(|id| text(&id["text"])));
        let Some(first) = ids.first().cloned() else { continue };
        for status in ["known_not_affected", "fixed", "first_fixed"] {
            for product in list(&vulnerability["product_status"][status]).iter().filter_map(Value::as_str) {
                let Some(package) = products.package(product, image) else { continue };
                statements.push(Statement {
                    ids: ids.clone(),
                    packages: package.into_iter().collect(),
                    reason: reason(vulnerability, product).unwrap_or_else(|| status.replace('_', " ")),
                    place: format!("{name} ({first}, {product})"),
                    ..Statement::default()
                });
            }
        }
    }
    statements
}

/// Why a product is not affected: the impact statement in words, or the label of its flag.
fn reason(vulnerability: &Value, product: &str) -> Option<String> {
    let about = |entry: &&Value| list(&entry["product_ids"]).iter().any(|id| id == product);
    let threats = list(&vulnerability["threats"]).iter().filter(|threat| threat["category"] == "impact");
    let in_words = threats.filter(about).find_map(|threat| text(&threat["details"]));
    in_words.or_else(|| {
        let mut flags = list(&vulnerability["flags"]).iter().filter(about);
        flags.find_map(|flag| text(&flag["label"])).map(|label| label.replace('_', " "))
    })
}

/// The products of a document by their identifiers.
#[derive(Default)]
struct Products {
    purls: HashMap<String, String>,
    /// The component and what it is a component of.
    parts: HashMap<String, (String, String)>,
}

impl Products {
    fn new(tree: &Value) -> Self {
        let mut products = Self::default();
        list(&tree["full_product_names"]).iter().for_each(|product| products.add(product));
        let mut open: Vec<(&Value, usize)> =
            list(&tree["branches"]).iter().map(|branch| (branch, 0)).collect();
        while let Some((branch, depth)) = open.pop() {
            products.add(&branch["product"]);
            if depth < MAX_DEPTH {
                open.extend(list(&branch["branches"]).iter().map(|below| (below, depth + 1)));
            }
        }
        for relationship in list(&tree["relationships"]) {
            products.add(&relationship["full_product_name"]);
            let of = |key: &str| text(&relationship[key]);
            let whole = text(&relationship["full_product_name"]["product_id"]);
            if let (Some(whole), Some(part), Some(place)) =
                (whole, of("product_reference"), of("relates_to_product_reference"))
            {
                products.parts.insert(whole, (part, place));
            }
        }
        products
    }

    fn add(&mut self, product: &Value) {
        let purl = text(&product["product_identification_helper"]["purl"]);
        if let (Some(id), Some(purl)) = (text(&product["product_id"]), purl) {
            self.purls.insert(id, purl);
        }
    }

    /// The package that a product is; `Some(None)` for the whole of this image, `None` where it is none of its packages.
    fn package(&self, product: &str, image: Option<&str>) -> Option<Option<String>> {
        if let Some((part, place)) = self.parts.get(product) {
            let elsewhere = self.purls.get(place).is_some_and(|purl| is_image(purl) && !is_of(purl, image));
            let purl = self.purls.get(part).or_else(|| self.purls.get(product));
            return purl.filter(|_| !elsewhere).map(|purl| Some(purl.clone()));
        }
        let purl = self.purls.get(product)?;
        match is_image(purl) {
            true => is_of(purl, image).then_some(None),
            false => Some(Some(purl.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn product(id: &str, purl: &str) -> Value {
        json!({ "product_id": id, "name": id, "product_identification_helper": { "purl": purl } })
    }

    fn document() -> Value {
        json!({
            "document": { "category": "csaf_vex", "csaf_version": "2.0", "title": "x" },
            "product_tree": {
                "branches": [{ "category": "vendor", "name": "us", "branches": [
                    { "category": "product_version", "name": "1.0", "product": product("numpy", "pkg:pypi/numpy@1.0") },
                ] }],
                "full_product_names": [
                    product("app", "pkg:oci/app@sha256%3Aaa"), product("zlib", "pkg:deb/debian/zlib1g"),
                    { "product_id": "nameless", "name": "something" },
                ],
                "relationships": [{
                    "category": "default_component_of", "product_reference": "zlib", "relates_to_product_reference": "app",
                    "full_product_name": { "product_id": "zlib-in-app", "name": "zlib in app" },
                }],
            },
            "vulnerabilities": [
                { "cve": "CVE-1", "product_status": { "known_not_affected": ["numpy", "nameless"], "known_affected": ["zlib"] },
                  "flags": [{ "label": "vulnerable_code_not_in_execute_path", "product_ids": ["numpy"] }] },
                { "cve": "CVE-2", "ids": [{ "system_name": "x", "text": "X-2" }], "product_status": { "known_not_affected": ["zlib-in-app"] },
                  "threats": [{ "category": "impact", "details": "it is not linked", "product_ids": ["zlib-in-app"] }] },
                { "cve": "CVE-3", "product_status": { "fixed": ["app"] } },
            ],
        })
    }

    #[test]
    fn products_become_packages() {
        let said = |image| -> Vec<String> {
            let said = read("v", &document(), image).into_iter();
            said.map(|s| format!("{} {} {}", s.ids.join("+"), s.packages.join(""), s.reason)).collect()
        };
        let numpy = "CVE-1 pkg:pypi/numpy@1.0 vulnerable code not in execute path";
        assert_eq!(
            said(Some("sha256:aa")),
            [numpy, "CVE-2+X-2 pkg:deb/debian/zlib1g it is not linked", "CVE-3  fixed"]
        );
        assert_eq!(said(Some("sha256:bb")), [numpy]);
    }

    #[test]
    fn what_is_no_product_is_passed_over() {
        assert!(is(&document()) && !is(&json!({ "document": 1 })));
        for tree in [json!(null), json!({ "branches": [1, { "product": [] }], "relationships": [{}] })] {
            let document = json!({ "product_tree": tree, "vulnerabilities": [{ "cve": "C", "product_status": { "fixed": ["a", 1] } }, 1] });
            assert!(read("v", &document, None).is_empty());
        }
    }
}
