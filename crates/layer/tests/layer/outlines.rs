//! Outlines: the same view as that of the unpacked layers, whoever made them.

use std::{fs, io::Read, path::PathBuf, sync::Arc};

use proptest::prelude::*;
use tempfile::TempDir;
use wharf_layer::{
    ApplyOptions, Entry, Kind, LayerWriter, Outline, Ownership, Part, Timestamp, View, WriteOptions, apply,
    lay_out,
};

use crate::trees::{OVERLAY, is_root};

/// Names that get in one another's way.
const NAMES: [&str; 7] = ["a", "a/b", "a/b/c", "a/d", "e", "e/b", "etc/passwd"];

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry =
        (0..NAMES.len(), 0..8_u32, 0..NAMES.len(), 0..3_u32).prop_map(|(name, kind, other, owner)| {
            let (path, other) = (NAMES[name], NAMES[other]);
            let mut entry = match kind {
                0..=2 => Entry::directory(path),
                3 => Entry::file(path, u64::from(owner)),
                4 => Entry::symlink(path, other),
                5 => Entry::hard_link(path, other),
                6 => Entry::whiteout(path),
                _ => Entry { kind: Kind::Opaque, ..Entry::whiteout(path) },
            };
            if kind < 5 {
                (entry.metadata.uid, entry.metadata.mtime) = (owner, Timestamp::from_seconds(owner.into()));
            }
            if kind < 4 {
                entry.metadata.mode ^= owner;
            }
            entry
        });
    prop::collection::vec(entry, 0..6)
}

fn layer(entries: &[Entry]) -> (Vec<u8>, Option<Outline>) {
    let mut layer = LayerWriter::new(Vec::new(), &WriteOptions { outline: true, ..WriteOptions::default() });
    for entry in entries {
        let size = if let Kind::File { size } = entry.kind { size } else { 0 };
        layer.append(entry, std::io::repeat(b'x').take(size)).unwrap();
    }
    let (bytes, info) = layer.finish().unwrap();
    (bytes, info.outline)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_outline_shows_what_the_unpacked_layer_shows(layers in prop::collection::vec(entries(), 1..4)) {
        if !is_root() {
            return Ok(());
        }
        let yard = TempDir::new().unwrap();
        let (mut directories, mut outlines) = (Vec::<PathBuf>::new(), Vec::new());
        for (number, entries) in layers.iter().enumerate() {
            let (bytes, written) = layer(entries);
            let (read, _) = Outline::of_layer(&bytes[..], None).unwrap();
            prop_assert_eq!(&written, &read);
            let directory = yard.path().join(number.to_string());
            fs::create_dir(&directory).unwrap();
            let lowers = directories.iter().rev().cloned().collect();
            let options = ApplyOptions { lowers, outline: true, ..ApplyOptions::new(OVERLAY, Ownership::Real) };
            // What cannot be unpacked, and what has no outline, is another matter.
            let Ok(applied) = apply(&bytes[..], &directory, &options) else { return Ok(()) };
            prop_assert_eq!(&applied.outline, &read);
            let Some(outline) = read else { return Ok(()) };
            prop_assert_eq!(&Outline::decode(&outline.encode().unwrap()).unwrap(), &outline);
            directories.push(directory);
            outlines.push(Arc::new(outline));
        }
        let unpacked = directories.iter().rev().cloned().map(Part::Directory).collect();
        let outlined = outlines.iter().rev().cloned().map(Part::Outline).collect();
        let [unpacked, outlined] = [unpacked, outlined].map(|parts| View::new(parts, Ownership::Real));
        for name in NAMES.into_iter().chain(["etc", "x"]) {
            let find = |view: &View| view.find(name.as_ref()).unwrap().map(|named| named.entry);
            prop_assert_eq!(find(&outlined), find(&unpacked), "{}", name);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, cut in 0..400_usize) {
        let _ = Outline::decode(&bytes);
        let (_, outline) = layer(&[Entry::directory("a"), Entry::file("etc/passwd", 20)]);
        let whole = outline.unwrap().encode().unwrap();
        let _ = Outline::decode(&whole[..cut.min(whole.len())]);
        let _ = Outline::decode(&zstd_of(&bytes));
    }
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    let options = WriteOptions { compression: wharf_layer::Compression::ZSTD, ..WriteOptions::default() };
    let mut layer = LayerWriter::new(Vec::new(), &options);
    layer.append(&Entry::file("a", bytes.len() as u64), bytes).unwrap();
    layer.finish().unwrap().0
}

#[test]
fn a_layer_is_laid_out_without_its_contents() {
    let mut large = Entry::file("opt/large", 5 << 30);
    large.metadata.mode = 0o4755;
    let mut directory = Entry::directory("opt");
    directory.metadata.mtime = Timestamp { seconds: 7, nanoseconds: 5 };
    let entries = [directory, large, Entry::symlink("opt/link", "large"), Entry::file("users", 3)];
    let yard = TempDir::new().unwrap();
    let contents = [None, None, None, Some(&b"abc"[..])];
    lay_out(entries.iter().zip(contents), yard.path(), Ownership::Recorded).unwrap();
    let view = View::new(vec![Part::Directory(yard.path().to_owned())], Ownership::Recorded);
    for entry in &entries {
        assert_eq!(view.find(&entry.path).unwrap().unwrap().entry, *entry);
    }
    assert_eq!(fs::read(yard.path().join("users")).unwrap(), b"abc");
    let blocks =
        std::os::unix::fs::MetadataExt::blocks(&fs::metadata(yard.path().join("opt/large")).unwrap());
    assert!(blocks < 100, "{blocks} blocks for a hole");
}

#[test]
fn users_come_with_their_content_and_others_without() {
    let (bytes, outline) = layer(&[Entry::file("etc/passwd", 40), Entry::file("etc/shadow", 40)]);
    let view = View::new(vec![Part::Outline(Arc::new(outline.unwrap()))], Ownership::Real);
    let content = |name: &str| view.find(name.as_ref()).unwrap().unwrap().content;
    assert_eq!(content("etc/passwd"), Some(vec![b'x'; 40]));
    assert_eq!(content("etc/shadow"), None);
    let (read, digest) = Outline::of_layer(&bytes[..], None).unwrap();
    let options = ApplyOptions::new(OVERLAY, Ownership::Recorded);
    assert_eq!(apply(&bytes[..], TempDir::new().unwrap().path(), &options).unwrap().diff_id, digest);
    assert_eq!(read.unwrap().len(), 2);
}
