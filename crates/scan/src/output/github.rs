//! A snapshot for GitHub's dependency graph (dependency submission API), so that its own alerts know what is in the image.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::findings::Report;

/// The job that a snapshot is of; GitHub replaces an older snapshot of the same job.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// The commit.
    pub sha: String,
    /// Its ref, `refs/heads/main`.
    pub git_ref: String,
    /// What keeps snapshots of different jobs apart: workflow and job.
    pub correlator: String,
    /// The run.
    pub id: String,
}

/// The packages as a snapshot, a manifest for each ecosystem. `time` is the moment, RFC 3339.
pub fn github(report: &Report, job: &Job, time: &str) -> String {
    let mut manifests: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for package in &report.inventory.packages {
        let resolved = json!({ "package_url": package.purl, "relationship": "direct", "scope": "runtime" });
        // One name may be there in several versions.
        let name = format!("{}@{}", package.name, package.version);
        manifests.entry(&package.ecosystem).or_default().insert(name, resolved);
    }
    let manifests: Map<String, Value> = manifests
        .into_iter()
        .map(|(ecosystem, resolved)| {
            let name = format!("{} ({ecosystem})", report.subject.name);
            let manifest = json!({
                "name": name, "resolved": resolved, "metadata": { "image": report.subject.name, "digest": report.subject.digest },
            });
            (name, manifest)
        })
        .collect();
    let document = json!({
        "version": 0,
        "detector": {
            "name": "wharf", "version": env!("CARGO_PKG_VERSION"), "url": "https://github.com/wharf-ship/wharf",
        },
        "ref": job.git_ref,
        "sha": job.sha,
        "job": { "correlator": job.correlator, "id": job.id },
        "scanned": time,
        "manifests": manifests,
    });
    format!("{document:#}\n")
}
