//! The exports that OSV publishes for each ecosystem: all records as one archive, and a list of what changed when.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::Digest;
use wharf_scan::Database;

use super::{Downloads, check_digest, merge};
use crate::exit::{Exit, Failure};
use crate::world::World;

/// Where OSV publishes.
pub(crate) const OSV: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// What most images consist of.
pub(crate) const DEFAULT_ECOSYSTEMS: [&str; 6] = ["PyPI", "Debian", "Alpine", "npm", "Go", "crates.io"];
/// With more changes than these, all records at once are the shorter way.
const MAX_SINGLE: usize = 500;
const SIDE_BY_SIDE: usize = 8;
/// The longest list of changes.
const MAX_LIST: u64 = 256 << 20;

/// What an update did for one ecosystem.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Updated {
    pub(crate) ecosystem: String,
    /// The mirror that answered.
    pub(crate) mirror: String,
    /// How many records came.
    pub(crate) records: usize,
    /// Whether all records were fetched.
    pub(crate) whole: bool,
    /// What the archive of all records is, for the next one to be pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

/// An ecosystem, and what the archive of its records must be: `PyPI@sha256:…`.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    ecosystem: String,
    pin: Option<String>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((ecosystem, digest)) = text.split_once('@') else {
            return Ok(Self { ecosystem: text.to_owned(), pin: None });
        };
        let digest: Digest =
            digest.parse().map_err(|error| format!("`{text}` is not an ecosystem and a digest: {error}"))?;
        Ok(Self { ecosystem: ecosystem.to_owned(), pin: Some(digest.to_string()) })
    }
}

/// Brings the database at `path` up to date. The mirrors are asked in order, for each ecosystem; if none answers, the
/// database stays as it is.
pub(crate) fn update(
    path: &Path,
    wanted: &[Wanted],
    mirrors: &[String],
    whole: bool,
    world: &World,
) -> Result<Vec<Updated>, Failure> {
    let mut known = match path.is_file() && !whole {
        true => Database::open(path)?.sources().clone(),
        false => BTreeMap::new(),
    };
    let downloads = Downloads::new(world)?;
    let (mut records, mut done) = (Vec::new(), Vec::new());
    let mut as_of = crate::scanning::format::now();
    for wanted in wanted {
        let ecosystem = &wanted.ecosystem;
        let since = known.get(ecosystem).cloned();
        let got = from_any(&downloads, mirrors, wanted, since.as_deref())?;
        // What is pinned is as old as it is, whenever it is fetched.
        if let Some(newest) = got.newest.clone().filter(|_| wanted.pin.is_some()) {
            as_of = as_of.min(newest);
        }
        if let Some(newest) = got.newest.or(since) {
            known.insert(ecosystem.clone(), newest);
        }
        done.push(Updated {
            ecosystem: ecosystem.clone(),
            mirror: got.mirror,
            records: got.records.len(),
            whole: got.whole,
            digest: got.digest,
        });
        records.extend(got.records);
    }
    let new: Database = records.into_iter().collect();
    let new = new.followed(&as_of, known);
    merge(path, vec![new], false)?;
    Ok(done)
}

struct Got {
    mirror: String,
    records: Vec<wharf_scan::osv::Record>,
    /// When the newest of all changes was made.
    newest: Option<String>,
    whole: bool,
    /// Of the archive.
    digest: Option<String>,
}

fn from_any(
    downloads: &Downloads<'_>,
    mirrors: &[String],
    wanted: &Wanted,
    since: Option<&str>,
) -> Result<Got, Failure> {
    let mut first: Option<Failure> = None;
    for mirror in mirrors {
        match from_mirror(downloads, mirror.trim_end_matches('/'), wanted, since) {
            Ok(got) => return Ok(got),
            // What is not what it should be is worth more attention than what is not there.
            Err(failure) if failure.exit == Exit::Gate => {
                first = first.filter(|known| known.exit == Exit::Gate).or(Some(failure));
            }
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    let failure = first.unwrap_or_else(|| Failure::usage("no mirror was named"));
    let failure = failure.context(format!("bringing the advisories of {} up to date", wanted.ecosystem));
    Err(failure.hint("the database is as it was; name a mirror with --mirror, or bring the files and use `wharf db import`"))
}

fn from_mirror(
    downloads: &Downloads<'_>,
    mirror: &str,
    wanted: &Wanted,
    since: Option<&str>,
) -> Result<Got, Failure> {
    let place = format!("{mirror}/{}", wanted.ecosystem.replace(' ', "%20"));
    if wanted.pin.is_some() {
        return all(downloads, mirror, &place, wanted);
    }
    let changes = match downloads.get(&format!("{place}/modified_id.csv"))? {
        Some(content) if content.size <= MAX_LIST => {
            changes(&String::from_utf8_lossy(&downloads.layout.read(&content.digest)?))
        }
        _ => Vec::new(),
    };
    let newest = changes.iter().map(|(when, _)| when.clone()).max();
    let changed: Option<Vec<&str>> = since.filter(|_| !changes.is_empty()).map(|since| {
        changes.iter().filter(|(when, _)| when.as_str() > since).map(|(_, id)| id.as_str()).collect()
    });
    if let Some(ids) = changed.filter(|ids| ids.len() <= MAX_SINGLE) {
        let records = singly(downloads, &place, &ids)?;
        return Ok(Got { mirror: mirror.to_owned(), records, newest, whole: false, digest: None });
    }
    let got = all(downloads, mirror, &place, wanted)?;
    Ok(Got { newest: newest.or(got.newest), ..got })
}

/// All records at once.
fn all(downloads: &Downloads<'_>, mirror: &str, place: &str, wanted: &Wanted) -> Result<Got, Failure> {
    let url = format!("{place}/all.zip");
    let content = downloads.get(&url)?;
    let content =
        content.ok_or_else(|| Failure::new(Exit::Environment, anyhow::anyhow!("there is no {url}")))?;
    check_digest(&url, &content, wanted.pin.as_deref())?;
    let database = downloads.database(&content, &url)?;
    Ok(Got {
        mirror: mirror.to_owned(),
        newest: database.as_of().map(str::to_owned),
        records: database.into_records()?,
        whole: true,
        digest: Some(content.digest.to_string()),
    })
}

/// The lines of the list of changes: when, and which record. Names with a path in them are nobody's.
fn changes(list: &str) -> Vec<(String, String)> {
    list.lines()
        .filter_map(|line| line.trim().split_once(','))
        .map(|(when, id)| (when.to_owned(), id.rsplit('/').next().unwrap_or(id).to_owned()))
        .filter(|(when, id)| when.starts_with(|c: char| c.is_ascii_digit()) && !id.is_empty())
        .collect()
}

fn singly(
    downloads: &Downloads<'_>,
    place: &str,
    ids: &[&str],
) -> Result<Vec<wharf_scan::osv::Record>, Failure> {
    let fetches = stream::iter(ids)
        .map(|id| async move {
            let url = format!("{place}/{id}.json");
            Ok::<_, Failure>((downloads.fetch(&url).await?, url))
        })
        .buffered(SIDE_BY_SIDE)
        .try_collect::<Vec<_>>();
    let contents = downloads.world.runtime.block_on(fetches)?;
    let mut records = Vec::new();
    // A record that is gone by now was taken back.
    for (content, url) in contents {
        if let Some(content) = content {
            records.extend(downloads.database(&content, &url)?.into_records()?);
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_changes_is_read() {
        let list = "2026-01-02T00:00:00Z,PYSEC-2026-1\n2026-01-01T00:00:00Z,PyPI/GHSA-x\n\nmodified,id\n";
        let ids: Vec<String> = changes(list).into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, ["PYSEC-2026-1", "GHSA-x"]);
    }
}
