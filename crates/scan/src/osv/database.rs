//! A set of OSV records by the packages that they are about.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use crate::version::Scheme;

use super::Match;
use super::record::Record;
use super::source;

/// A set of OSV records.
#[derive(Debug, Default)]
pub struct Database {
    records: Vec<Record>,
    /// Ecosystem and normalised name to record and entry.
    packages: HashMap<(String, String), Vec<(usize, usize)>>,
    /// For each record, the first record of the same problem.
    problems: Vec<usize>,
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
}

impl Database {
    /// Reads the records of a directory, a zip, a tar (plain or compressed), or a single file; JSON or YAML.
    ///
    /// # Errors
    /// If it cannot be read, has a broken record, or has none.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let records = source::read(path)?;
        if records.is_empty() {
            return Err(DatabaseError::Empty { path: path.to_owned() });
        }
        Ok(records.into_iter().collect())
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is nothing to judge by.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// When the newest record was last changed, RFC 3339.
    pub fn as_of(&self) -> Option<&str> {
        self.records.iter().map(|r| r.modified.as_str()).filter(|m| !m.is_empty()).max()
    }

    /// Whether any record is about this ecosystem: without one, nothing can be said of its packages.
    pub fn knows(&self, ecosystem: &str) -> bool {
        self.packages.keys().any(|(known, _)| known == ecosystem)
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

    /// Every identifier that the database has for the problem of a record.
    pub(super) fn names_of_problem(&self, index: usize) -> BTreeSet<&str> {
        let same = |(other, _): &(usize, &Record)| self.problems[*other] == self.problems[index];
        self.records.iter().enumerate().filter(same).flat_map(|(_, record)| record.names()).collect()
    }
}

impl FromIterator<Record> for Database {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let records: Vec<Record> = records.into_iter().collect();
        let mut packages: HashMap<_, Vec<_>> = HashMap::new();
        for (index, record) in records.iter().enumerate() {
            for (entry, affected) in record.affected.iter().enumerate() {
                let Some(package) = &affected.package else { continue };
                let Some(scheme) = Scheme::of(&package.ecosystem) else { continue };
                let key = (package.ecosystem.clone(), scheme.normalize_name(&package.name));
                packages.entry(key).or_default().push((index, entry));
            }
        }
        let problems = problems(&records);
        Self { records, packages, problems }
    }
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
