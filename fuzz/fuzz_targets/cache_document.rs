//! A cache config comes from a registry that anybody may have written to: no bytes may make its reader panic,
//! and what it takes must hold together.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_build::cache::document::CacheConfig;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = CacheConfig::parse(bytes) {
        (0..config.layers.len()).for_each(|place| assert!(!config.chain(place).is_empty()));
    }
});
