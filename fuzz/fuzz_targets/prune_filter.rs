//! Filters of `wharf prune`, in any words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_build::PruneRequest;

fuzz_target!(|input: (&str, i64)| {
    let (text, now) = input;
    let _ = PruneRequest::default().filter(text, now);
});
