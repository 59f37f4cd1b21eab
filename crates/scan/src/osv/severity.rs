//! How bad a problem is, from what its records say: a CVSS vector before a word, and the word before nothing.

use serde_json::Value;

use crate::findings::Severity;

use super::Match;
use super::cvss;
use super::record::Score;

/// A severity and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rating {
    pub(crate) severity: Severity,
    pub(crate) score: Option<f64>,
    pub(crate) source: String,
}

impl Rating {
    /// What stands where no record has a rating: enough to be seen, not enough to stop a ship by default.
    fn unknown() -> Self {
        Self { severity: Severity::Medium, score: None, source: "none".into() }
    }
}

/// The rating of one problem: the worst of its records' ratings.
pub(crate) fn rate(problem: &[Match<'_>]) -> Rating {
    problem
        .iter()
        .filter_map(of_record)
        .max_by(|a, b| {
            a.severity.cmp(&b.severity).then(a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0)))
        })
        .unwrap_or_else(Rating::unknown)
}

fn of_record(found: &Match<'_>) -> Option<Rating> {
    let Match { record, affected, .. } = found;
    of_scores(&affected.severity)
        .or_else(|| of_scores(&record.severity))
        .or_else(|| of_words(affected.ecosystem_specific.as_ref()))
        .or_else(|| of_words(affected.database_specific.as_ref()))
        .or_else(|| of_words(record.database_specific.as_ref()))
        .or_else(|| of_summary(record.summary.as_deref()?))
}

/// CVSS 3 is what most readers compare by; 4 and then 2 where there is none.
fn of_scores(scores: &[Score]) -> Option<Rating> {
    let of = |kind: &str, name: &str, score: fn(&str) -> Option<f64>| {
        let vector = scores.iter().find(|s| s.kind == kind)?.score.as_str();
        let value = score(vector)?;
        Some(Rating { severity: Severity::of_score(value), score: Some(value), source: name.into() })
    };
    of("CVSS_V3", "CVSS:3", cvss::three)
        .or_else(|| of("CVSS_V4", "CVSS:4", cvss::four))
        .or_else(|| of("CVSS_V2", "CVSS:2", cvss::two))
        .or_else(|| {
            scores.iter().find_map(|s| {
                let severity = Severity::of_word(&s.score)?;
                Some(Rating { severity, score: None, source: s.kind.clone() })
            })
        })
}

/// A word under one of the keys that databases use.
fn of_words(specific: Option<&Value>) -> Option<Rating> {
    let specific = specific?;
    ["severity", "urgency"].iter().find_map(|key| {
        let severity = Severity::of_word(specific.get(key)?.as_str()?)?;
        let source = specific.get("severity_source").and_then(Value::as_str);
        Some(Rating { severity, score: None, source: source.unwrap_or(key).to_owned() })
    })
}

/// AlmaLinux and its kin put the word before the summary: `Important: firefox security update`.
fn of_summary(summary: &str) -> Option<Rating> {
    let severity = Severity::of_word(summary.split_once(':')?.0)?;
    Some(Rating { severity, score: None, source: "summary".into() })
}
