//! What the JavaScript libraries made of random inputs (`tests/recordings/record.mjs`), compared with what is made
//! of them here. `WHARF_RECORDINGS` names a directory with other recordings.

use std::cmp::Ordering;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::javascript::{Pattern, number_to_string, parse_date, sort_by, string_to_number};
use crate::label;
use crate::moment::{self, Zone};
use crate::rules::{Dialect, parse_csv};
use crate::snapshot::Fact;
use crate::subject::Subject;
use crate::template;
use crate::version::pep440::Pep440;
use crate::version::semver::Semver;

/// Compares all recordings of a layer. Where the library failed, `ours` gives [`Value::Null`] as `fails`.
fn compare(layer: &str, ours: impl Fn(&Value) -> Option<Value>) {
    let given = std::env::var_os("WHARF_RECORDINGS").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let path = given.unwrap_or_else(beside).join(format!("{layer}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut differences = Vec::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let wanted = if case["fails"] == true { None } else { Some(case["out"].clone()) };
        let got = ours(&case);
        if got != wanted {
            differences
                .push(format!("{line}\n  here: {}", got.map_or("fails".to_owned(), |got| got.to_string())));
        }
    }
    let total = text.lines().count();
    assert!(
        total > 0 && differences.is_empty(),
        "{layer}: {} of {total} differ\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn source(case: &Value) -> &str {
    case["in"].as_str().unwrap()
}

fn texts(texts: &[String]) -> Value {
    json!(texts)
}

#[test]
fn templates() {
    let fact = |value: &str| Some(Fact { value: value.to_owned(), origin: String::new() });
    let subject = Subject {
        event: "push".to_owned(),
        reference: fact("refs/heads/feat/a&b=\"c\""),
        commit: fact("e1098f9803926e73d31ef3a7bb37aaf7e614b26e"),
        commit_date: Some(1_714_972_089_123),
        now: 1_714_972_089_123,
        base: "<main>".to_owned(),
        on_default_branch: Some(false),
        edge_branch: None,
        short_commit_length: None,
    };
    let version = Semver::parse("v1.20.0-rc.1+b7.x").unwrap();
    compare("template", |case| {
        let expanded = match case["kind"].as_str() {
            Some("semver") => {
                template::expand(source(case), version.to_value(), &|_| Ok(template::Value::Undefined))
            }
            _ => subject.expand(source(case)),
        };
        expanded.ok().map(Value::from)
    });
}

#[test]
fn moments() {
    compare("moment", |case| {
        let zone = Zone::named(case["zone"].as_str().unwrap());
        Some(moment::format(case["at"].as_i64(), source(case), &zone).into())
    });
}

#[test]
fn dates() {
    compare("date", |case| Some(json!(parse_date(source(case)))));
}

#[test]
fn csv() {
    compare("csv", |case| {
        let dialect = if case["relaxed"] == true { Dialect::Relaxed } else { Dialect::Strict };
        parse_csv(source(case), dialect).ok().map(|records| json!(records))
    });
}

#[test]
fn semantic_versions() {
    let patterns =
        ["{{{raw}}}", "{{version}}", "{{major}}", "{{minor}}", "{{patch}}", "{{prerelease}}", "{{build}}"];
    compare("semver", |case| {
        let version = Semver::parse(source(case))?;
        let field = |pattern: &&str| {
            template::expand(pattern, version.to_value(), &|_| Ok(template::Value::Undefined)).unwrap()
        };
        Some(texts(&patterns.iter().map(field).collect::<Vec<_>>()))
    });
}

#[test]
fn python_versions() {
    compare("pep440", |case| {
        let version = Pep440::parse(source(case))?;
        let segment = |at| number_to_string(version.segment(at));
        Some(texts(&[version.normal(), segment(0), segment(1), segment(2), version.is_final().to_string()]))
    });
}

#[test]
fn numbers() {
    compare("number", |case| {
        let number = string_to_number(source(case));
        Some(number.map_or("NaN".to_owned(), number_to_string).into())
    });
}

#[test]
fn sorting() {
    compare("sort", |case| {
        let list = case["in"].as_array().unwrap().iter().map(|text| string_to_number(text.as_str().unwrap()));
        let mut order: Vec<(Option<f64>, usize)> = list.zip(0..).collect();
        sort_by(&mut order, |(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => b.partial_cmp(a).unwrap_or(Ordering::Equal),
            _ => Ordering::Equal,
        });
        Some(json!(order.iter().map(|(_, at)| at).collect::<Vec<_>>()))
    });
}

#[test]
fn patterns() {
    compare("pattern", |case| {
        let pattern = Pattern::from_rule(source(case)).ok()?;
        Some(json!(pattern.matches(case["subject"].as_str().unwrap())))
    });
}

#[test]
fn collation() {
    compare("collation", |case| {
        let keys: Vec<&str> = case["in"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        Some(json!(label::compare(keys[0], keys[1]) as i8))
    });
}
