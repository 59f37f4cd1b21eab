//! The forms of a report.

use wharf_scan::{Policy, Report, output};

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For code scanning
    Sarif,
    /// CycloneDX 1.6: the packages, and what is known against them
    Cyclonedx,
    /// SPDX 2.3: the packages
    #[value(alias = "spdx-json")]
    Spdx,
    /// For the test views of CI systems
    Junit,
    /// GitLab's container scanning report
    Gitlab,
    /// For a job summary
    #[value(alias = "md")]
    Markdown,
}

impl Format {
    /// The report in this form.
    pub(crate) fn render(self, report: &Report, policy: &Policy) -> String {
        let time = now();
        match self {
            Self::Table => output::table(report, policy),
            Self::Json => output::json(report, policy),
            Self::Sarif => output::sarif(report, policy),
            Self::Cyclonedx => output::cyclonedx(report, &time, true),
            Self::Spdx => output::spdx(report, &time),
            Self::Junit => output::junit(report, policy),
            Self::Gitlab => output::gitlab(report, policy, &time),
            Self::Markdown => output::markdown(report, policy),
        }
    }
}

/// The time to the second, as documents have it.
pub(crate) fn now() -> String {
    crate::world::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
