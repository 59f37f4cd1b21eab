//! The architecture, enforced: crate edges, where the network and `unsafe` may be, names, sizes, docs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, command, root};

/// Which crates of the workspace each may use (`docs/architecture.md`).
const EDGES: [(&str, &[&str]); 13] = [
    ("wharf-oci", &[]),
    ("wharf-layer", &["wharf-oci"]),
    ("wharf-registry", &["wharf-oci"]),
    ("wharf-depot", &["wharf-oci", "wharf-registry"]),
    ("wharf-dockerfile", &["wharf-oci"]),
    ("wharf-metadata", &["wharf-oci"]),
    ("wharf-sandbox", &[]),
    ("wharf-build", &["wharf-oci", "wharf-layer", "wharf-registry", "wharf-dockerfile", "wharf-sandbox"]),
    ("wharf-buildkit", &["wharf-oci", "wharf-dockerfile"]),
    ("wharf-scan", &["wharf-oci", "wharf-layer", "wharf-dockerfile"]),
    ("wharf-ledger", &["wharf-oci", "wharf-registry"]),
    ("wharf-workflow", &["wharf-oci", "wharf-metadata"]),
    ("wharf-deploy", &["wharf-oci"]),
];

/// Crates that may speak to a network.
const NETWORKED: [&str; 5] = ["wharf-registry", "wharf-depot", "wharf-buildkit", "wharf", "wharf-testkit"];

/// Dependencies that speak to a network.
const NETWORK_CRATES: [&str; 5] = ["reqwest", "hyper", "axum", "tokio-rustls", "tonic"];

/// Module names that say nothing of what is inside.
const NAMELESS: [&str; 5] = ["util", "utils", "common", "helpers", "types"];

/// A file longer than this is split, tables aside.
const MAX_LINES: usize = 900;

/// What a long table opens with, after its `//!` lines, to be let through.
const TABLE_MARK: &str = "//! Table:";

/// Checks everything, and says all that is wrong at once.
pub(crate) fn run() -> Result<()> {
    let mut faults = Vec::new();
    let packages = packages()?;
    check_edges(&packages, &mut faults);
    check_sources(&mut faults)?;
    check_docs(&packages, &mut faults)?;
    if faults.is_empty() {
        println!("tidy: nothing to say");
        return Ok(());
    }
    bail!("tidy found:\n  {}", faults.join("\n  "))
}

/// A member of the workspace: its name and what it depends on outside of tests.
struct Package {
    name: String,
    dependencies: Vec<String>,
    manifest: PathBuf,
}

fn packages() -> Result<Vec<Package>> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]).read()?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo metadata")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            dependencies: list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .map(|dependency| text(&dependency["name"]))
                .collect(),
            manifest: PathBuf::from(text(&package["manifest_path"])),
        })
        .collect())
}

fn check_edges(packages: &[Package], faults: &mut Vec<String>) {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    for package in packages {
        for dependency in &package.dependencies {
            let name = dependency.as_str();
            if let Some(edges) = allowed.get(package.name.as_str())
                && name.starts_with("wharf-")
                && !edges.contains(&name)
            {
                faults.push(format!("{} must not use {name}", package.name));
            }
            if NETWORK_CRATES.contains(&name) && !NETWORKED.contains(&package.name.as_str()) {
                faults.push(format!("{} must not speak to a network, and uses {name}", package.name));
            }
        }
        let manifest = fs::read_to_string(&package.manifest).unwrap_or_default();
        let exempt = ["wharf-sandbox", "xtask"].contains(&package.name.as_str());
        if !exempt && !manifest.contains("[lints]\nworkspace = true") {
            faults.push(format!("{} does not take the lints of the workspace", package.name));
        }
        if manifest.lines().any(|line| line.contains("version = \"") && !line.starts_with("rust-version")) {
            faults.push(format!("{} names a version; versions stand in the workspace's table", package.name));
        }
    }
}

fn check_sources(faults: &mut Vec<String>) -> Result<()> {
    let mut lengths = Vec::new();
    for path in tracked("*.rs")? {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        let lines = text.lines().count();
        lengths.push(lines);
        let shown = path.display();
        if lines > MAX_LINES && !text.contains(TABLE_MARK) {
            faults.push(format!("{shown} has {lines} lines: where is the seam?"));
        }
        if NAMELESS.contains(&path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()) {
            faults.push(format!("{shown}: the name says nothing of what is inside"));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") {
            faults.push(format!("{shown} does not open with why it exists"));
        }
        if text.lines().any(|line| line.ends_with(' ') || line.contains('\t') && !line.contains('"')) {
            faults.push(format!("{shown} has trailing blanks or tabs"));
        }
    }
    lengths.sort_unstable();
    if let (Some(median), Some(max)) = (lengths.get(lengths.len() / 2), lengths.last()) {
        println!("tidy: {} files, median {median} lines, longest {max}", lengths.len());
    }
    Ok(())
}

/// Every crate is in the map, and every command is in the reference.
fn check_docs(packages: &[Package], faults: &mut Vec<String>) -> Result<()> {
    let map = fs::read_to_string(root().join("docs/architecture.md")).unwrap_or_default();
    for package in packages {
        let short = package.name.trim_start_matches("wharf-");
        if !map.contains(&format!("`{short}`")) {
            faults.push(format!("docs/architecture.md does not speak of `{short}`"));
        }
    }
    let reference = fs::read_to_string(root().join("docs/reference/cli.md")).unwrap_or_default();
    for path in tracked("crates/wharf/src/commands/*.rs")? {
        let verb = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().replace('_', "-");
        let direct = path.parent().is_some_and(|parent| parent.ends_with("commands"));
        if direct
            && !["mod", "reference"].contains(&verb.as_str())
            && !reference.contains(&format!("wharf {verb}"))
        {
            faults.push(format!("docs/reference/cli.md does not speak of `wharf {verb}`"));
        }
    }
    Ok(())
}

fn tracked(pattern: &str) -> Result<Vec<PathBuf>> {
    let list = command("git", &["ls-files", "--cached", "--others", "--exclude-standard", pattern]).read()?;
    Ok(list
        .lines()
        .map(|line| Path::new(line).to_owned())
        .filter(|path| root().join(path).is_file())
        .collect())
}
