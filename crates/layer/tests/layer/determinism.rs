//! The same tree gives the same bytes, and those bytes do not change with time.

use std::{
    fs,
    io::{Cursor, Read, Write},
    path::Path,
    sync::Arc,
};

use tempfile::TempDir;
use wharf_layer::{
    Blocks, Compression, DiffOptions, Earlier, Entry, LayerInfo, LayerWriter, Upper, WriteOptions, diff,
    recompress, write_diff,
};

use crate::trees::{plant, set_time};

fn write(root: &Path, options: &WriteOptions) -> LayerInfo {
    let layer = LayerWriter::new(Cursor::new(Vec::new()), options);
    write_diff(root, &[], &DiffOptions::default(), layer).unwrap().1
}

#[test]
fn place_order_and_time_of_creation_do_not_matter() {
    let lines = ["a/x 0644 1", "b/y 0600 2", "c -> a/x", "a/z 0644 3", "d = b/y"];
    let (one, two) = (TempDir::new().unwrap(), TempDir::with_prefix("a-longer-name").unwrap());
    plant(one.path(), &lines.join("\n"));
    let mut reversed = lines;
    reversed.reverse();
    // The link comes last in both, since it needs its target.
    reversed.rotate_left(1);
    plant(two.path(), &reversed.join("\n"));
    for name in ["a", "a/x", "b/y", "c"] {
        set_time(&two.path().join(name), 1_700_000_000, 5);
    }
    let options = WriteOptions { latest_mtime: Some(1_500_000_000), ..WriteOptions::default() };
    assert_eq!(write(one.path(), &options), write(two.path(), &options));
}

/// Hands out its bytes in pieces of ever other sizes.
struct Crumbs<'a>(&'a [u8], usize);

impl Read for Crumbs<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 100_003 * 7 + 1;
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

/// Text, then noise, then a mixture; 3 MiB and a bit, so that blocks are cut in all of them.
fn content() -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let text: Vec<u8> =
        (0..100_000).flat_map(|i: u32| format!("line {} of {}\n", i, i % 97 * 31).into_bytes()).collect();
    let mixture = (0..500_000).map(|i| if i % 3 == 0 { noise() } else { b'm' }).collect();
    let noise: Vec<u8> = (0..1_100_000).map(|_| noise()).collect();
    [text, noise, mixture].concat()
}

fn write_content(content: impl Read, size: usize, compression: Compression) -> LayerInfo {
    let options = WriteOptions { compression, ..WriteOptions::default() };
    let mut layer = LayerWriter::new(Cursor::new(Vec::new()), &options);
    layer.append(&Entry::file("content", size as u64), content).unwrap();
    layer.finish().unwrap().1
}

#[test]
fn how_the_content_arrives_does_not_matter() {
    let content = content();
    for compression in
        [Compression::None, Compression::GZIP, Compression::Gzip { level: 1 }, Compression::ZSTD]
    {
        let whole = write_content(&content[..], content.len(), compression);
        assert_eq!(write_content(Crumbs(&content, 5), content.len(), compression), whole, "{compression:?}");
    }
}

/// These digests name layers in registries and caches. A change of a compressor's version or of our
/// blocks that moves them makes every layer a new one, and must be a decision.
#[test]
fn the_bytes_are_the_ones_they_always_were() {
    let content = content();
    let digest = |compression| write_content(&content[..], content.len(), compression).digest.to_string();
    let written = [
        Compression::None,
        Compression::Gzip { level: 1 },
        Compression::GZIP,
        Compression::Gzip { level: 9 },
        Compression::ZSTD,
    ]
    .map(digest);
    assert_eq!(
        written,
        [
            "sha256:babd8602387d94c67e1aadb89424408d73278459c394d2d1c05772cc6e1bd4d8",
            "sha256:30cee71a222b69e6d63d7f07e3930ce75e34f05d7b5f827aa519543236d7589d",
            "sha256:5989ab15adf26ed585c241827a2cde861b20d523c2bedd8e3283db5aeed12cf2",
            "sha256:68c2e4da96d775426bd99605b52af2ea6611adad76a449340db1c606c626a792",
            "sha256:683d00bcd22f43ab32b0820d112d2d91b6c74624c289df19b5eb6132d69a64fc",
        ]
    );
}

/// What an earlier layer has ready changes no byte, and neither does an earlier layer that is damaged.
#[test]
fn an_earlier_layer_saves_compressing_and_changes_nothing() {
    let before = content();
    let mut after = before.clone();
    after.splice(700_000..700_003, *b"an edit that is longer");
    let write = |content: &[u8], earlier: Option<Earlier>| {
        let options = WriteOptions { earlier: earlier.map(Arc::new), ..WriteOptions::default() };
        let mut layer = LayerWriter::new(Cursor::new(Vec::new()), &options);
        layer.append(&Entry::file("content", content.len() as u64), content).unwrap();
        let (bytes, info) = layer.finish().unwrap();
        (bytes.into_inner(), info)
    };
    let (blob, info) = write(&before, None);
    assert_eq!(Blocks::decode(&info.blocks.encode()), info.blocks);
    let earlier = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Earlier::new(file, &Blocks::decode(&info.blocks.encode()))
    };
    let alone = write(&after, None);
    assert_eq!(write(&after, Some(earlier(&blob))), alone);
    let flipped: Vec<u8> = blob.iter().map(|byte| !byte).collect();
    for damaged in [&flipped[..], &blob[..1000], &[]] {
        assert_eq!(write(&after, Some(earlier(damaged))), alone);
    }
    // The places of most blocks are those of the same bytes, an edit's length further on.
    let shared = info.blocks.in_common(&alone.1.blocks);
    assert!(shared > 0 && shared + 3 >= info.blocks.len(), "{shared} of {}", info.blocks.len());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    for actual in [3, 5] {
        let mut layer = LayerWriter::new(Cursor::new(Vec::new()), &WriteOptions::default());
        let error = layer.append(&Entry::file("log", 4), &b"12345"[..actual]).unwrap_err();
        assert!(
            error.to_string().starts_with("log changed while it was being read: 4 bytes announced"),
            "{error}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    let options = WriteOptions { compression: Compression::None, ..WriteOptions::default() };
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut layer = LayerWriter::new(full, &options);
    let content = vec![7; 8 << 20];
    let error = layer
        .append(&Entry::file("big", content.len() as u64), &content[..])
        .and_then(|()| layer.finish().map(|_| ()))
        .unwrap_err();
    assert_eq!((error.to_string().as_str(), error.os_error()), ("writing the layer", Some(28)));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(recompress(&content[..], full, &WriteOptions::default()).unwrap_err().os_error(), Some(28));
}

#[test]
fn entries_come_sorted_by_the_bytes_of_their_names() {
    let tree = TempDir::new().unwrap();
    plant(tree.path(), "a/b 0644 x\n a.b 0644 x\n a- 0644 x\n Z 0644 x\n é 0644 x");
    let mut names = Vec::new();
    let options = DiffOptions { upper: Upper::Overlay, ..DiffOptions::default() };
    diff(tree.path(), &[], &options, |change| {
        names.push(change.entry.path.display().to_string());
        Ok(())
    })
    .unwrap();
    assert_eq!(names, ["Z", "a", "a/b", "a-", "a.b", "é"]);
}
