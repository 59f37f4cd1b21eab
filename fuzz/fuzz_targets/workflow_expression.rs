//! An expression of any text: parsed, and evaluated where it reads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharf_workflow::expr::{Scope, evaluate, parse};

struct Everything(Value);

impl Scope for Everything {
    fn context(&self, _name: &str) -> Option<&Value> {
        Some(&self.0)
    }
}

fuzz_target!(|text: &str| {
    let Ok(expr) = parse(text) else { return };
    let scope = Everything(serde_json::json!({"a": [1, "x", {"b": null}], "c": {"d": true}}));
    let _ = expr.paths();
    let _ = evaluate(&expr, &scope);
});
