//! What an environment asks of a release: `[env.NAME]` of wharf.toml, read and judged. Pure.

use jiff::{SignedDuration, Timestamp};
use wharf_ledger::{Evidence, Standing};

use crate::exit::Failure;
use crate::settings::project::Environment;

/// The kinds of evidence that there are.
pub(crate) const KINDS: [&str; 7] =
    ["scan", "smoke", "sbom", "provenance", "signature", "staging", "approval"];
/// How old a scan may be where the project does not say: advisories are published every day.
const SCAN_MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What must speak for a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The kinds of evidence that must be there and pass.
    pub(crate) require: Vec<String>,
    /// How old a scan may be.
    pub(crate) scan_max_age: Option<SignedDuration>,
    /// The environment that a release must have been through.
    pub(crate) from: Option<String>,
}

impl Policy {
    /// The policy in the project's settings; without any, nothing is required.
    pub(crate) fn of(name: &str, environment: Option<&Environment>) -> Result<Self, Failure> {
        let Some(environment) = environment else { return Ok(Self::default()) };
        let mut require = environment.require.clone();
        if let Some(wrong) = require.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(Failure::usage(format!(
                "`require` in [env.{name}] asks for `{wrong}`, and there are: {}",
                KINDS.join(", ")
            )));
        }
        if environment.from.is_some() {
            require.push("staging".into());
        }
        if environment.approvals.is_some() {
            require.push("approval".into());
        }
        require.dedup();
        let age = environment.scan_max_age.as_deref().map(|text| {
            days(text).map_or_else(|| text.parse::<SignedDuration>(), Ok).map_err(|error| {
                Failure::usage(format!("`scan-max-age` in [env.{name}] is `{text}`: {error}"))
                    .hint("such as `7d` or `36h`")
            })
        });
        Ok(Self { require, scan_max_age: age.transpose()?, from: environment.from.clone() })
    }

    /// The oldest that a scan may be.
    pub(crate) fn oldest_scan(&self) -> SignedDuration {
        self.scan_max_age.unwrap_or(SCAN_MAX_AGE)
    }

    /// What stands against a promotion.
    pub(crate) fn objections<'a>(&self, evidence: &'a [Evidence]) -> Vec<&'a Evidence> {
        let required = |kind: &str| self.require.iter().any(|required| required == kind);
        evidence.iter().filter(|item| required(&item.kind) && item.verdict != Standing::Passed).collect()
    }
}

/// `7d`, `2w`: longer than hours a duration is not said by itself.
fn days(text: &str) -> Option<SignedDuration> {
    let (number, days) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d')?, 1),
    };
    let number: u16 = number.trim().parse().ok()?;
    Some(SignedDuration::from_hours(i64::from(number) * days * 24))
}

/// Whether `time` is at most `age` before `now`. A time that does not read, or lies more than a day ahead of a
/// clock that may be wrong, is not fresh.
pub(crate) fn is_fresh(time: &str, now: Timestamp, age: SignedDuration) -> bool {
    let Ok(time) = time.parse::<Timestamp>() else { return false };
    let past = now.duration_since(time);
    past <= age && past >= SignedDuration::from_hours(-24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, verdict: Standing) -> Evidence {
        Evidence { kind: kind.into(), verdict, digest: None, detail: String::new() }
    }

    #[test]
    fn what_is_required_must_pass_and_the_rest_may_be_missing() {
        let policy = Policy { require: vec!["scan".into(), "smoke".into()], ..Policy::default() };
        let evidence =
            [item("scan", Standing::Stale), item("smoke", Standing::Passed), item("sbom", Standing::Missing)];
        let kinds: Vec<&str> = policy.objections(&evidence).iter().map(|e| e.kind.as_str()).collect();
        assert_eq!(kinds, ["scan"]);
        assert!(Policy::default().objections(&evidence).is_empty());
    }

    #[test]
    fn an_age_is_said_in_weeks_days_or_hours() {
        let of = |text: &str| {
            let environment = Environment { scan_max_age: Some(text.into()), ..Environment::default() };
            Policy::of("prod", Some(&environment)).ok().map(|policy| policy.oldest_scan().as_hours())
        };
        assert_eq!((of("7d"), of("2w"), of("36h"), of("soon")), (Some(168), Some(336), Some(36), None));
    }

    #[test]
    fn a_scan_from_the_future_is_not_fresh_and_a_clock_an_hour_off_is() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let week = SignedDuration::from_hours(7 * 24);
        assert!(is_fresh("2026-01-01T03:04:05Z", now, week));
        assert!(is_fresh("2026-01-02T04:04:05Z", now, week));
        assert!(!is_fresh("2025-12-01T00:00:00Z", now, week));
        assert!(!is_fresh("2027-01-01T00:00:00Z", now, week));
        assert!(!is_fresh("yesterday", now, week));
    }
}
