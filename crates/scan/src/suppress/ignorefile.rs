//! `.wharfignore`, and Trivy's two ignore files.
//!
//! One answer a line: `ID [exp:DATE] [pkg:PURL|NAME] [path:GLOB] # reason`. The ID is an advisory's or a rule's, `*` for any. The
//! reason may also stand in the comment above, and in wharf's own file it must stand somewhere: who reads the line a year later has
//! nothing else to go by. Trivy's own lines are a part of that, and need none.

use serde::Deserialize;

use super::{Statement, SuppressError, day};

/// The answers of a file with one a line.
pub(super) fn lines(name: &str, text: &str) -> Result<Vec<Statement>, SuppressError> {
    let mut statements = Vec::new();
    let mut remark = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let place = format!("{name}:{}", number + 1);
        if let Some(comment) = line.strip_prefix('#') {
            remark = comment.trim().to_owned();
        } else if line.is_empty() {
            remark.clear();
        } else {
            let statement = statement(line, &remark, place)?;
            if wants_reasons(name) && statement.reason.is_empty() {
                let why = format!("it has no reason; say why: `{line} # why this may stay`");
                return Err(SuppressError::new(statement.place, why));
            }
            statements.push(statement);
        }
    }
    Ok(statements)
}

/// Whether a file is wharf's own, by its name.
fn wants_reasons(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|name| name.ends_with("wharfignore"))
}

fn statement(line: &str, remark: &str, place: String) -> Result<Statement, SuppressError> {
    let (words, reason) = match line.split_once('#') {
        Some((words, reason)) => (words, reason.trim()),
        None => (line, remark),
    };
    let mut statement = Statement { reason: reason.to_owned(), ..Statement::default() };
    for word in words.split_whitespace() {
        match word.split_once(':') {
            Some(("exp" | "until" | "expires", text)) => {
                let until = day(text).ok_or_else(|| {
                    SuppressError::new(&place, format!("`{text}` is no day like 2026-12-31"))
                })?;
                statement.until = Some(until);
            }
            Some(("path", pattern)) => statement.paths.push(pattern.to_owned()),
            // A package URL begins with the key.
            Some(("pkg", rest)) if rest.contains('/') => statement.packages.push(format!("pkg:{rest}")),
            Some(("pkg", name)) => statement.packages.push(name.to_owned()),
            _ if word == "*" => {}
            _ => statement.ids.push(word.to_owned()),
        }
    }
    if statement.ids.len() > 1 {
        return Err(SuppressError::new(
            place,
            format!(
                "`{}` is neither exp:, pkg: nor path:, and one line answers for one ID",
                statement.ids[1]
            ),
        ));
    }
    if statement.ids.is_empty() && statement.packages.is_empty() && statement.paths.is_empty() {
        return Err(SuppressError::new(place, "a line that covers everything is not an answer"));
    }
    statement.place = place;
    Ok(statement)
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    vulnerabilities: Vec<Entry>,
    #[serde(default)]
    misconfigurations: Vec<Entry>,
    #[serde(default)]
    secrets: Vec<Entry>,
    #[serde(default)]
    licenses: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    purls: Vec<String>,
    expired_at: Option<String>,
    #[serde(default)]
    statement: String,
}

/// The answers of `.trivyignore.yaml`.
pub(super) fn yaml(name: &str, text: &str) -> Result<Vec<Statement>, SuppressError> {
    let document: Document = serde_saphyr::from_str(text).map_err(|error| SuppressError::new(name, error))?;
    let Document { vulnerabilities, misconfigurations, secrets, licenses } = document;
    let entries = vulnerabilities.into_iter().chain(misconfigurations).chain(secrets).chain(licenses);
    entries
        .map(|entry| {
            let until = match &entry.expired_at {
                Some(text) => Some(day(text).ok_or_else(|| {
                    SuppressError::new(name, format!("`{text}` is no day like 2026-12-31"))
                })?),
                None => None,
            };
            Ok(Statement {
                place: format!("{name} ({})", entry.id),
                ids: vec![entry.id],
                packages: entry.purls,
                paths: entry.paths,
                reason: entry.statement,
                until,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_both_tools_are_read() {
        let found = lines(
            "i",
            "# accepted by the team\nCVE-2018-14618\n\nCVE-2 exp:2026-01-31 pkg:pypi/numpy@1.0 # not called\npickle-import path:models/*.pkl # ours\n* pkg:linux # not the kernel that runs\n",
        )
        .unwrap();
        assert_eq!(found[0].reason, "accepted by the team");
        assert_eq!(found[1].until.as_deref(), Some("2026-01-31"));
        assert_eq!(found[1].packages, ["pkg:pypi/numpy@1.0"]);
        assert_eq!((found[2].paths[0].as_str(), found[2].place.as_str()), ("models/*.pkl", "i:5"));
        assert_eq!((found[3].ids.len(), found[3].packages[0].as_str()), (0, "linux"));
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, what) in [
            ("\nCVE-1 exp:soon # x\n", "`soon`"),
            ("\nCVE-1 CVE-2\n", "`CVE-2`"),
            ("\n* # all\n", "everything"),
        ] {
            let error = lines("i", text).unwrap_err().to_string();
            assert!(error.starts_with("i:2: ") && error.contains(what), "{error}");
        }
    }

    #[test]
    fn wharfs_own_lines_have_a_reason() {
        let error =
            lines("a/.wharfignore", "# ours\nCVE-1\n\nCVE-2 exp:2026-12-31\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "a/.wharfignore:4: it has no reason; say why: `CVE-2 exp:2026-12-31 # why this may stay`"
        );
        assert_eq!(lines(".trivyignore", "CVE-1\n").unwrap().len(), 1);
    }

    #[test]
    fn the_yaml_form_is_read() {
        let text = "vulnerabilities:\n  - id: CVE-1\n    paths: [usr/bin/x]\n    expired_at: 2026-05-01\n    statement: no\nsecrets:\n  - id: aws-key\n";
        let found = yaml("i.yaml", text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].until.as_deref(), Some("2026-05-01"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,80}") {
            let _ = lines("i", &text);
            let _ = yaml("i", &text);
        }
    }
}
