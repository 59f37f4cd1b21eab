//! From a report to a verdict.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Finding, Kind, Report, Severity};

/// What a vulnerability without a fix does to the verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unfixed {
    /// It is counted, and neither listed nor judged.
    #[default]
    Ignore,
    /// It is listed, and not judged.
    Report,
    /// It is judged like any other.
    Fail,
}

impl FromStr for Unfixed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ignore" => Ok(Self::Ignore),
            "report" => Ok(Self::Report),
            "fail" => Ok(Self::Fail),
            other => Err(format!("`{other}` is none of ignore, report, fail")),
        }
    }
}

/// What may stop a ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The least severity of a vulnerability that fails.
    pub vulnerabilities: Severity,
    /// The least severity of everything else that fails.
    pub others: Severity,
    /// What vulnerabilities without a fix do.
    pub unfixed: Unfixed,
}

impl Default for Policy {
    /// Critical vulnerabilities that have a fix, and model files and secrets from high: of those there is
    /// no background noise that a threshold would have to keep out.
    fn default() -> Self {
        Self { vulnerabilities: Severity::Critical, others: Severity::High, unfixed: Unfixed::default() }
    }
}

impl Policy {
    /// One threshold for all kinds.
    pub fn at(severity: Severity, unfixed: Unfixed) -> Self {
        Self { vulnerabilities: severity, others: severity, unfixed }
    }

    /// Whether this finding alone would stop a ship.
    pub fn stops(&self, finding: &Finding) -> bool {
        let threshold = if finding.kind == Kind::Vulnerability { self.vulnerabilities } else { self.others };
        finding.severity >= threshold && (self.unfixed == Unfixed::Fail || finding.is_fixable())
    }

    /// Whether this finding is listed, rather than only counted.
    pub fn lists(&self, finding: &Finding) -> bool {
        self.unfixed != Unfixed::Ignore || finding.is_fixable()
    }

    /// What follows from `report`. A finding that fails counts more than a part that could not be judged.
    pub fn judge(&self, report: &Report) -> Verdict {
        let stopping = report.findings.iter().filter(|f| self.stops(f)).count();
        let outcome = match stopping {
            0 if report.unjudged.is_empty() => Outcome::Pass,
            0 => Outcome::Unjudged,
            _ => Outcome::Fail,
        };
        let unlisted = report.findings.iter().filter(|f| !self.lists(f)).count();
        Verdict { outcome, stopping, unlisted, unjudged: report.unjudged.clone() }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing stands against it.
    Pass,
    /// A gate says no.
    Fail,
    /// There is not enough to go by.
    Unjudged,
}

/// What follows from a report under a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// How many findings reach the threshold.
    pub stopping: usize,
    /// How many findings are counted and not listed, as they have no fix.
    pub unlisted: usize,
    /// Why something could not be judged.
    pub unjudged: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Advisory;

    fn vulnerability(severity: Severity, fixed: Option<&str>) -> Finding {
        let mut finding = Finding::new(Kind::Vulnerability, "CVE-2024-1", severity, "a", "x");
        finding.advisory = Some(Advisory {
            ids: vec![],
            fixed: fixed.map(Into::into),
            score: None,
            severity_source: "none".into(),
            url: None,
        });
        finding
    }

    fn outcome(policy: Policy, findings: Vec<Finding>, unjudged: &[&str]) -> Outcome {
        let unjudged = unjudged.iter().map(|&s| s.to_owned()).collect();
        policy.judge(&Report { findings, unjudged, ..Report::default() }).outcome
    }

    #[test]
    fn a_fix_decides_unless_the_policy_says_otherwise() {
        let unfixed = vec![vulnerability(Severity::Critical, None)];
        assert_eq!(outcome(Policy::default(), unfixed.clone(), &[]), Outcome::Pass);
        let strict = Policy { unfixed: Unfixed::Fail, ..Policy::default() };
        assert_eq!(outcome(strict, unfixed, &[]), Outcome::Fail);
        assert_eq!(
            outcome(Policy::default(), vec![vulnerability(Severity::Critical, Some("2"))], &[]),
            Outcome::Fail
        );
        assert_eq!(
            outcome(Policy::default(), vec![vulnerability(Severity::High, Some("2"))], &[]),
            Outcome::Pass
        );
    }

    #[test]
    fn what_could_not_be_judged_is_no_pass_and_no_excuse() {
        assert_eq!(outcome(Policy::default(), vec![], &["no advisories"]), Outcome::Unjudged);
        let model = Finding::new(Kind::Model, "pickle-import", Severity::High, "m.pkl", "x");
        assert_eq!(outcome(Policy::default(), vec![model], &["no advisories"]), Outcome::Fail);
    }
}
