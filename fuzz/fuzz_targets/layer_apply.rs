//! Any bytes as a layer, applied in both forms and over itself: no panic, and nothing outside the directory.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use wharf_layer::{ApplyOptions, Form, LayerReader, Limits, OpaqueXattr, Ownership, apply};

fuzz_target!(|bytes: &[u8]| {
    let yard = tempfile::tempdir().expect("a directory");
    let limits = Limits { entries: 1000, bytes: 1 << 20, ratio: 100 };
    for (name, form) in [("plain", Form::Plain), ("overlay", Form::Overlay(OpaqueXattr::User))] {
        let inside = yard.path().join(name);
        fs::create_dir(&inside).expect("a directory");
        let options = ApplyOptions { limits, ..ApplyOptions::new(form, Ownership::Recorded) };
        let first = apply(bytes, &inside, &options);
        let again = apply(bytes, &inside, &options);
        if let (Ok(first), Ok(again)) = (first, again) {
            assert_eq!(first.diff_id, again.diff_id);
        }
    }
    let names: Vec<_> =
        fs::read_dir(yard.path()).expect("a listing").map(|entry| entry.expect("an entry")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    if let Ok(mut layer) = LayerReader::new(bytes) {
        while let Ok(Some(_)) = layer.next_entry() {}
    }
});
