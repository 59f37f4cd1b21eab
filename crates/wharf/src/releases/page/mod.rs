//! A page to look at: one file of HTML without anything from elsewhere, readable without colour and without a
//! network. What it shows is gathered here; how it looks is in the modules below.

mod charts;
mod markup;
mod sections;
mod treemap;

use std::collections::BTreeMap;

use wharf_ledger::{Evidence, Gate, Latest, LogName, Release, Verdict};
use wharf_oci::Digest;
use wharf_registry::{Name, Parsed, Store};

use super::describe::{config, manifest};
use super::failure::unreadable;
use super::overview::{self, Environment};
use super::place::Place;
use super::{configs, describe};
use crate::exit::Failure;
use crate::world::World;

/// How many entries of each log are shown.
const ENTRIES: usize = 100;
/// How many releases are shown with sizes.
const RELEASES: usize = 24;

/// A repository as it is shown.
pub(super) struct Shown {
    name: String,
    environments: Vec<(Environment, Vec<Latest>)>,
    /// Oldest first.
    releases: Vec<Known>,
}

/// A release as it is shown.
pub(super) struct Known {
    release: Release,
    time: String,
    commit: Option<String>,
    model: Option<String>,
    gates: Vec<Gate>,
    evidence: Vec<Evidence>,
    size: Option<u64>,
    layers: Vec<Layer>,
    vulnerabilities: Option<Vec<(String, u64)>>,
}

/// A layer of an image.
pub(super) struct Layer {
    size: u64,
    created_by: String,
}

/// The page of some repositories.
pub(crate) fn of_places(world: &World, places: &[Place]) -> Result<String, Failure> {
    let mut shown = Vec::new();
    for place in places {
        shown.push(world.runtime.block_on(gather(place))?);
    }
    Ok(sections::page(&shown, &crate::world::now().to_string()))
}

async fn gather(place: &Place) -> Result<Shown, Failure> {
    let store = place.store.as_ref();
    let mut environments = Vec::new();
    for log in wharf_ledger::logs(store).await.map_err(unreadable)?.iter().filter(|log| !log.is_ship()) {
        let Some(mut environment) = overview::environment(store, log).await? else { continue };
        environment.drift.extend(configs::drift(place, &environment)?);
        environments.push((environment, history(store, log).await?));
    }
    let ships = describe::ships(store).await?;
    let entries = ships.iter().chain(environments.iter().flat_map(|(_, entries)| entries));
    let mut releases: BTreeMap<String, Known> = BTreeMap::new();
    for entry in entries {
        let record = &entry.record;
        let Some(release) = &record.release else { continue };
        let known = releases.entry(release.digest.to_string()).or_insert_with(|| Known {
            release: release.clone(),
            time: record.time.clone(),
            commit: record.commit.as_ref().map(|commit| commit.sha.clone()),
            model: record.model.as_ref().map(|model| format!("{} {}", model.path, model.digest)),
            gates: record.gates.clone(),
            evidence: Vec::new(),
            size: None,
            layers: Vec::new(),
            vulnerabilities: None,
        });
        if record.time < known.time {
            known.time.clone_from(&record.time);
        }
        if !record.evidence.is_empty() && known.evidence.is_empty() {
            known.evidence.clone_from(&record.evidence);
        }
    }
    let mut releases: Vec<Known> = releases.into_values().collect();
    releases.sort_by(|a, b| (&a.time, &a.release.version).cmp(&(&b.time, &b.release.version)));
    let surplus = releases.len().saturating_sub(RELEASES);
    releases.drain(..surplus);
    for known in &mut releases {
        look_inside(store, known).await;
    }
    Ok(Shown { name: place.name(), environments, releases })
}

async fn history(store: &dyn Store, log: &LogName) -> Result<Vec<Latest>, Failure> {
    match wharf_ledger::latest(store, log).await.map_err(unreadable)? {
        Some(newest) => wharf_ledger::history(store, log, &newest, ENTRIES).await.map_err(unreadable),
        None => Ok(Vec::new()),
    }
}

/// Sizes and layers, as far as the release is still there.
async fn look_inside(store: &dyn Store, known: &mut Known) {
    known.vulnerabilities = known
        .gates
        .iter()
        .find(|gate| gate.name == "scan" && gate.verdict != Verdict::Skipped)
        .map(|gate| counts(&gate.detail));
    let digest: &Digest = &known.release.digest;
    let Ok(Some(document)) = store.manifest(Name::Digest(digest)).await else { return };
    let Some(image) = manifest(store, &document).await else { return };
    let total: u64 = image.layers.iter().map(|layer| layer.size).sum();
    known.size = Some(total + image.config.size);
    let history = match document.parse() {
        Ok(Parsed::Manifest(_) | Parsed::Index(_)) => {
            config(store, &document).await.map(|config| config.history)
        }
        Err(_) => None,
    };
    let made: Vec<String> = history
        .unwrap_or_default()
        .into_iter()
        .filter(|line| !line.empty_layer)
        .map(|line| line.created_by.unwrap_or_default())
        .collect();
    known.layers = image
        .layers
        .iter()
        .enumerate()
        .map(|(n, layer)| Layer {
            size: layer.size,
            created_by: made
                .get(n)
                .filter(|text| !text.is_empty())
                .cloned()
                .unwrap_or_else(|| format!("layer {}", n + 1)),
        })
        .collect();
}

/// The numbers in a gate's words: `12 packages, 1 critical, 3 high`.
fn counts(detail: &str) -> Vec<(String, u64)> {
    const SEVERITIES: [&str; 4] = ["critical", "high", "medium", "low"];
    let words: Vec<&str> =
        detail.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    SEVERITIES
        .iter()
        .map(|severity| {
            let count = words.windows(2).find(|pair| pair[1].eq_ignore_ascii_case(severity));
            ((*severity).to_owned(), count.and_then(|pair| pair[0].parse().ok()).unwrap_or(0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_a_gates_words() {
        let found = counts("12 packages, 1 critical, 30 high");
        assert_eq!(found[0], ("critical".into(), 1));
        assert_eq!(found[1], ("high".into(), 30));
        assert_eq!(found[3], ("low".into(), 0));
    }
}
