//! An archive of any bytes: opened, and the documents and first bytes of what it lists read.

#![no_main]

use std::io::{Read, Seek, Write};

use libfuzzer_sys::fuzz_target;
use wharf_registry::Archive;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("room for it");
    file.rewind().expect("its beginning");
    let Ok(archive) = Archive::of_file(file, "fuzz.tar") else { return };
    for image in archive.images() {
        let _ = image.references();
        let _ = image.tags();
        let mut first = [0; 64];
        if let Some(mut document) = archive.reader(&image.descriptor) {
            let count = document.read(&mut first).expect("a part of the file");
            assert!(count <= bytes.len());
        }
    }
});
