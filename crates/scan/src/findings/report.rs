//! Everything one scan found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, Severity};
use crate::inventory::Inventory;
use crate::scan::Checks;

/// What was scanned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// As the user called it.
    pub name: String,
    /// The digest of the image, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<String>,
    /// The platform of the image, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub platform: Option<String>,
}

/// Everything one scan found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was scanned.
    pub subject: Subject,
    /// What was looked for.
    pub checks: Checks,
    /// What it consists of.
    pub inventory: Inventory,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// Why something that was asked for could not be judged; a report with any of these is no pass.
    pub unjudged: Vec<String>,
    /// What the reader should know of how this came about, such as the age of the database.
    pub notes: Vec<String>,
}

impl Report {
    /// How many findings there are of each severity.
    pub fn counts(&self) -> BTreeMap<Severity, usize> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.severity).or_default() += 1;
        }
        counts
    }

    /// Brings the findings into their order: worst first, then by what they are about, then by place.
    pub fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.kind, f.package.as_ref().map(|p| p.name.clone()));
            (b.severity.cmp(&a.severity)).then_with(|| key(a).cmp(&key(b))).then_with(|| {
                (&a.path, &a.member, &a.rule, &a.title).cmp(&(&b.path, &b.member, &b.rule, &b.title))
            })
        });
        self.findings.dedup_by(|a, b| a == b);
    }
}
