//! Any bytes are a model of which something is known, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_metadata::{Artifact, Model};

fuzz_target!(|input: (&str, &[u8], &[u8])| {
    let (path, head, note) = input;
    let notes: Vec<(String, Vec<u8>)> =
        Artifact::NOTES.iter().map(|name| ((*name).to_owned(), note.to_vec())).collect();
    let model = Model::read(&Artifact { path, sha256: "", head, notes: &notes });
    let _ = model.labels().count();
});
