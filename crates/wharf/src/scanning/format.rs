//! The forms of a report.

use wharf_scan::{Policy, Report, output};

use crate::settings::host::variable;

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
    /// A page that stands alone
    Html,
    /// A snapshot of the packages for GitHub's dependency graph
    Github,
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
            Self::Html => output::html(report, policy),
            Self::Github => output::github(report, &job(), &time),
        }
    }
}

/// The job that this is, as GitHub's variables say it.
fn job() -> output::Job {
    let of = |name: &str| variable(name).unwrap_or_default();
    output::Job {
        sha: of("GITHUB_SHA"),
        git_ref: of("GITHUB_REF"),
        correlator: [of("GITHUB_WORKFLOW"), of("GITHUB_JOB")].join("_"),
        id: of("GITHUB_RUN_ID"),
    }
}

/// The time to the second, as documents have it.
pub(crate) fn now() -> String {
    crate::world::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
