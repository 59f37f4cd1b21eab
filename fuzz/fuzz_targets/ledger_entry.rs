//! Entries come from a registry that anybody may have written to.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_ledger::{Entry, LogName};

fuzz_target!(|bytes: &[u8]| {
    let digest = wharf_oci::digest::sha256(bytes);
    let _ = Entry::parts(&digest, bytes);
    let _ = Entry::record_blob(&digest, bytes);
    let _ = Entry::read_record(bytes);
    if let Ok(tag) = std::str::from_utf8(bytes) {
        let _ = LogName::read_tag(tag);
    }
});
