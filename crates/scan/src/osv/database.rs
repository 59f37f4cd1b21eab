//! A set of OSV records by the packages that they are about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use crate::version::Scheme;

use super::Match;
use super::compact::{Compact, Summary};
use super::record::Record;
use super::source;

/// A set of OSV records: in memory, or in a file of which only what an image needs is read.
#[derive(Debug, Default)]
pub struct Database {
    records: Vec<Record>,
    /// Ecosystem and normalised name to record and entry.
    packages: HashMap<(String, String), Vec<(usize, usize)>>,
    /// For each record, the first record of the same problem.
    problems: Vec<usize>,
    /// For each record, a CVE by which its problem is known.
    cves: Vec<Option<String>>,
    /// Of all records, those that stayed in the file included.
    summary: Summary,
    file: Option<Compact>,
}

/// What a database knows of one ecosystem.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ecosystem {
    /// How many records are about it.
    pub records: usize,
    /// When the newest of them was last changed, RFC 3339.
    pub newest: String,
}

/// Why a database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file could not be read.
    #[error("reading advisories from `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A record could not be understood.
    #[error("`{member}` in `{path}` is no OSV record: {reason}")]
    Record {
        /// The database.
        path: PathBuf,
        /// The file in it.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no record in it.
    #[error("`{path}` has no OSV record in it")]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// It is a database in one file, but not one that can be used.
    #[error("the advisory database `{path}` cannot be used: {reason}")]
    Compact {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Database {
    /// Opens a database in one file ([`Database::write`]), or reads the records of a directory, a zip, a tar (plain or
    /// compressed), or a single file; JSON, YAML, or RustSec's Markdown.
    ///
    /// # Errors
    /// If it cannot be read, has a broken record, or has none.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        if let Some(file) = Compact::open(path)? {
            return Ok(Self { summary: file.summary().clone(), file: Some(file), ..Self::default() });
        }
        let records = source::read(path)?;
        if records.is_empty() {
            return Err(DatabaseError::Empty { path: path.to_owned() });
        }
        Ok(records.into_iter().collect())
    }

    /// All records, for another database to be made of them.
    ///
    /// # Errors
    /// If the file breaks off.
    pub fn into_records(self) -> Result<Vec<Record>, DatabaseError> {
        match self.file {
            Some(file) => file.all(),
            None => Ok(self.records),
        }
    }

    /// Writes it as one file, from which later only what an image needs is read.
    ///
    /// # Errors
    /// If it cannot be written, or is one that came from a file.
    pub fn write(&self, path: &Path) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Read { path: path.to_owned(), source };
        if self.file.is_some() {
            return Err(failed(io::Error::other("it is a file already")));
        }
        let entries = self.records.iter().enumerate().map(|(index, record)| super::compact::Entry {
            record: record.clone(),
            problem: self.problems[index] as u32,
            cve: self.cves[index].clone(),
        });
        super::compact::write(path, entries.collect(), self.summary.clone()).map_err(failed)
    }

    /// The part that is about these packages, each an ecosystem and a name; all of it where it is in memory anyway.
    ///
    /// # Errors
    /// If the file breaks off.
    pub(crate) fn about_packages<'a>(
        &self,
        packages: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, DatabaseError> {
        let Some(file) = &self.file else { return Ok(None) };
        let wanted = packages.filter_map(|(ecosystem, name)| {
            let scheme = Scheme::of(ecosystem)?;
            Some((ecosystem, scheme.normalize_name(name)))
        });
        let entries = file.about(wanted)?;
        let mut part = Self { summary: self.summary.clone(), ..Self::default() };
        let mut first: HashMap<u32, usize> = HashMap::new();
        for entry in entries {
            let index = part.records.len();
            part.problems.push(*first.entry(entry.problem).or_insert(index));
            part.cves.push(entry.cve);
            part.records.push(entry.record);
        }
        part.packages = by_package(&part.records);
        Ok(Some(part))
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.summary.records
    }

    /// Whether there is nothing to judge by.
    pub fn is_empty(&self) -> bool {
        self.summary.records == 0
    }

    /// The time up to which its source was followed, or else when the newest record was last changed, RFC 3339.
    pub fn as_of(&self) -> Option<&str> {
        Some(self.summary.as_of.as_str()).filter(|as_of| !as_of.is_empty())
    }

    /// For each export that it was brought up to date with, how far that goes.
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.summary.sources
    }

    /// The same, knowing that it was brought up to date at `as_of`, and how far its sources go.
    pub fn followed(mut self, as_of: &str, sources: BTreeMap<String, String>) -> Self {
        self.summary.as_of = as_of.to_owned();
        self.summary.sources = sources;
        self
    }

    /// What it knows of each ecosystem.
    pub fn ecosystems(&self) -> &BTreeMap<String, Ecosystem> {
        &self.summary.ecosystems
    }

    /// Whether any record is about this ecosystem: without one, nothing can be said of its packages.
    pub fn knows(&self, ecosystem: &str) -> bool {
        self.summary.ecosystems.contains_key(ecosystem)
    }

    /// The entries about a package, by its normalised name.
    pub(super) fn about(&self, ecosystem: &str, name: &str) -> impl Iterator<Item = Match<'_>> {
        let key = (ecosystem.to_owned(), name.to_owned());
        self.packages.get(&key).into_iter().flatten().map(|&(index, entry)| {
            let record = &self.records[index];
            Match { record, affected: &record.affected[entry], index }
        })
    }

    /// The problem that a record is about, as the place of the first record about it.
    pub(super) fn problem(&self, index: usize) -> usize {
        self.problems[index]
    }

    /// A CVE by which the database knows the problem of a record.
    pub(super) fn cve_of_problem(&self, index: usize) -> Option<&str> {
        self.cves[index].as_deref()
    }
}

impl FromIterator<Record> for Database {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let records: Vec<Record> = records.into_iter().collect();
        let problems = problems(&records);
        let mut names: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); records.len()];
        for (record, problem) in records.iter().zip(&problems) {
            names[*problem].extend(record.names().filter(|name| name.starts_with("CVE-")));
        }
        let cves =
            problems.iter().map(|problem| names[*problem].first().map(|cve| (*cve).to_owned())).collect();
        let packages = by_package(&records);
        let as_of = records.iter().map(|r| r.modified.as_str()).max().unwrap_or_default().to_owned();
        let (count, ecosystems) = (records.len(), ecosystems(&records));
        let summary = Summary { as_of, records: count, ecosystems, sources: BTreeMap::new() };
        Self { packages, problems, cves, summary, records, file: None }
    }
}

fn by_package(records: &[Record]) -> HashMap<(String, String), Vec<(usize, usize)>> {
    let mut packages: HashMap<_, Vec<_>> = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        for (entry, affected) in record.affected.iter().enumerate() {
            packages
                .entry(match affected.key() {
                    Some(key) => key,
                    None => continue,
                })
                .or_default()
                .push((index, entry));
        }
    }
    packages
}

fn ecosystems(records: &[Record]) -> BTreeMap<String, Ecosystem> {
    let mut known: BTreeMap<String, Ecosystem> = BTreeMap::new();
    for record in records {
        let names: BTreeSet<String> = record
            .affected
            .iter()
            .filter_map(|affected| affected.key())
            .map(|(ecosystem, _)| ecosystem)
            .collect();
        for name in names {
            let ecosystem = known.entry(name).or_default();
            ecosystem.records += 1;
            if record.modified > ecosystem.newest {
                ecosystem.newest.clone_from(&record.modified);
            }
        }
    }
    known
}

/// Joins records that share an identifier, in one pass with path halving.
fn problems(records: &[Record]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..records.len()).collect();
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        for name in record.names() {
            let other = *first.entry(name).or_insert(index);
            let (a, b) = (root(&mut parents, index), root(&mut parents, other));
            parents[a.max(b)] = a.min(b);
        }
    }
    (0..records.len()).map(|index| root(&mut parents, index)).collect()
}

fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}
