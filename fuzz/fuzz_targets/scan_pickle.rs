//! Any bytes as a pickle: no panic, no hang, bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_scan::{Checks, Options};

fuzz_target!(|data: &[u8]| {
    let options = Options { checks: Checks { models: true, ..Checks::NONE }, ..Options::default() };
    wharf_scan::bytes("model.pkl", data.to_vec(), &options);
    wharf_scan::bytes("model.joblib", data.to_vec(), &options);
});
