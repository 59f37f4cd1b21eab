//! A `WWW-Authenticate` header of any text: its challenges are read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_registry::Challenge;

fuzz_target!(|header: &str| {
    for challenge in Challenge::parse(header) {
        if let Challenge::Bearer { realm, .. } = challenge {
            assert!(realm.len() <= header.len());
        }
    }
});
