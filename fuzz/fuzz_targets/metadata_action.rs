//! Any inputs and any event give outputs or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharf_metadata::Variables;
use wharf_metadata::action::{Inputs, Job, outputs};

fuzz_target!(|input: (Vec<(u8, String)>, &str, &str)| {
    let names = [
        "INPUT_IMAGES",
        "INPUT_TAGS",
        "INPUT_FLAVOR",
        "INPUT_LABELS",
        "INPUT_ANNOTATIONS",
        "INPUT_SEP-TAGS",
        "INPUT_BAKE-TARGET",
        "GITHUB_EVENT_NAME",
        "GITHUB_REF",
        "GITHUB_SHA",
        "GITHUB_REPOSITORY",
        "DOCKER_METADATA_SHORT_SHA_LENGTH",
        "DOCKER_METADATA_PR_HEAD_SHA",
        "DOCKER_METADATA_ANNOTATIONS_LEVELS",
    ];
    let (variables, event, repository) = input;
    let variables: Variables = variables
        .into_iter()
        .map(|(name, value)| (names[usize::from(name) % names.len()].to_owned(), value))
        .collect();
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::Object(Default::default()));
    let Ok(inputs) = Inputs::read(&variables) else { return };
    let Ok(job) = Job::of_workflow(&variables, parsed(event), &inputs) else { return };
    let _ = outputs(&inputs, &job, &parsed(repository), 0);
});
