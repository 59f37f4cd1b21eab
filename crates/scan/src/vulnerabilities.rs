//! The packages of an image against the database: findings, and what could not be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::findings::{Advisory, Finding, Kind};
use crate::inventory::{FOREIGN, Inventory, Package};
use crate::osv::{self, Database, Match};
use crate::version::Scheme;

/// What matching a whole inventory gives.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    pub(crate) findings: Vec<Finding>,
    /// Why some of it could not be judged.
    pub(crate) unjudged: Vec<String>,
    /// Counts and dates worth showing.
    pub(crate) notes: Vec<String>,
}

/// Matches every package against the database.
pub(crate) fn find(inventory: &Inventory, database: &Database) -> Matched {
    let mut matched = Matched { unjudged: unjudged(inventory, database), ..Matched::default() };
    if let Some(as_of) = database.as_of() {
        let date = as_of.split('T').next().unwrap_or(as_of);
        let noun = if database.len() == 1 { "advisory" } else { "advisories" };
        matched.notes.push(format!("{} {noun} as of {date}", database.len()));
    }
    matched.notes.extend(uncovered(inventory, database));
    let advised = inventory.packages.iter().map(|package| (package.ecosystem.as_str(), package.advised().0));
    let part = match database.about_packages(advised) {
        Ok(part) => part,
        Err(error) => {
            matched.unjudged.push(error.to_string());
            return matched;
        }
    };
    let database = part.as_ref().unwrap_or(database);
    for packages in by_advised(inventory).into_values() {
        let package = packages[0];
        let (name, version) = package.advised();
        let matches = database.matches(&package.ecosystem, name, version);
        for problem in osv::fold(database, &matches) {
            matched.findings.push(finding(database, &packages, &problem));
        }
    }
    matched
}

/// Packages that one advisory is about together: those built from one source, where a distribution builds
/// them, else each on its own.
fn by_advised(inventory: &Inventory) -> BTreeMap<(&str, &str, &str, &str), Vec<&Package>> {
    let mut groups: BTreeMap<_, Vec<&Package>> = BTreeMap::new();
    for package in &inventory.packages {
        let (name, version) = package.advised();
        groups
            .entry((package.ecosystem.as_str(), name, version, package.path.as_str()))
            .or_default()
            .push(package);
    }
    groups
}

fn unjudged(inventory: &Inventory, database: &Database) -> Vec<String> {
    let mut unjudged: Vec<String> =
        inventory.damaged.iter().map(|(path, damage)| format!("{path} is damaged: {damage}")).collect();
    if inventory.packages.is_empty() {
        unjudged.push("no package database and no package metadata was recognised".into());
        return unjudged;
    }
    if database.is_empty() {
        unjudged.push(format!("there are no advisories to judge {} by", packages(inventory.packages.len())));
        return unjudged;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for package in inventory.packages.iter().filter(|package| !is_hearsay(package)) {
        *counts.entry(package.ecosystem.as_str()).or_default() += 1;
    }
    let reason = |(ecosystem, count): (&str, usize)| {
        if ecosystem == "unknown" {
            let name = inventory.distribution.as_ref().map_or("an unknown distribution", |d| d.name.as_str());
            Some(format!("there is no advisory database for {name} ({})", packages(count)))
        } else if UNCOVERED.contains(&ecosystem) && !database.knows(ecosystem) {
            None
        } else if Scheme::of(ecosystem).is_none() || !database.knows(ecosystem) {
            // Exports are of all releases of a distribution.
            let export = ecosystem.split(':').next().unwrap_or(ecosystem);
            let count = packages(count);
            Some(format!("the advisories say nothing of {ecosystem} ({count}; wharf db update '{export}')"))
        } else {
            None
        }
    };
    unjudged.extend(counts.into_iter().filter_map(reason));
    unjudged
}

fn packages(count: usize) -> String {
    if count == 1 { "1 package".to_owned() } else { format!("{count} packages") }
}

/// Systems of which no public database says anything by name, so that packages of theirs are listed and not judged.
const UNCOVERED: [&str; 4] = ["conda", "CPython", "Bitnami", FOREIGN];

/// Packages that only an SBOM in the image speaks of: parts of parts, such as the crates of a Python wheel.
pub(crate) fn is_hearsay(package: &Package) -> bool {
    let (directory, name) = package.path.rsplit_once('/').unwrap_or(("", &package.path));
    crate::inventory::is_sbom(directory, name)
}

/// What is listed and neither judged nor a reason to stop.
fn uncovered(inventory: &Inventory, database: &Database) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let is_minor =
        |package: &&Package| UNCOVERED.contains(&package.ecosystem.as_str()) || is_hearsay(package);
    for package in inventory.packages.iter().filter(is_minor) {
        *counts.entry(package.ecosystem.as_str()).or_default() += 1;
    }
    counts
        .into_iter()
        .filter(|(ecosystem, _)| !database.is_empty() && !database.knows(ecosystem))
        .map(|(ecosystem, count)| match ecosystem {
            FOREIGN => {
                format!(
                    "{count} not from the distribution, and not judged by its advisories: {}",
                    foreign(inventory)
                )
            }
            _ => format!("{count} of {ecosystem} not judged, as the advisories do not cover it"),
        })
        .collect()
}

/// The names of a few packages that do not come from the distribution.
fn foreign(inventory: &Inventory) -> String {
    let names: BTreeSet<&str> = inventory
        .packages
        .iter()
        .filter(|package| package.ecosystem == FOREIGN)
        .map(|package| package.name.as_str())
        .collect();
    let mut text = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 5 {
        text.push_str(", …");
    }
    text
}

fn finding(database: &Database, packages: &[&Package], problem: &[Match<'_>]) -> Finding {
    let package = packages[0];
    let (name, version) = package.advised();
    let rule = osv::display_id(database, problem);
    let rating = osv::rate(problem);
    let fixed = fixed(package, problem);
    let summary =
        problem.iter().map(|found| found.record.title()).find(|title| !title.is_empty()).unwrap_or_default();
    let title =
        format!("{name} {version}: {}", if summary.is_empty() { rule.as_str() } else { summary.as_str() });
    let mut ids: Vec<String> = problem.iter().map(|found| found.record.id.clone()).collect();
    ids.extend(problem.iter().flat_map(|found| found.record.names()).map(str::to_owned));
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    let url = problem.iter().find_map(|found| found.record.url()).map(str::to_owned);
    let mut finding = Finding::new(Kind::Vulnerability, &rule, rating.severity, &package.path, title);
    finding.help = help(packages, problem, &rule, fixed.as_deref());
    finding.package = Some((*package).clone());
    finding.advisory =
        Some(Advisory { ids, fixed, score: rating.score, severity_source: rating.source, url });
    finding.sealed()
}

/// The version to go to: the highest of the versions that the records ask for, as one that leaves a record
/// unfixed fixes nothing.
fn fixed(package: &Package, problem: &[Match<'_>]) -> Option<String> {
    let scheme = Scheme::of(&package.ecosystem)?;
    let (_, version) = package.advised();
    problem
        .iter()
        .filter_map(|found| osv::next_fix(found.affected, scheme, version))
        .max_by(|a, b| scheme.compare(a, b).unwrap_or(std::cmp::Ordering::Equal))
}

fn help(packages: &[&Package], problem: &[Match<'_>], rule: &str, fixed: Option<&str>) -> String {
    let (name, version) = packages[0].advised();
    let mut text = format!("**{rule}** in `{name}` {version}");
    if packages.iter().any(|package| package.name != name) {
        let names: Vec<String> = packages.iter().map(|package| format!("`{}`", package.name)).collect();
        let _ = write!(text, " (installed: {})", names.join(", "));
    }
    text.push_str(".\n\n");
    match fixed {
        Some(fixed) => drop(writeln!(text, "Fixed in {fixed}.\n")),
        None => text.push_str("There is no fixed version yet.\n\n"),
    }
    for found in problem {
        if let Some(details) = found.record.details.as_deref().filter(|d| !d.trim().is_empty()) {
            text.push_str(details.chars().take(1500).collect::<String>().trim());
            text.push_str("\n\n");
            break;
        }
    }
    let ids: Vec<&str> = problem.iter().map(|found| found.record.id.as_str()).collect();
    let _ = write!(text, "Records: {}.", ids.join(", "));
    let several: BTreeSet<&str> =
        problem.iter().filter(|f| f.record.is_bundle()).flat_map(|f| f.record.problems()).collect();
    if !several.is_empty() {
        let several: Vec<&str> = several.into_iter().collect();
        let _ = write!(text, " About {}.", several.join(", "));
    }
    text
}
