//! Model files that do harm and ones that do not, made by `fixtures/make.py`: every file is judged rightly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::path::{Path, PathBuf};

use wharf_scan::{Checks, Database, Options, Report, Severity};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

fn scan(directory: &Path) -> Report {
    let options = Options { checks: Checks { models: true, ..Checks::NONE }, ..Options::default() };
    wharf_scan::directory(directory, &options, &Database::default()).unwrap()
}

fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(directory).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_harmful_file_is_found() {
    let directory = corpus().join("bad");
    let report = scan(&directory);
    let missed: Vec<String> = files(&directory)
        .into_iter()
        .filter(|file| !report.findings.iter().any(|f| f.path == *file && f.severity >= Severity::High))
        .collect();
    assert!(missed.is_empty(), "missed {}: {missed:#?}", missed.len());
}

#[test]
fn no_harmless_file_alarms() {
    let report = scan(&corpus().join("good"));
    let alarms: Vec<String> = report
        .findings
        .iter()
        .map(|f| format!("{}: {} {} {}", f.path, f.severity, f.rule, f.title))
        .collect();
    assert!(alarms.is_empty(), "{} alarms: {alarms:#?}", alarms.len());
}
