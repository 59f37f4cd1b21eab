//! Any text as a Dockerfile that practice is asked about: no panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_scan::{DockerfileSource, practice};

fuzz_target!(|text: &str| {
    practice(DockerfileSource { path: "Dockerfile", text: text.as_bytes(), context: None });
});
