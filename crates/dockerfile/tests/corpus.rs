//! The public share of the conformance corpus, where it is present: what BuildKit refused for its form must
//! be refused, what it built must be read, and what its checks found must be found.

use std::fs;
use std::path::{Path, PathBuf};

use wharf_dockerfile::lint::{self, rules};
use wharf_dockerfile::parse;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/dockerfile/cases");
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a case").path()).collect();
    cases.sort();
    cases
}

/// What BuildKit said, if it refused the build.
fn refusal(case: &Path) -> Option<String> {
    let text = fs::read(case.join("expect.json")).expect("what BuildKit gave");
    let expect: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    expect["error"].as_str().map(str::to_string)
}

#[test]
fn what_buildkit_refuses_for_its_form_is_refused_in_its_words() {
    for case in cases() {
        let Ok(text) = fs::read(case.join("Dockerfile")) else { continue };
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        match (parse(&text), refusal(&case)) {
            (Ok(_), None) => {}
            (Err(error), None) => panic!("{name}: BuildKit builds it: {error}"),
            (Err(error), Some(refusal)) => {
                let message = error.message.replace('\0', "");
                assert!(refusal.replace('\0', "").contains(&message), "{name}: {refusal}\n not {message}");
            }
            (Ok(_), Some(refusal)) => {
                let is_form =
                    refusal.contains("dockerfile parse error") || refusal.contains("unterminated heredoc");
                assert!(!is_form, "{name}: {refusal}");
            }
        }
    }
}

#[test]
fn what_its_checks_find_is_found() {
    for case in cases() {
        let Some(refusal) = refusal(&case) else { continue };
        let Some((_, names)) = refusal.split_once("lint violation found for rules: ") else { continue };
        let dockerfile = parse(&fs::read(case.join("Dockerfile")).unwrap()).unwrap();
        let findings = [lint::check(&dockerfile), lint::check_instructions(&dockerfile)].concat();
        let findings = lint::select(findings, &dockerfile, &dockerfile.directives.check);
        // What depends on the values of variables or on base images is not for the text to show.
        let needs_more =
            [&rules::UNDEFINED_VAR, &rules::UNDEFINED_ARG_IN_FROM, &rules::INVALID_BASE_IMAGE_PLATFORM];
        for name in names.split(", ").filter(|name| !needs_more.iter().any(|rule| rule.name == *name)) {
            assert!(findings.iter().any(|finding| finding.rule.name == name), "{}: {name}", case.display());
        }
    }
}
