//! Where a release comes from, as a SLSA v1 provenance statement bound to its digest.

use serde_json::{Value, json};

use crate::releases::describe::Described;

/// The predicate's type.
pub(crate) const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// The statement about a release: what its ship recorded, and nothing that is not known.
pub(crate) fn statement(release: &Described, actor: &wharf_ledger::Actor) -> Value {
    let digest = &release.release.digest;
    let mut dependencies = Vec::new();
    if let Some(commit) = &release.commit {
        let source = commit.source.clone().unwrap_or_default();
        dependencies.push(json!({
            "uri": if source.is_empty() { "git".to_owned() } else { format!("git+{source}") },
            "digest": {"gitCommit": commit.sha},
        }));
    }
    if let Some(model) = &release.model {
        let algorithm = model.digest.algorithm().to_string();
        dependencies.push(json!({"name": model.path, "digest": {algorithm: model.digest.digest()}}));
    }
    let reference = release.commit.as_ref().and_then(|commit| commit.git_ref.clone());
    let gates: Vec<Value> =
        release.gates.iter().map(|gate| json!({"name": gate.name, "verdict": gate.verdict})).collect();
    let algorithm = digest.algorithm().to_string();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": release.release.name, "digest": {algorithm: digest.digest()}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": "https://wharf.dev/ship/v1",
                "externalParameters": {"ref": reference, "version": release.release.version},
                "internalParameters": {"dirty": release.commit.as_ref().is_some_and(|commit| commit.dirty)},
                "resolvedDependencies": dependencies
            },
            "runDetails": {
                "builder": {"id": actor.run.clone().unwrap_or_else(|| format!("local:{}", actor.name)),
                            "version": {"wharf": env!("CARGO_PKG_VERSION")}},
                "metadata": {"finishedOn": release.shipped},
                "byproducts": gates
            }
        }
    })
}
