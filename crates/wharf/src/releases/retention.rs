//! `wharf prune REPO`: what may go from a repository. The ledger is the root: what runs, what a rollback needs, and
//! the newest ships stay, whatever their tags and age.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wharf_ledger::{Latest, LogName};
use wharf_oci::{Digest, digest};
use wharf_registry::{Name, Parsed, Store};

use super::describe::config;
use super::failure::unreadable;
use super::files::fits;
use super::place::Place;
use crate::commands::registry_failure;
use crate::exit::Failure;

/// How many tags are looked up at once.
const AT_ONCE: usize = 8;

/// What stays, as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// So many of the newest ships.
    pub(crate) keep: usize,
    /// So many rollback targets of each environment.
    pub(crate) rollbacks: usize,
    /// What is younger than this.
    pub(crate) older_than: SignedDuration,
    /// Only images all of whose tags fit one of these; empty is all.
    pub(crate) tags: Vec<String>,
}

/// A release that stays or goes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    /// What.
    pub(crate) digest: Digest,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// Its version, where the ledger knows it.
    pub(crate) version: Option<String>,
    /// When it was shipped or made.
    pub(crate) created: Option<String>,
    /// Why it stays or goes.
    pub(crate) why: String,
}

/// What would be done.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// What goes.
    pub(crate) remove: Vec<Item>,
    /// What stays.
    pub(crate) keep: Vec<Item>,
    /// Signatures and attestations of what goes.
    #[serde(skip)]
    attached: Vec<String>,
}

/// What is known of a repository.
#[derive(Debug, Default)]
struct Known {
    /// What each digest is called.
    tags: BTreeMap<String, Vec<String>>,
    /// Why a digest must stay.
    needed: BTreeMap<String, String>,
    /// Version and time of what was shipped.
    shipped: BTreeMap<String, (String, String)>,
    /// Tags of signatures, attestations and lists of referrers.
    attached: Vec<String>,
}

/// Reads the logs and the tags, and decides.
pub(crate) async fn decide(place: &Place, rules: &Rules, now: Timestamp) -> Result<Verdict, Failure> {
    let store = place.store.as_ref();
    let mut known = Known::default();
    read_logs(store, rules, &mut known).await?;
    read_tags(store, &mut known).await?;
    pin_children(store, &mut known).await?;
    let mut verdict = Verdict::default();
    for (text, tags) in &known.tags {
        let Ok(digest) = text.parse::<Digest>() else { continue };
        let shipped = known.shipped.get(text);
        let created = match shipped {
            Some((_, time)) => Some(time.clone()),
            None => created(store, &digest).await,
        };
        let reason = reason_to_stay(&known, rules, text, tags, created.as_deref(), now);
        let item = |why: String| Item {
            digest: digest.clone(),
            tags: tags.clone(),
            version: shipped.map(|(version, _)| version.clone()),
            created: created.clone(),
            why,
        };
        match reason {
            Some(why) => verdict.keep.push(item(why)),
            None => verdict.remove.push(item("nothing runs it, and no rollback needs it".into())),
        }
    }
    let goes = |tag: &&String| {
        verdict.remove.iter().any(|item| {
            let stem = format!("{}-{}", item.digest.algorithm(), item.digest.digest());
            **tag == stem || tag.starts_with(&format!("{stem}."))
        })
    };
    verdict.attached = known.attached.iter().filter(goes).cloned().collect();
    Ok(verdict)
}

fn reason_to_stay(
    known: &Known,
    rules: &Rules,
    digest: &str,
    tags: &[String],
    created: Option<&str>,
    now: Timestamp,
) -> Option<String> {
    if let Some(why) = known.needed.get(digest) {
        return Some(why.clone());
    }
    let fit = |tag: &String| rules.tags.iter().any(|rule| fits(rule.as_bytes(), tag.as_bytes()));
    if !rules.tags.is_empty() && !tags.iter().all(fit) {
        return Some("it has a tag that --tags does not name".into());
    }
    match created.and_then(|time| time.parse::<Timestamp>().ok()) {
        None => Some("nobody knows how old it is".into()),
        Some(time) if now.duration_since(time) < rules.older_than => Some("it is too young".into()),
        Some(_) => None,
    }
}

async fn read_logs(store: &dyn Store, rules: &Rules, known: &mut Known) -> Result<(), Failure> {
    for log in wharf_ledger::logs(store).await.map_err(unreadable)? {
        let Some(newest) = wharf_ledger::latest(store, &log).await.map_err(unreadable)? else { continue };
        if log.is_ship() {
            let ships = wharf_ledger::history(store, &log, &newest, usize::MAX).await.map_err(unreadable)?;
            read_ships(&ships, rules, known);
        } else {
            read_environment(&log, &newest, rules, known);
        }
    }
    Ok(())
}

fn read_ships(ships: &[Latest], rules: &Rules, known: &mut Known) {
    let mut newest = BTreeSet::new();
    for ship in ships {
        let Some(release) = &ship.record.release else { continue };
        let digest = release.digest.to_string();
        known.shipped.entry(digest.clone()).or_insert((release.version.clone(), ship.record.time.clone()));
        if newest.len() < rules.keep && newest.insert(digest.clone()) {
            known.needed.entry(digest).or_insert_with(|| format!("one of the {} newest ships", rules.keep));
        }
    }
}

fn read_environment(log: &LogName, newest: &Latest, rules: &Rules, known: &mut Known) {
    let Some(state) = newest.record.state.as_deref() else { return };
    if let Some(current) = &state.current {
        known.needed.insert(current.release.digest.to_string(), format!("it runs in {log}"));
    }
    let fit = |placed: &&wharf_ledger::Placed| state.quarantined(&placed.release.digest).is_none();
    let target = state.rollback_target().into_iter();
    for placed in target.chain(state.recent.iter().filter(fit).take(rules.rollbacks)) {
        let digest = placed.release.digest.to_string();
        known.needed.entry(digest).or_insert_with(|| format!("a rollback of {log} may go to it"));
    }
}

async fn read_tags(store: &dyn Store, known: &mut Known) -> Result<(), Failure> {
    let tags = store.tags().await.map_err(registry_failure)?;
    let is_attached = |tag: &str| tag.starts_with("sha256-") || tag.starts_with("sha512-");
    let (attached, tags): (Vec<String>, Vec<String>) =
        tags.into_iter().filter(|tag| !tag.starts_with("wharf.")).partition(|tag| is_attached(tag));
    known.attached = attached;
    let mut found = futures_util::stream::iter(tags.into_iter().map(|tag| async move {
        let found = store.head(Name::Tag(&tag)).await;
        (tag, found)
    }))
    .buffer_unordered(AT_ONCE);
    while let Some((tag, result)) = found.next().await {
        if let Some(descriptor) = result.map_err(registry_failure)? {
            known.tags.entry(descriptor.digest.to_string()).or_default().push(tag);
        }
    }
    for tags in known.tags.values_mut() {
        tags.sort();
    }
    Ok(())
}

/// The images of an index that stays, stay.
async fn pin_children(store: &dyn Store, known: &mut Known) -> Result<(), Failure> {
    let mut open: Vec<(String, String)> = known.needed.clone().into_iter().collect();
    while let Some((text, why)) = open.pop() {
        let Ok(digest) = text.parse::<Digest>() else { continue };
        let document = store.manifest(Name::Digest(&digest)).await.map_err(registry_failure)?;
        let Some(Parsed::Index(index)) = document.and_then(|document| document.parse().ok()) else {
            continue;
        };
        for child in index.manifests {
            let child = child.digest.to_string();
            if known.needed.insert(child.clone(), why.clone()).is_none() {
                open.push((child, why.clone()));
            }
        }
    }
    Ok(())
}

async fn created(store: &dyn Store, digest: &Digest) -> Option<String> {
    let document = store.manifest(Name::Digest(digest)).await.ok()??;
    config(store, &document).await?.created
}

/// Deletes what goes. Says what was deleted before a failure.
pub(crate) async fn remove(place: &Place, verdict: &Verdict) -> Result<usize, Failure> {
    let store = place.store.as_ref();
    for (done, item) in verdict.remove.iter().enumerate() {
        store.delete(Name::Digest(&item.digest)).await.map_err(|error| {
            registry_failure(error)
                .context(format!(
                    "{done} images were removed, and {} was not",
                    digest::short(&item.digest, 12)
                ))
                .hint(
                    "a registry may allow no deletes: `REGISTRY_STORAGE_DELETE_ENABLED=true` in docker's own",
                )
        })?;
    }
    for tag in &verdict.attached {
        if let Some(found) = store.head(Name::Tag(tag)).await.map_err(registry_failure)? {
            store.delete(Name::Digest(&found.digest)).await.map_err(registry_failure)?;
        }
    }
    Ok(verdict.remove.len())
}
