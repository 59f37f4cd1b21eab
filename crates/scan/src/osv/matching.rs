//! From a package to its advisories, and from several records of one problem to one.

use std::collections::{BTreeMap, BTreeSet};

use crate::version::Scheme;

use super::record::{Affected, Record};
use super::{Database, range};

/// A record that is about a package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match<'a> {
    pub(crate) record: &'a Record,
    pub(crate) affected: &'a Affected,
    /// Its place in the database.
    pub(crate) index: usize,
}

impl Database {
    /// The records that are about this version of a package.
    pub(crate) fn matches(&self, ecosystem: &str, name: &str, version: &str) -> Vec<Match<'_>> {
        let Some(scheme) = Scheme::of(ecosystem) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        self.about(ecosystem, &scheme.normalize_name(name))
            .filter(|found| found.record.withdrawn.is_none())
            .filter(|found| range::affects(found.affected, scheme, version))
            .filter(|found| seen.insert(found.index))
            .collect()
    }
}

/// Sorts the matches of one package by problem: records that share an identifier, directly or over other
/// records of the database, are about the same one. What announces fixes for several problems is one of its own, unless each of them
/// has a record here.
pub(crate) fn fold<'a>(database: &Database, matches: &[Match<'a>]) -> Vec<Vec<Match<'a>>> {
    let mut problems: BTreeMap<usize, Vec<Match<'a>>> = BTreeMap::new();
    let single = matches.iter().filter(|found| !found.record.is_bundle());
    let known: BTreeSet<&str> = single.flat_map(|found| found.record.names()).collect();
    let is_said =
        |record: &Record| record.is_bundle() && record.problems().all(|problem| known.contains(problem));
    for found in matches.iter().filter(|found| !is_said(found.record)) {
        problems.entry(database.problem(found.index)).or_default().push(*found);
    }
    problems.into_values().collect()
}

/// The identifier to show for a problem: a CVE that the matching records name, then one that the database
/// has for it, then the first record's own.
pub(crate) fn display_id(database: &Database, problem: &[Match<'_>]) -> String {
    let cve =
        |names: BTreeSet<&str>| names.into_iter().find(|name| name.starts_with("CVE-")).map(str::to_owned);
    cve(problem.iter().flat_map(|found| found.record.names()).collect())
        .or_else(|| problem.first().and_then(|found| database.cve_of_problem(found.index)).map(str::to_owned))
        .or_else(|| problem.iter().map(|found| found.record.id.clone()).min())
        .unwrap_or_default()
}
