//! The semantics against recorded answers: the crate's own records always, the large set where it is at hand.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Database, display_id, fold};

#[derive(Deserialize)]
struct Cases {
    records: std::collections::BTreeMap<String, RecordCases>,
    folds: Vec<Fold>,
}

#[derive(Deserialize)]
struct RecordCases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ecosystem: String,
    name: String,
    version: String,
    affected: bool,
}

#[derive(Deserialize)]
struct Fold {
    packages: Vec<(String, String, String)>,
    findings: Vec<Folded>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Folded {
    display: String,
    records: Vec<String>,
}

fn run(directory: &Path) -> usize {
    let database = Database::open(directory).unwrap();
    let text = std::fs::read_to_string(directory.join("cases.json")).unwrap();
    let cases: Cases = serde_json::from_str(&text).unwrap();
    let mut count = 0;
    for (id, record) in &cases.records {
        for case in &record.cases {
            let matches = database.matches(&case.ecosystem, &case.name, &case.version);
            let affected = matches.iter().any(|found| found.record.id == *id);
            assert_eq!(affected, case.affected, "{id}: {} {} {}", case.ecosystem, case.name, case.version);
            count += 1;
        }
    }
    for expected in cases.folds {
        let mut found: Vec<Folded> = Vec::new();
        for (ecosystem, name, version) in &expected.packages {
            for problem in fold(&database, &database.matches(ecosystem, name, version)) {
                let mut records: Vec<String> = problem.iter().map(|m| m.record.id.clone()).collect();
                records.sort();
                found.push(Folded { display: display_id(&database, &problem), records });
            }
        }
        found.sort();
        assert_eq!(found, expected.findings);
        count += 1;
    }
    count
}

#[test]
fn the_crates_own_cases() {
    assert!(run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/osv")) > 30);
}

#[test]
fn the_large_set_of_cases() {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/advisories/synth");
    if directory.is_dir() {
        assert_eq!(run(&directory), 363);
    }
}
