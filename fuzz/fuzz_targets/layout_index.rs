//! An `index.json` of any bytes: read, changed, read again.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Descriptor, MediaType};
use wharf_registry::{Layout, Name};

thread_local! {
    static LAYOUT: RefCell<Option<(tempfile::TempDir, Layout)>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    LAYOUT.with_borrow_mut(|slot| {
        let (_, layout) = slot.get_or_insert_with(|| {
            let directory = tempfile::tempdir().expect("a directory");
            let layout = Layout::open(directory.path()).expect("a layout");
            (directory, layout)
        });
        std::fs::write(layout.root().join("index.json"), bytes).expect("an index");
        // Opened anew, because a file rewritten in place may look unchanged to the cache.
        let layout = Layout::existing(layout.root()).expect("a layout");
        let Ok(refs) = layout.refs() else { return };
        for (name, _) in &refs {
            let _ = layout.manifest(Name::Tag(name));
        }
        let new = Descriptor::of(MediaType::ImageManifest, b"new");
        layout.tag("new", &new).expect("an index that reads can be written");
        assert_eq!(layout.resolve("new").expect("an index that was written"), Some(new));
        assert!(layout.delete_manifest(Name::Tag("new")).expect("an index that was written"));
    });
});
