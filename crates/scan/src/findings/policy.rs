//! From a report to a verdict.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Finding, Kind, Report, Severity};
use crate::eol::EOL_RULE;

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

/// From which severity on a finding of each kind fails; `None` never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Packages with published advisories.
    pub vulnerabilities: Option<Severity>,
    /// Model files.
    pub models: Option<Severity>,
    /// Credentials.
    pub secrets: Option<Severity>,
    /// Licences that are not wanted.
    pub licences: Option<Severity>,
    /// How the image is put together.
    pub config: Option<Severity>,
}

impl Default for Thresholds {
    /// Critical vulnerabilities, and all else from high: of the others there is no background noise that a
    /// threshold would have to keep out.
    fn default() -> Self {
        Self { vulnerabilities: Some(Severity::Critical), ..Self::all(Severity::High) }
    }
}

impl Thresholds {
    /// The same for all kinds.
    pub fn all(severity: Severity) -> Self {
        let one = Some(severity);
        Self { vulnerabilities: one, models: one, secrets: one, licences: one, config: one }
    }

    /// That of one kind.
    pub fn of(&self, kind: Kind) -> Option<Severity> {
        match kind {
            Kind::Vulnerability => self.vulnerabilities,
            Kind::Model => self.models,
            Kind::Secret => self.secrets,
            Kind::Licence => self.licences,
            Kind::Config => self.config,
        }
    }

    /// That of one kind, to be changed.
    pub fn of_mut(&mut self, kind: Kind) -> &mut Option<Severity> {
        match kind {
            Kind::Vulnerability => &mut self.vulnerabilities,
            Kind::Model => &mut self.models,
            Kind::Secret => &mut self.secrets,
            Kind::Licence => &mut self.licences,
            Kind::Config => &mut self.config,
        }
    }
}

/// What may stop a ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The least severity that fails, by kind.
    pub fail_on: Thresholds,
    /// What vulnerabilities without a fix do.
    pub unfixed: Unfixed,
    /// What a distribution does that gets no more fixes.
    pub eol: Unfixed,
}

impl Default for Policy {
    fn default() -> Self {
        Self { fail_on: Thresholds::default(), unfixed: Unfixed::Ignore, eol: Unfixed::Report }
    }
}

impl Policy {
    /// One threshold for all kinds.
    pub fn at(severity: Severity, unfixed: Unfixed) -> Self {
        Self { fail_on: Thresholds::all(severity), unfixed, ..Self::default() }
    }

    /// Whether this finding alone would stop a ship.
    pub fn stops(&self, finding: &Finding) -> bool {
        if finding.suppressed.is_some() {
            return false;
        }
        if finding.rule == EOL_RULE {
            return self.eol == Unfixed::Fail;
        }
        let reaches = self.fail_on.of(finding.kind).is_some_and(|least| finding.severity >= least);
        reaches && (self.unfixed == Unfixed::Fail || finding.is_fixable())
    }

    /// Whether this finding is listed, rather than only counted.
    pub fn lists(&self, finding: &Finding) -> bool {
        let wanted = match finding.rule.as_str() {
            EOL_RULE => self.eol != Unfixed::Ignore,
            _ => self.unfixed != Unfixed::Ignore || finding.is_fixable(),
        };
        wanted && finding.suppressed.is_none()
    }

    /// What follows from `report`. A finding that fails counts more than a part that could not be judged.
    pub fn judge(&self, report: &Report) -> Verdict {
        let stopping = report.findings.iter().filter(|f| self.stops(f)).count();
        let outcome = match stopping {
            0 if report.unjudged.is_empty() => Outcome::Pass,
            0 => Outcome::Unjudged,
            _ => Outcome::Fail,
        };
        let suppressed = report.findings.iter().filter(|f| f.suppressed.is_some()).count();
        let unlisted = report.findings.iter().filter(|f| !self.lists(f) && f.suppressed.is_none()).count();
        Verdict { outcome, stopping, unlisted, suppressed, unjudged: report.unjudged.clone() }
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
    /// How many findings somebody has answered for ([`Finding::suppressed`]).
    #[serde(default)]
    pub suppressed: usize,
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
