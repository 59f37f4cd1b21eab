//! A workflow of any text: read, and asked whether it runs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_workflow::{Source, Workflow};

fuzz_target!(|text: &str| {
    match Workflow::read(Source { name: "w.yml".into(), text: text.into() }) {
        Ok(workflow) => drop(workflow.templates()),
        Err(faults) => drop(faults.to_string()),
    }
});
