//! skops: a zip archive whose `schema.json` names every class and function of the model.

use std::io::Read;

use serde_json::Value;

use super::Issue;
use crate::archive::ZipArchive;
use crate::blob::Blob;
use crate::findings::Severity;
use crate::pickle::{self, Judgement, Special};

const SCHEMA: &str = "schema.json";
const MAX_SCHEMA: u64 = 64 << 20;

/// Whether an archive has the schema that makes it one of skops.
pub(super) fn is_skops(archive: &ZipArchive) -> bool {
    archive.members.iter().any(|member| member.name == SCHEMA)
}

/// What is wrong with a model.
pub(super) fn check(blob: &Blob, archive: &ZipArchive) -> Vec<Issue> {
    let mut issues = Vec::new();
    for member in archive.members.iter().filter(|member| member.name == SCHEMA) {
        let Ok(Some(stream)) = member.open(blob, member.method) else { continue };
        let mut text = Vec::new();
        // A schema that is cut off is no JSON, and then no loader reads it either.
        let _ = stream.take(MAX_SCHEMA).read_to_end(&mut text);
        if let Ok(schema) = serde_json::from_slice::<Value>(&text) {
            walk(&schema, &mut issues);
        }
    }
    issues
}

fn walk(node: &Value, issues: &mut Vec<Issue>) {
    match node {
        Value::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            if let (Some(module), Some(class)) = (text("__module__"), text("__class__")) {
                judge(module, class, text("__loader__").unwrap_or_default(), issues);
            }
            object.values().for_each(|value| walk(value, issues));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, issues)),
        _ => {}
    }
}

fn judge(module: &str, class: &str, loader: &str, issues: &mut Vec<Issue>) {
    let name = format!("{module}.{class}");
    let (severity, title) = match pickle::judge(module, class) {
        Judgement::Allowed | Judgement::Restored => return,
        // How skops writes down functions and methods, with their owners judged on their own.
        Judgement::Special(special) if loader != "OperatorFuncNode" && !calls_or_loads(special) => return,
        Judgement::Special(_) => (Severity::High, format!("it calls `{name}`")),
        _ if matches!(
            (module, class),
            ("builtins", "builtin_function_or_method") | ("types", "MethodType" | "FunctionType")
        ) =>
        {
            return;
        }
        Judgement::Dangerous(why) => (Severity::Critical, format!("it uses `{name}`, which {why}")),
        Judgement::Evasive | Judgement::Standard | Judgement::Unlisted { class: false } => {
            (Severity::High, format!("it uses `{name}`, which no model has a reason to use"))
        }
        Judgement::Unlisted { class: true } | Judgement::Unknown { .. } => {
            (Severity::Medium, format!("it uses `{name}`, of which nothing is known"))
        }
    };
    let issue = Issue::new("skops-import", severity, title);
    let issue = if severity == Severity::Critical { issue } else { issue.about(name) };
    if issues.len() < 100 && !issues.contains(&issue) {
        issues.push(issue);
    }
}

/// Names that no part of a model is, whatever they are given.
fn calls_or_loads(special: Special) -> bool {
    matches!(
        special,
        Special::Load
            | Special::Import
            | Special::TypeByName
            | Special::Calls(_)
            | Special::Makes
            | Special::Union
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_load_are_no_part_of_a_model() {
        for (module, class, count) in [
            ("pickle", "loads", 1),
            ("copyreg", "_reconstructor", 1),
            ("functools", "reduce", 1),
            ("builtins", "type", 0),
            ("xgboost.core", "Booster", 0),
            ("numpy", "ndarray", 0),
        ] {
            let mut issues = Vec::new();
            judge(module, class, "FunctionNode", &mut issues);
            assert_eq!(issues.len(), count, "{module}.{class}");
        }
    }
}
