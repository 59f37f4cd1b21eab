//! Traps as SARIF, for code scanning.

use serde_json::{Value, json};

use super::Explanation;
use super::traps::RULES;

/// The traps of explanations as one SARIF log.
pub fn sarif(explanations: &[Explanation]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(id, about)| json!({"id": id, "shortDescription": {"text": about}, "fullDescription": {"text": about}}))
        .collect();
    let results: Vec<Value> = explanations
        .iter()
        .flat_map(|explanation| explanation.traps.iter().map(move |trap| (explanation, trap)))
        .map(|(explanation, trap)| {
            json!({
                "ruleId": trap.rule,
                "ruleIndex": RULES.iter().position(|(id, _)| *id == trap.rule),
                "level": trap.level,
                "message": {"text": format!("{}. {}", trap.message, trap.advice)},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": explanation.file.trim_start_matches("./")},
                    "region": {"startLine": trap.place.line, "startColumn": trap.place.column},
                }}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "wharf workflow explain", "version": env!("CARGO_PKG_VERSION"),
                "informationUri": "https://github.com/wharf/wharf", "rules": rules,
            }},
            "automationDetails": {"id": "wharf-workflow-explain/"},
            "results": results,
        }],
    })
}
