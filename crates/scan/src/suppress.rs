//! Findings that somebody has answered for: ignore files and VEX documents.
//!
//! A suppressed finding stays in the report with the reason; it is counted, and neither listed nor judged. One whose
//! time is over suppresses nothing, and says so.

mod glob;
mod ignorefile;
mod purl;
mod vex;

use std::path::Path;

pub(crate) use glob::segment_matches;

use crate::findings::{Finding, Report, Suppression};

/// Why an ignore file or a VEX document could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SuppressError {
    place: String,
    reason: String,
}

impl SuppressError {
    fn new(place: impl Into<String>, reason: impl ToString) -> Self {
        Self { place: place.into(), reason: reason.to_string() }
    }
}

/// What is not to be acted on.
#[derive(Debug, Clone, Default)]
pub struct Suppressions {
    statements: Vec<Statement>,
}

/// One answer: all of its conditions must hold.
#[derive(Debug, Clone, Default)]
struct Statement {
    /// Rules or advisories, any of them; empty for all.
    ids: Vec<String>,
    /// Package URLs or names of packages, any of them; empty for all.
    packages: Vec<String>,
    /// Patterns for paths, any of them; empty for all.
    paths: Vec<String>,
    reason: String,
    /// The last day, `2026-12-31`.
    until: Option<String>,
    /// File and line, or document and statement.
    place: String,
}

impl Suppressions {
    /// Adds what an ignore file says: `.wharfignore`, `.trivyignore` or `.trivyignore.yaml`, told by the name.
    ///
    /// # Errors
    /// If a line cannot be understood.
    pub fn add_ignore_file(&mut self, path: &Path, text: &str) -> Result<(), SuppressError> {
        let name = path.display().to_string();
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        self.statements.extend(match is_yaml {
            true => ignorefile::yaml(&name, text)?,
            false => ignorefile::lines(&name, text)?,
        });
        Ok(())
    }

    /// Adds what a VEX document says, OpenVEX, CSAF or CycloneDX. `image` is the digest of the image that is judged, as documents
    /// may be about one image only.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn add_vex(&mut self, path: &Path, text: &str, image: Option<&str>) -> Result<(), SuppressError> {
        self.statements.extend(vex::read(&path.display().to_string(), text, image)?);
        Ok(())
    }

    /// Marks the findings that are answered for on `today`, and notes the answers whose time is over.
    pub fn apply(&self, report: &mut Report, today: &str) {
        for finding in &mut report.findings {
            let answer = self.statements.iter().find(|s| s.is_current(today) && s.covers(finding));
            finding.suppressed = answer.map(|statement| Suppression {
                by: statement.place.clone(),
                reason: statement.reason.clone(),
                until: statement.until.clone(),
            });
        }
        for statement in self.statements.iter().filter(|statement| !statement.is_current(today)) {
            let until = statement.until.as_deref().unwrap_or_default();
            report.notes.push(format!(
                "{}: the answer for {} ended on {until} and no longer counts",
                statement.place,
                statement.ids.first().map_or("all findings", String::as_str)
            ));
        }
    }
}

impl Statement {
    fn is_current(&self, today: &str) -> bool {
        self.until.as_deref().is_none_or(|until| until >= today)
    }

    fn covers(&self, finding: &Finding) -> bool {
        let advisory = finding.advisory.iter().flat_map(|advisory| &advisory.ids);
        let names: Vec<&str> = advisory.map(String::as_str).chain([finding.rule.as_str()]).collect();
        let by_id = self.ids.is_empty()
            || self.ids.iter().any(|id| names.iter().any(|name| name.eq_ignore_ascii_case(id)));
        let by_package = self.packages.is_empty()
            || finding
                .package
                .as_ref()
                .is_some_and(|package| self.packages.iter().any(|wanted| purl::covers(wanted, package)));
        let by_path = self.paths.is_empty() || self.paths.iter().any(|p| glob::matches(p, &finding.path));
        by_id && by_package && by_path
    }
}

/// Whether this is a day, `2026-01-31`, as it may be compared as text; what follows a day is dropped.
fn day(text: &str) -> Option<String> {
    let day = text.get(..10)?;
    let shape = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let rest = &text[10..];
    let number = |range: std::ops::Range<usize>| day[range].parse::<u8>().unwrap_or(0);
    let exists = shape && (1..=12).contains(&number(5..7)) && (1..=31).contains(&number(8..10));
    (exists && (rest.is_empty() || rest.starts_with(['T', ' ']))).then(|| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Advisory, Kind, Severity};

    fn finding() -> Finding {
        let mut finding =
            Finding::new(Kind::Vulnerability, "CVE-2024-1", Severity::High, "opt/a/METADATA", "x");
        finding.advisory = Some(Advisory {
            ids: vec!["PYSEC-2024-9".into(), "CVE-2024-1".into()],
            fixed: None,
            score: None,
            severity_source: "none".into(),
            url: None,
        });
        finding
    }

    fn suppressed(text: &str) -> (Option<Suppression>, Vec<String>) {
        let mut suppressions = Suppressions::default();
        suppressions.add_ignore_file(Path::new(".wharfignore"), text).unwrap();
        let mut report = Report { findings: vec![finding()], ..Report::default() };
        suppressions.apply(&mut report, "2026-01-02");
        (report.findings[0].suppressed.clone(), report.notes)
    }

    #[test]
    fn any_name_of_the_problem_will_do() {
        let (answer, notes) = suppressed("pysec-2024-9 exp:2026-01-02 # not reachable\n");
        assert_eq!(answer.unwrap().reason, "not reachable");
        assert!(notes.is_empty());
    }

    #[test]
    fn an_answer_ends_and_says_so() {
        let (answer, notes) = suppressed("CVE-2024-1 exp:2026-01-01 # soon\n");
        assert_eq!(answer, None);
        assert!(notes[0].contains(".wharfignore:1") && notes[0].contains("2026-01-01"), "{notes:?}");
    }

    #[test]
    fn all_conditions_must_hold() {
        assert!(suppressed("CVE-2024-1 path:opt/** # x\n").0.is_some());
        assert!(suppressed("CVE-2024-1 path:usr/** # x\n").0.is_none());
        assert!(suppressed("CVE-2024-2 path:opt/** # x\n").0.is_none());
    }

    #[test]
    fn days_are_days() {
        assert_eq!(day("2026-01-31T00:00:00Z").as_deref(), Some("2026-01-31"));
        for bad in ["2026-1-31", "tomorrow", "2026-01-31x", "2026-13-01", "2026-01-00", ""] {
            assert_eq!(day(bad), None);
        }
    }
}
