//! Layers made to do harm: none may touch a file outside, panic, or pass unnoticed.

use std::{fs, io::Write, path::Path};

use proptest::prelude::*;
use tempfile::TempDir;
use wharf_layer::{
    ApplyOptions, Compression, Device, Entry, Error, Form, Kind, LayerReader, Limits, WriteOptions, apply,
    archive,
};

use crate::trees::{OVERLAY, apply_plain, is_root, layer, layer_with, names, options, plant};

type Way = dyn Fn(&Yard, &[u8]) -> Result<(), Error>;

/// A directory with a tree inside, and things beside the tree that must stay as they are.
struct Yard {
    dir: TempDir,
}

impl Yard {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        plant(dir.path(), "outside/file 0644 precious\n inside/ 0755");
        Self { dir }
    }

    fn inside(&self) -> std::path::PathBuf {
        self.dir.path().join("inside")
    }

    fn outside(&self, name: &str) -> String {
        self.dir.path().join("outside").join(name).display().to_string()
    }

    /// Applies in every way there is, and looks at what is outside.
    fn attack(entries: impl Fn(&Self) -> Vec<Entry>) -> Vec<Result<Vec<String>, Error>> {
        let ways: [&Way; 3] = [
            &|yard, blob| apply(blob, &yard.inside(), &options(Form::Plain)).map(|_| ()),
            &|yard, blob| apply(blob, &yard.inside(), &options(OVERLAY)).map(|_| ()),
            &|yard, blob| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(blob).unwrap();
                std::io::Seek::rewind(&mut file).unwrap();
                let extract = archive::ExtractOptions {
                    ownership: options(Form::Plain).ownership,
                    ..archive::ExtractOptions::default()
                };
                archive::extract(&file, &yard.inside(), Path::new("/"), &extract).map(|_| ())
            },
        ];
        let attack = |way: &&Way| {
            let yard = Self::new();
            let result = way(&yard, &layer(&entries(&yard)));
            assert_eq!(names(&yard.dir.path().join("outside")), ["file"], "nothing new outside");
            assert_eq!(fs::read(yard.outside("file")).unwrap(), b"precious");
            result.map(|()| names(&yard.inside()))
        };
        ways.iter().map(attack).collect()
    }
}

#[test]
fn names_with_dots_do_not_lead_out() {
    for name in ["../outside/file", "../outside/new", "a/../../outside/new", "/../outside/new", ".."] {
        for result in Yard::attack(|_| vec![Entry::file(name, 3)]) {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("leaves the root") && error.contains(name), "{error}");
        }
    }
}

#[test]
fn absolute_names_are_inside() {
    for result in Yard::attack(|_| vec![Entry::file("/etc/passwd", 3), Entry::file("//x/./y/../z", 3)]) {
        assert_eq!(result.unwrap(), ["etc", "etc/passwd", "x", "x/z"]);
    }
}

#[test]
fn links_on_the_way_stay_inside() {
    for result in Yard::attack(|yard| {
        vec![
            Entry::symlink("abs", yard.dir.path().join("outside")),
            Entry::symlink("rel", "../outside"),
            Entry::symlink("far", "../../../../../../../../.."),
            Entry::file("abs/new", 3),
            Entry::file("rel/file", 3),
            Entry::file("far/top", 3),
        ]
    }) {
        let made = result.unwrap();
        assert!(made.contains(&"outside/file".to_owned()) && made.contains(&"top".to_owned()), "{made:?}");
    }
}

#[test]
fn a_link_is_replaced_rather_than_written_through() {
    for result in Yard::attack(|yard| {
        vec![
            Entry::symlink("f", yard.outside("file")),
            Entry::file("f", 3),
            Entry::symlink("d", "../outside"),
            Entry::directory("d"),
        ]
    }) {
        assert_eq!(result.unwrap(), ["d", "f"]);
    }
}

#[test]
fn a_directory_replaced_by_a_link_gets_no_late_attributes() {
    for result in Yard::attack(|yard| {
        let mut directory = Entry::directory("d");
        directory.metadata.mode = 0;
        vec![directory, Entry::symlink("d", yard.dir.path().join("outside"))]
    }) {
        assert_eq!(result.unwrap(), ["d"]);
    }
}

#[test]
fn hard_links_stay_inside() {
    for target in ["../outside/file", "/../outside/file"] {
        for result in Yard::attack(|_| vec![Entry::hard_link("l", target)]) {
            assert!(result.unwrap_err().to_string().contains("its target leaves the root"));
        }
    }
    for result in Yard::attack(|yard| {
        vec![Entry::symlink("up", yard.dir.path()), Entry::hard_link("l", "up/outside/file")]
    }) {
        assert!(matches!(result, Err(Error::AbsentLinkTarget { .. })), "{result:?}");
    }
    // A link to a link is a link, and writing to its name replaces it.
    for result in Yard::attack(|yard| {
        vec![Entry::symlink("s", yard.outside("file")), Entry::hard_link("l", "s"), Entry::file("l", 3)]
    }) {
        assert_eq!(result.unwrap(), ["l", "s"]);
    }
}

#[test]
fn hard_links_to_what_is_not_there_are_named() {
    for target in ["nothing", "no/where", "l", ""] {
        for result in Yard::attack(|_| vec![Entry::hard_link("l", target)]) {
            let error = result.unwrap_err();
            assert!(error.to_string().starts_with("l is a hard link to"), "{error}");
        }
    }
    for result in Yard::attack(|_| vec![Entry::directory("d"), Entry::hard_link("l", "d")]) {
        assert!(result.is_err());
    }
}

#[test]
fn links_in_circles_end() {
    for result in
        Yard::attack(|_| vec![Entry::symlink("a", "b"), Entry::symlink("b", "a"), Entry::file("a/x", 3)])
    {
        assert!(result.unwrap_err().to_string().starts_with("entering"));
    }
}

#[test]
fn files_and_directories_replace_each_other() {
    let results = Yard::attack(|_| {
        vec![
            Entry::file("a", 3),
            Entry::file("a/b/c", 3),
            Entry::file("a/b", 3),
            Entry::file("d/e", 3),
            Entry::symlink("d", "a"),
            Entry::file("d/f", 3),
            Entry::file("twice", 3),
            Entry::file("twice", 4),
        ]
    });
    for result in results {
        assert_eq!(result.unwrap(), ["a", "a/b", "a/f", "d", "twice"]);
    }
}

#[test]
fn whiteouts_with_dots_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh..."] {
        let yard = Yard::new();
        let error = apply_plain(&layer(&[Entry::file(name, 0)]), &yard.inside()).unwrap_err();
        assert!(error.to_string().contains("removes nothing that has a name"), "{error}");
        assert!(yard.inside().exists());
    }
}

#[test]
fn a_device_that_overlayfs_would_misread_is_refused() {
    if !is_root() {
        return;
    }
    let zero = Entry { kind: Kind::CharDevice(Device { major: 0, minor: 0 }), ..Entry::file("zero", 0) };
    let results = Yard::attack(|_| vec![zero.clone()]);
    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(results[1].as_ref().unwrap_err().to_string().contains("for a removal"));
}

#[test]
fn limits_name_the_entry_that_was_too_much() {
    let yard = Yard::new();
    let blob = layer(&[Entry::file("a", 600), Entry::file("b", 600)]);
    let limited = |limits| apply(&blob[..], &yard.inside(), &ApplyOptions { limits, ..options(Form::Plain) });
    let error = limited(Limits { entries: 1, ..Limits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "b takes the layer past the limit of 1 entries");
    let error = limited(Limits { bytes: 1000, ..Limits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "b takes the layer past the limit of 1000 bytes");
    assert!(limited(Limits { entries: 2, bytes: 1200, ..Limits::default() }).is_ok());
}

#[test]
fn a_layer_that_breaks_off_says_where() {
    let blob = layer_with(
        &[Entry::file("first", 600), Entry::file("second", 100_000)],
        &WriteOptions { compression: Compression::None, ..WriteOptions::default() },
    );
    for (length, message) in [
        (100, "malformed tar archive at its start: it ends in the middle"),
        (700, "malformed tar archive at first: it ends in the middle"),
        (50_000, "malformed tar archive at second: it ends in the middle"),
    ] {
        let error = apply_plain(&blob[..length], &Yard::new().inside()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let compressed = layer(&[Entry::file("first", 100_000)]);
    let error = apply_plain(&compressed[..compressed.len() / 2], &Yard::new().inside()).unwrap_err();
    assert_eq!(error.to_string(), "reading the layer");
}

#[test]
fn a_wrong_checksum_says_after_which_entry() {
    let options = WriteOptions { compression: Compression::None, ..WriteOptions::default() };
    let mut blob = layer_with(&[Entry::file("first", 0), Entry::file("second", 0)], &options);
    blob[512] ^= 1;
    let error = apply_plain(&blob, &Yard::new().inside()).unwrap_err();
    assert_eq!(error.to_string(), "malformed tar archive at first: the checksum of a header is wrong");
}

#[test]
fn deep_directories_need_no_more_open_files_than_flat_ones() {
    let yard = Yard::new();
    let deep = vec!["d"; 1100].join("/");
    apply_plain(&layer(&[Entry::file(&deep, 3)]), &yard.inside()).unwrap();
    apply_plain(&layer(&[Entry::whiteout("d")]), &yard.inside()).unwrap();
    assert_eq!(names(&yard.inside()), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let _ = apply_plain(&bytes, &Yard::new().inside());
    }

    /// A sound layer with a few bytes changed, checksums repaired, so that the damage gets past them.
    #[test]
    fn damaged_layers_never_panic_or_get_out(
        damage in proptest::collection::vec((0_usize..8, 0_usize..512, any::<u8>()), 1..12),
    ) {
        let options = WriteOptions { compression: Compression::None, ..WriteOptions::default() };
        let long = "n".repeat(200);
        let entries = [Entry::symlink("up", "../outside"), Entry::file(&long, 700), Entry::hard_link("up/x", &long), Entry::whiteout("a")];
        let mut blob = layer_with(&entries, &options);
        for (block, offset, byte) in damage {
            let header = &mut blob[block * 512..][..512];
            header[offset] = byte;
            if &header[257..262] == b"ustar" {
                header[148..156].fill(b' ');
                let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
                header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let yard = Yard::new();
        let limits = Limits { entries: 100, bytes: 1 << 20, ratio: 100 };
        let _ = apply(&blob[..], &yard.inside(), &ApplyOptions { limits, ..self::options(Form::Plain) });
        prop_assert_eq!(names(&yard.dir.path().join("outside")), ["file"]);
        let mut reader = LayerReader::new(&blob[..]).unwrap();
        while let Ok(Some(_)) = reader.next_entry() {}
    }
}
