//! Any variables and any event document are read, whatever the CI system.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_metadata::Variables;
use wharf_metadata::ci::System;

fuzz_target!(|input: (u8, Vec<(String, String)>, &str)| {
    let marks = [
        ("GITHUB_ACTIONS", "true"),
        ("GITLAB_CI", "true"),
        ("BITBUCKET_BUILD_NUMBER", "1"),
        ("CIRCLECI", "true"),
        ("TF_BUILD", "True"),
        ("BUILDKITE", "true"),
        ("DRONE", "true"),
        ("CI", "woodpecker"),
        ("JENKINS_URL", "https://ci"),
        ("PARAM_REVISION", "main"),
    ];
    let (system, variables, document) = input;
    let mut variables: Variables = variables.into_iter().collect();
    let (name, value) = marks[usize::from(system) % marks.len()];
    variables.insert(name.into(), value.into());
    let document = serde_json::from_str(document).unwrap_or_default();
    if let Some(system) = System::detect(&variables) {
        let _ = system.event(&variables, &document);
    }
});
