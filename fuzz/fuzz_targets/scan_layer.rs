//! Any bytes as a layer: no panic, no hang, bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_scan::Checks;

fuzz_target!(|data: &[u8]| {
    let _ = wharf_scan::read_layer(data, Checks::default());
});
