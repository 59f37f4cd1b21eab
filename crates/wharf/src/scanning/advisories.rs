//! Where advisories are: the database of this machine, and the ways to fill it.

mod artifact;
mod osv_export;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jiff::civil::Date;
use serde_json::{Value, json};
use wharf_registry::{Content, Download, Layout, Validators};
use wharf_scan::{Database, DatabaseError, Report};

use crate::exit::{Exit, Failure};
use crate::settings::project;
use crate::world::World;

pub(crate) use artifact::{pull, push};
pub(crate) use osv_export::{DEFAULT_ECOSYSTEMS, OSV, Wanted, update};

/// From this age on, a report says that the advisories are old, whatever the policy.
const OLD_DAYS: i32 = 3;
/// The age from which on `on-stale` counts.
const DEFAULT_MAX_AGE_DAYS: i32 = 7;
/// In one ecosystem a month may go by without a change.
const LAG_DAYS: i32 = 30;

/// This machine's database.
pub(crate) fn place(world: &World) -> PathBuf {
    world.data_dir.join("advisories.wvdb")
}

/// The database to judge by: the one that was typed, the project's, or this machine's. None at all is an empty one,
/// which judges nothing.
pub(crate) fn open(
    typed: Option<&str>,
    in_settings: Option<&str>,
    directory: &Path,
    world: &World,
) -> Result<Database, Failure> {
    let path = match (typed, in_settings) {
        (Some(name), _) | (None, Some(name)) if name.starts_with("oci://") => artifact::cached(name, world)?,
        (Some(name), _) => PathBuf::from(name),
        (None, Some(name)) => directory.join(name),
        (None, None) => Some(place(world)).filter(|path| path.is_file()).unwrap_or_default(),
    };
    match path.as_os_str().is_empty() {
        true => Ok(Database::default()),
        false => Ok(Database::open(&path)?),
    }
}

/// The records at a path, a URL or `oci://…`; of a download, `sha256` must be its digest if it is given.
pub(crate) fn read(source: &str, sha256: Option<&str>, world: &World) -> Result<Database, Failure> {
    if source.starts_with("oci://") {
        return Ok(Database::open(&artifact::cached(source, world)?)?);
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        let downloads = Downloads::new(world)?;
        let content = downloads.get(source)?.ok_or_else(|| anyhow!("there is nothing at {source}"))?;
        check_digest(source, &content, sha256)?;
        return downloads.database(&content, source);
    }
    if let Some(wanted) = sha256 {
        let found = crate::building::file_digest(Path::new(source))?;
        compare(source, found.as_ref(), wanted)?;
    }
    Ok(Database::open(Path::new(source))?)
}

fn check_digest(source: &str, content: &Content, wanted: Option<&str>) -> Result<(), Failure> {
    wanted.map_or(Ok(()), |wanted| compare(source, content.digest.as_ref(), wanted))
}

fn compare(source: &str, found: &str, wanted: &str) -> Result<(), Failure> {
    let plain = |text: &str| text.trim_start_matches("sha256:").to_lowercase();
    if plain(found) == plain(wanted) {
        return Ok(());
    }
    let failure = Failure::new(Exit::Gate, anyhow!("{source} is {found}, and not sha256:{}", plain(wanted)));
    Err(failure.hint("somebody has changed it: look at what it is before you trust it"))
}

/// A place for files that are read once.
struct Downloads<'a> {
    world: &'a World,
    layout: Layout,
    /// Goes away with its content.
    _directory: tempfile::TempDir,
}

impl<'a> Downloads<'a> {
    fn new(world: &'a World) -> Result<Self, Failure> {
        let parent = world.data_dir.join("tmp");
        std::fs::create_dir_all(&parent)?;
        let directory = tempfile::tempdir_in(parent)?;
        let layout = Layout::open(directory.path().join("layout"))?;
        Ok(Self { world, layout, _directory: directory })
    }

    /// The file at a URL; `None` where there is none.
    fn get(&self, url: &str) -> Result<Option<Content>, Failure> {
        let task = self.world.progress.task(url);
        let got = self.world.runtime.block_on(self.fetch(url))?;
        task.done(if got.is_some() { "done" } else { "not there" });
        Ok(got)
    }

    /// The records of a download, which is called by where it came from.
    fn database(&self, content: &Content, url: &str) -> Result<Database, Failure> {
        Database::open(&self.layout.path(&content.digest)).map_err(|error| {
            let cause = match error {
                DatabaseError::Read { source, .. } => anyhow!(source),
                DatabaseError::Record { reason, .. } => anyhow!("it is no OSV record: {reason}"),
                DatabaseError::Empty { .. } => anyhow!("it has no OSV record in it"),
                DatabaseError::Compact { reason, .. } => anyhow!(reason),
            };
            Failure::new(Exit::Environment, cause.context(format!("what {url} gave cannot be used")))
        })
    }

    async fn fetch(&self, url: &str) -> Result<Option<Content>, Failure> {
        let got =
            wharf_registry::download(&self.world.client, url, Validators::default(), &self.layout, &|_| {})
                .await;
        match got {
            Ok(Download::File { content, .. }) => Ok(Some(content)),
            Ok(Download::Unchanged) => Ok(None),
            Err(error) if matches!(error.cause(), wharf_registry::Cause::NotFound { .. }) => Ok(None),
            Err(error) => Err(crate::commands::registry_failure(error)),
        }
    }
}

/// Puts new records into the database at `path`: a later one replaces an earlier one of the same name.
pub(crate) fn merge(path: &Path, new: Vec<Database>, replace: bool) -> Result<Database, Failure> {
    let old = (path.is_file() && !replace).then(|| Database::open(path)).transpose()?;
    let (mut as_of, mut sources, mut records) = (String::new(), BTreeMap::new(), BTreeMap::new());
    for database in old.into_iter().chain(new) {
        sources.extend(database.sources().clone());
        as_of = as_of.max(database.as_of().unwrap_or_default().to_owned());
        records.extend(database.into_records()?.into_iter().map(|record| (record.id.clone(), record)));
    }
    let merged: Database = records.into_values().collect();
    let merged = merged.followed(&as_of, sources);
    merged.write(path)?;
    Ok(merged)
}

/// What is in a database, for `--json` and as text.
pub(crate) fn describe(path: &Path, database: &Database, today: &str) -> (Value, String) {
    let as_of = database.as_of().unwrap_or("unknown");
    let age = age(database, today);
    let old = age.map(|days| format!(", {days} days old")).unwrap_or_default();
    let mut text = format!("{}\n{} records as of {as_of}{old}\n", path.display(), database.len());
    for (name, known) in database.ecosystems() {
        let newest = known.newest.get(..10).unwrap_or(&known.newest);
        text.push_str(&format!("  {name:<24} {:>7}  newest {newest}\n", known.records));
    }
    let value = json!({
        "path": path, "records": database.len(), "asOf": as_of, "ageDays": age,
        "ecosystems": database.ecosystems(), "sources": database.sources(),
    });
    (value, text)
}

/// How many days ago the data was current.
fn age(database: &Database, today: &str) -> Option<i32> {
    days_between(database.as_of()?, today)
}

fn days_between(then: &str, today: &str) -> Option<i32> {
    let day = |text: &str| text.get(..10)?.parse::<Date>().ok();
    Some(day(today)?.since(day(then)?).ok()?.get_days().max(0))
}

/// The ecosystems of the report of which the database has had nothing new for longer than `most` days, whatever else in it is newer.
fn behind(database: &Database, today: &str, report: &Report, most: i32) -> Vec<(String, i32)> {
    let used: BTreeSet<&str> =
        report.inventory.packages.iter().map(|package| package.ecosystem.as_str()).collect();
    let known = database.ecosystems().iter().filter(|(name, _)| used.contains(name.as_str()));
    // Some databases put no day on their records, but the beginning of time.
    let dated = known.filter(|(_, known)| known.newest.as_str() >= "2000");
    dated
        .filter_map(|(name, known)| Some((name.clone(), days_between(&known.newest, today)?)))
        .filter(|(_, age)| *age > most)
        .collect()
}

/// What old advisories mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staleness {
    max_age: i32,
    fails: bool,
}

impl Default for Staleness {
    fn default() -> Self {
        Self { max_age: DEFAULT_MAX_AGE_DAYS, fails: false }
    }
}

impl Staleness {
    pub(crate) fn of(settings: &project::Scan) -> Result<Self, Failure> {
        let max_age = match &settings.db_max_age {
            Some(text) => days(text).ok_or_else(|| {
                Failure::usage(format!("`db-max-age` in [scan]: `{text}` is no number of days like `7d`"))
            })?,
            None => DEFAULT_MAX_AGE_DAYS,
        };
        let fails = match settings.on_stale.as_deref() {
            None | Some("warn") => false,
            Some("fail") => true,
            Some(other) => {
                return Err(Failure::usage(format!("`on-stale` in [scan]: `{other}` is none of warn, fail")));
            }
        };
        Ok(Self { max_age, fails })
    }

    /// Says how old the advisories are; too old is a part that could not be judged, where the policy says so.
    pub(crate) fn check(self, database: &Database, today: &str, report: &mut Report) {
        for (ecosystem, age) in behind(database, today, report, self.max_age + LAG_DAYS) {
            let said = format!("the newest advisory of {ecosystem} is {age} days old");
            if self.fails { report.unjudged.push(said) } else { report.notes.push(said) }
        }
        let Some(age) = age(database, today) else { return };
        if age > self.max_age && self.fails {
            report
                .unjudged
                .push(format!("the advisories are {age} days old, and {} is the most", self.max_age));
        } else if age >= OLD_DAYS {
            report.notes.push(format!("advisories {age} days old (wharf db update)"));
        } else {
            report.notes.push(match age {
                0 => "advisories of today".to_owned(),
                1 => "advisories 1 day old".to_owned(),
                _ => format!("advisories {age} days old"),
            });
        }
    }
}

/// `7d`, `2w`, `7`.
fn days(text: &str) -> Option<i32> {
    let (number, factor) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    number.parse::<u16>().ok().map(|number| i32::from(number) * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_days_or_weeks() {
        assert_eq!((days("7d"), days("2w"), days("3")), (Some(7), Some(14), Some(3)));
        assert_eq!((days("soon"), days("-1d"), days("")), (None, None, None));
    }
}
