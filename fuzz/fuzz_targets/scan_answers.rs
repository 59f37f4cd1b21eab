//! Any text as an ignore file or a VEX document: no panic.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wharf_scan::Suppressions;

fuzz_target!(|text: &str| {
    let mut suppressions = Suppressions::default();
    let _ = suppressions.add_ignore_file(Path::new(".wharfignore"), text);
    let _ = suppressions.add_ignore_file(Path::new(".trivyignore.yaml"), text);
    let _ = suppressions.add_vex(Path::new("vex.json"), text, Some("sha256:00"));
});
