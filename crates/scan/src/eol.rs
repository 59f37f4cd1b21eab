//! Distributions that get no more security fixes: what is found in them stays, and what is not found is not
//! looked for any more.

use crate::findings::{Finding, Kind, Report, Severity};
use crate::inventory::Distribution;

/// The rule of such findings; the policy has a key of its own for it.
pub const EOL_RULE: &str = "distribution-eol";

/// The last day of security support that everyone gets, by `ID` and the beginning of `VERSION_ID`. Paid
/// support may go on for longer.
const ENDS: &[(&str, &str, &str)] = &[
    ("debian", "7", "2018-05-31"),
    ("debian", "8", "2020-06-30"),
    ("debian", "9", "2022-06-30"),
    ("debian", "10", "2024-06-30"),
    ("debian", "11", "2026-08-31"),
    ("debian", "12", "2028-06-30"),
    ("debian", "13", "2030-06-30"),
    ("ubuntu", "14.04", "2019-04-30"),
    ("ubuntu", "16.04", "2021-04-30"),
    ("ubuntu", "18.04", "2023-05-31"),
    ("ubuntu", "20.04", "2025-05-31"),
    ("ubuntu", "22.04", "2027-04-30"),
    ("ubuntu", "23.10", "2024-07-11"),
    ("ubuntu", "24.04", "2029-05-31"),
    ("ubuntu", "24.10", "2025-07-10"),
    ("ubuntu", "25.04", "2026-01-15"),
    ("alpine", "3.12", "2022-05-01"),
    ("alpine", "3.13", "2022-11-01"),
    ("alpine", "3.14", "2023-05-01"),
    ("alpine", "3.15", "2023-11-01"),
    ("alpine", "3.16", "2024-05-23"),
    ("alpine", "3.17", "2024-11-22"),
    ("alpine", "3.18", "2025-05-09"),
    ("alpine", "3.19", "2025-11-01"),
    ("alpine", "3.20", "2026-04-01"),
    ("alpine", "3.21", "2026-11-01"),
    ("alpine", "3.22", "2027-05-01"),
    ("centos", "6", "2020-11-30"),
    ("centos", "7", "2024-06-30"),
    ("centos", "8", "2021-12-31"),
    ("almalinux", "8", "2029-03-01"),
    ("almalinux", "9", "2032-05-31"),
    ("almalinux", "10", "2035-05-31"),
    ("rocky", "8", "2029-05-31"),
    ("rocky", "9", "2032-05-31"),
    ("rhel", "6", "2020-11-30"),
    ("rhel", "7", "2024-06-30"),
    ("rhel", "8", "2029-05-31"),
    ("rhel", "9", "2032-05-31"),
    ("opensuse-leap", "15.4", "2023-12-07"),
    ("opensuse-leap", "15.5", "2024-12-31"),
    ("opensuse-leap", "15.6", "2026-04-30"),
    ("fedora", "39", "2024-11-26"),
    ("fedora", "40", "2025-05-13"),
    ("fedora", "41", "2025-12-15"),
    ("fedora", "42", "2026-05-13"),
    ("amzn", "1", "2023-12-31"),
    ("amzn", "2", "2026-06-30"),
];

/// The last day of support of a release, if it is known.
fn end_of(distribution: &Distribution) -> Option<&'static str> {
    let is_release = |release: &str| {
        distribution
            .version
            .strip_prefix(release)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    ENDS.iter().find(|(id, release, _)| *id == distribution.id && is_release(release)).map(|(.., end)| *end)
}

/// Adds what `today` (`2026-01-31`) says of the report's distribution.
pub fn check(report: &mut Report, today: &str) {
    let Some(distribution) = &report.inventory.distribution else { return };
    let Some(end) = end_of(distribution).filter(|end| *end < today) else { return };
    let name = if distribution.name.is_empty() { &distribution.id } else { &distribution.name };
    let title = format!("{name} has had no security fixes since {end}");
    let mut finding = Finding::new(Kind::Config, EOL_RULE, Severity::High, "etc/os-release", title);
    finding.help = "Build on a release that is still supported. Vulnerabilities found after that day are neither fixed nor, \
        as a rule, recorded for this release, so an empty list means little."
        .into();
    report.findings.push(finding.sealed());
    report.sort();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(id: &str, version: &str, today: &str) -> usize {
        let mut report = Report::default();
        let text = |text: &str| text.to_owned();
        report.inventory.distribution =
            Some(Distribution { id: text(id), version: text(version), name: String::new() });
        check(&mut report, today);
        report.findings.len()
    }

    #[test]
    fn a_release_ends_on_its_day_and_not_before() {
        assert_eq!(rules("debian", "10", "2026-01-01"), 1);
        assert_eq!(rules("debian", "12", "2026-01-01"), 0);
        assert_eq!(rules("alpine", "3.18.4", "2025-05-09"), 0);
        assert_eq!(rules("alpine", "3.18.4", "2025-05-10"), 1);
        assert_eq!(rules("alpine", "3.1", "2026-01-01"), 0, "3.1 is not 3.18");
        assert_eq!(rules("unheard-of", "1", "2026-01-01"), 0);
    }
}
