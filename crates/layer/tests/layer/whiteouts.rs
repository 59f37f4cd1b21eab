//! Removals in both forms, wherever in the layer they stand.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use tempfile::TempDir;
use wharf_layer::{ApplyOptions, Entry, Form, Kind, apply};

use crate::trees::{OVERLAY, apply_plain, describe, layer, names, options, plant};

fn opaque(path: &str) -> Entry {
    Entry { kind: Kind::Opaque, ..Entry::whiteout(path) }
}

fn apply_overlay(entries: &[Entry]) -> TempDir {
    let dir = TempDir::new().unwrap();
    apply(&layer(entries)[..], dir.path(), &options(OVERLAY)).unwrap();
    dir
}

fn is_whiteout(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == 0)
}

fn is_opaque(path: &Path) -> bool {
    xattr::get(path, "user.overlay.opaque").unwrap().as_deref() == Some(b"y")
}

/// Applies layers one after the other to one tree, in every order of the last one's entries.
fn merged(lower: &str, entries: &[Entry], expected: &[&str]) {
    let mut reversed = entries.to_vec();
    reversed.reverse();
    for entries in [entries, &reversed] {
        let dir = TempDir::new().unwrap();
        plant(dir.path(), lower);
        apply_plain(&layer(entries), dir.path()).unwrap();
        assert_eq!(names(dir.path()), expected, "{entries:?}");
    }
}

#[test]
fn merging_a_removal_spares_what_its_own_layer_brings() {
    merged("a 0644 x\n d/x 0644 x", &[Entry::whiteout("a"), Entry::whiteout("d")], &[]);
    merged("d/old 0644 x", &[Entry::whiteout("d"), Entry::file("d/new", 1)], &["d", "d/new"]);
    merged(
        "d/e/old 0644 x\n d/f 0644 x",
        &[opaque("d"), Entry::file("d/e/new", 1)],
        &["d", "d/e", "d/e/new"],
    );
    merged("d/old 0644 x", &[opaque("d"), Entry::directory("d")], &["d"]);
    merged("a 0644 old", &[Entry::whiteout("a"), Entry::file("a", 1)], &["a"]);
    merged("a 0644 x", &[opaque("")], &[]);
    merged("a 0644 x", &[Entry::whiteout("b"), Entry::whiteout("no/where"), opaque("no")], &["a"]);
}

#[test]
fn a_removal_does_not_follow_links() {
    let outside = TempDir::new().unwrap();
    plant(outside.path(), "keep 0644 x");
    let dir = TempDir::new().unwrap();
    plant(dir.path(), &format!("l -> {}\n real/x 0644 x\n in -> real", outside.path().display()));
    apply_plain(&layer(&[Entry::whiteout("l"), Entry::whiteout("in/x")]), dir.path()).unwrap();
    assert_eq!(names(outside.path()), ["keep"]);
    assert_eq!(names(dir.path()), ["in", "real"]);
}

#[test]
fn overlay_form_has_devices_and_attributes() {
    let dir = apply_overlay(&[Entry::whiteout("d/gone"), opaque("o"), Entry::file("o/new", 1)]);
    assert!(is_whiteout(&dir.path().join("d/gone")) && is_opaque(&dir.path().join("o")));
    assert!(!is_opaque(&dir.path().join("d")));
}

#[test]
fn overlay_form_hides_the_lower_directory_in_either_order() {
    for entries in [
        [Entry::whiteout("d"), Entry::directory("d"), Entry::file("d/new", 1)],
        [Entry::directory("d"), Entry::file("d/new", 1), Entry::whiteout("d")],
        [Entry::whiteout("d"), Entry::file("d/new", 1), Entry::directory("d")],
        [Entry::file("d", 1), Entry::directory("d"), Entry::file("d/new", 1)],
    ] {
        let dir = apply_overlay(&entries);
        assert_eq!(names(dir.path()), ["d", "d/new"]);
        assert!(is_opaque(&dir.path().join("d")), "{entries:?}");
    }
    let dir = apply_overlay(&[Entry::file("f", 1), Entry::whiteout("f")]);
    assert!(!is_whiteout(&dir.path().join("f")), "the file hides the lower one by being there");
}

#[test]
fn overlay_form_cannot_hide_the_root() {
    let dir = TempDir::new().unwrap();
    let error = apply(&layer(&[opaque("")])[..], dir.path(), &options(OVERLAY)).unwrap_err();
    assert!(error.to_string().contains("overlayfs cannot express"), "{error}");
}

#[test]
fn a_directory_on_the_way_looks_as_it_does_below() {
    let (bottom, top, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    plant(bottom.path(), "d/e/ 0700\n link/x 0644 x");
    plant(top.path(), "d/ 0711\n link -> d");
    let lowers = vec![top.path().to_owned(), bottom.path().to_owned()];
    let blob = layer(&[Entry::file("d/e/f/new", 1), Entry::file("link/y", 1)]);
    let applied = apply(&blob[..], dir.path(), &ApplyOptions { lowers, ..options(OVERLAY) }).unwrap();
    let modes =
        ["d", "d/e", "d/e/f", "link"].map(|name| dir.path().join(name).metadata().unwrap().mode() & 0o7777);
    assert_eq!(modes, [0o711, 0o700, 0o755, 0o755]);
    assert_eq!(dir.path().join("d").metadata().unwrap().mtime(), 1_600_000_000);
    assert_eq!(applied.implied, [Path::new("d/e/f"), Path::new("link")]);
}

#[test]
fn a_stack_of_layers_is_the_same_merged_and_diffed() {
    // A base and an upper directory, turned into layers and applied to one tree.
    let (base, upper, merged) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    plant(base.path(), "a 0644 1\n d/x 0644 1\n d/y 0644 1\n o/z 0644 1\n f/in 0644 1");
    plant(upper.path(), "d/x 0644 2\n o/new 0644 2\n f 0644 now-a-file");
    crate::trees::white_out(&upper.path().join("a"));
    xattr::set(upper.path().join("o"), "user.overlay.opaque", b"y").unwrap();
    let write = |upper: &Path, lowers: &[_]| {
        let diff =
            wharf_layer::DiffOptions { ownership: options(Form::Plain).ownership, ..Default::default() };
        let layer = wharf_layer::LayerWriter::new(std::io::Cursor::new(Vec::new()), &Default::default());
        wharf_layer::write_diff(upper, lowers, &diff, layer).unwrap().0
    };
    apply_plain(write(base.path(), &[]).get_ref(), merged.path()).unwrap();
    let difference = write(upper.path(), &[base.path().to_owned()]);
    apply_plain(difference.get_ref(), merged.path()).unwrap();
    assert_eq!(names(merged.path()), ["d", "d/x", "d/y", "f", "o", "o/new"]);
    assert_eq!(fs::read(merged.path().join("d/x")).unwrap(), b"2");
    // Applied as a layer of its own, the difference is the upper directory again.
    let again = TempDir::new().unwrap();
    apply(&difference.get_ref()[..], again.path(), &options(OVERLAY)).unwrap();
    assert!(is_whiteout(&again.path().join("a")) && is_whiteout(&again.path().join("o/z")));
    assert_eq!(describe(again.path())["d/x"], describe(upper.path())["d/x"]);
}
