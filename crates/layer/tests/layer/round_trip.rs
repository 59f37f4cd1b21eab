//! A tree, its layer, and the same tree again.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Cursor, Read, Seek, SeekFrom, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    process::Command,
};

use rustix::fs::FileType;
use tempfile::TempDir;
use wharf_layer::{
    Compression, DiffOptions, Form, Kind, LayerReader, LayerWriter, OpaqueXattr, Ownership, Precision,
    WriteOptions, apply, recompress, verify_blob, write_diff,
};

use crate::trees::{describe, is_root, mknod, options, plant, set_time, settle};

const FORMATS: [Compression; 4] =
    [Compression::None, Compression::GZIP, Compression::Gzip { level: 1 }, Compression::ZSTD];

/// Every kind of file and name that a layer is to carry.
fn plant_everything(root: &Path) {
    plant(
        root,
        "bin/tool 4755 x\n tmp/ 1777\n etc/empty 0600\n d/link -> ../bin/tool\n two = bin/tool\n dangling -> /no",
    );
    let long = "n".repeat(100);
    plant(
        root,
        &format!("{long}/{long}/{long} 0644 deep\n {long}/l -> {long}/{long}\n {}/ 0755", "d".repeat(101)),
    );
    plant(root, &format!("{long}/h = {long}/{long}/{long}\n grüße/日本 0644 text"));
    fs::write(root.join(OsStr::from_bytes(b"not \xff utf-8")), "x").unwrap();
    let mut sparse = File::create(root.join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(3 << 20)).unwrap();
    sparse.write_all(b"end").unwrap();
    mknod(&root.join("fifo"), FileType::Fifo, 0, 0);
    if is_root() {
        mknod(&root.join("null"), FileType::CharacterDevice, 1, 3);
        mknod(&root.join("disk"), FileType::BlockDevice, 259, 65536);
        std::os::unix::fs::lchown(root.join("dangling"), Some(5), Some(6)).unwrap();
        std::os::unix::fs::chown(root.join("sparse"), Some(3_000_000_000), Some(4_000_000_000)).unwrap();
        let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        xattr::set(root.join("sparse"), "security.capability", capability).unwrap();
    }
    settle(root, 1_600_000_000);
    set_time(&root.join("etc/empty"), 1_600_000_000, 123_456_789);
    set_time(&root.join("d/link"), -5, 500_000_000);
    set_time(&root.join("tmp"), 1 << 34, 0);
}

fn write(root: &Path, options: &WriteOptions) -> (Vec<u8>, wharf_layer::LayerInfo) {
    let ownership = if rustix::process::geteuid().is_root() { Ownership::Real } else { Ownership::Recorded };
    let diff = DiffOptions { ownership, ..DiffOptions::default() };
    let layer = LayerWriter::new(Cursor::new(Vec::new()), options);
    let (out, info) = write_diff(root, &[], &diff, layer).unwrap();
    (out.into_inner(), info)
}

#[test]
fn a_tree_survives_every_compression_and_form() {
    let tree = TempDir::new().unwrap();
    plant_everything(tree.path());
    for compression in FORMATS {
        let options_ =
            WriteOptions { compression, precision: Precision::Nanoseconds, ..WriteOptions::default() };
        let (blob, info) = write(tree.path(), &options_);
        assert_eq!(verify_blob(&blob[..], &info.digest).unwrap(), info.size);
        for form in [Form::Plain, Form::Overlay(OpaqueXattr::User)] {
            let copy = TempDir::new().unwrap();
            let applied = apply(&blob[..], copy.path(), &options(form)).unwrap();
            assert_eq!(
                (applied.diff_id, applied.uncompressed_size),
                (info.diff_id.clone(), info.uncompressed_size)
            );
            assert_eq!(describe(copy.path()), describe(tree.path()));
        }
    }
}

#[test]
fn times_are_cut_to_seconds_and_clamped_on_demand() {
    let tree = TempDir::new().unwrap();
    plant(tree.path(), "early 0644 x\n late 0644 x");
    set_time(&tree.path().join("early"), 1000, 999_999_999);
    set_time(&tree.path().join("late"), 3000, 5);
    let times = |latest_mtime, precision| {
        let (blob, _) =
            write(tree.path(), &WriteOptions { latest_mtime, precision, ..WriteOptions::default() });
        let copy = TempDir::new().unwrap();
        apply(&blob[..], copy.path(), &options(Form::Plain)).unwrap();
        ["early", "late"].map(|name| {
            let metadata = copy.path().join(name).metadata().unwrap();
            (metadata.mtime(), metadata.mtime_nsec())
        })
    };
    assert_eq!(times(None, Precision::Seconds), [(1000, 0), (3000, 0)]);
    assert_eq!(times(None, Precision::Nanoseconds), [(1000, 999_999_999), (3000, 5)]);
    assert_eq!(times(Some(2000), Precision::Nanoseconds), [(1000, 999_999_999), (2000, 0)]);
}

#[test]
fn gnu_tar_reads_what_we_write() {
    let tree = TempDir::new().unwrap();
    plant_everything(tree.path());
    for compression in FORMATS {
        let (blob, _) = write(tree.path(), &WriteOptions { compression, ..WriteOptions::default() });
        let file = TempDir::new().unwrap();
        let (path, copy) = (file.path().join("layer"), file.path().join("copy"));
        fs::write(&path, blob).unwrap();
        fs::create_dir(&copy).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-permissions"]);
        let output = tar.arg("--file").arg(&path).arg("--directory").arg(&copy).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let without_fractions = TempDir::new().unwrap();
        apply(File::open(&path).unwrap(), without_fractions.path(), &options(Form::Plain)).unwrap();
        assert_eq!(describe(&copy), describe(without_fractions.path()));
    }
}

#[test]
fn the_tar_crate_reads_what_we_write() {
    let tree = TempDir::new().unwrap();
    plant_everything(tree.path());
    let (blob, _) =
        write(tree.path(), &WriteOptions { compression: Compression::None, ..WriteOptions::default() });
    let mut ours = LayerReader::new(&blob[..]).unwrap();
    let mut theirs = tar::Archive::new(&blob[..]);
    for entry in theirs.entries().unwrap() {
        let mut entry = entry.unwrap();
        let our = ours.next_entry().unwrap().unwrap();
        assert_eq!(
            our.path.as_os_str().as_bytes(),
            entry.path_bytes().strip_suffix(b"/").unwrap_or(&entry.path_bytes())
        );
        assert_eq!(u64::from(our.metadata.mode), u64::from(entry.header().mode().unwrap()));
        if let Kind::File { size } = our.kind {
            assert_eq!(size, entry.size());
        }
        let (mut a, mut b) = (Vec::new(), Vec::new());
        ours.read_to_end(&mut a).unwrap();
        entry.read_to_end(&mut b).unwrap();
        assert_eq!(a, b);
    }
    assert_eq!(ours.next_entry().unwrap(), None);
}

#[test]
fn another_compression_keeps_the_tar_stream() {
    let tree = TempDir::new().unwrap();
    plant_everything(tree.path());
    let (blob, info) = write(tree.path(), &WriteOptions::default());
    for compression in FORMATS {
        let options = WriteOptions { compression, ..WriteOptions::default() };
        let (again, changed) = recompress(&blob[..], Cursor::new(Vec::new()), &options).unwrap();
        assert_eq!((&changed.diff_id, changed.uncompressed_size), (&info.diff_id, info.uncompressed_size));
        assert_eq!(verify_blob(again.get_ref().as_slice(), &changed.digest).unwrap(), changed.size);
    }
    let clamped = WriteOptions { latest_mtime: Some(7), ..WriteOptions::default() };
    let (_, rewritten) = recompress(&blob[..], Cursor::new(Vec::new()), &clamped).unwrap();
    assert_eq!(rewritten.digest, write(tree.path(), &clamped).1.digest, "as if written so at once");
}

#[test]
fn the_sparse_files_of_gnu_tar_keep_their_holes() {
    let dir = TempDir::new().unwrap();
    let mut sparse = File::create(dir.path().join("sparse")).unwrap();
    for megabyte in 0..40 {
        sparse.seek(SeekFrom::Start(megabyte << 20)).unwrap();
        sparse.write_all(b"island").unwrap();
    }
    sparse.set_len(50 << 20).unwrap();
    fs::File::create(dir.path().join("void")).unwrap().set_len(1 << 20).unwrap();
    for format in [&["--format=gnu"][..], &["--format=posix"], &["--format=posix", "--sparse-version=0.1"]] {
        let mut tar = Command::new("tar");
        tar.args(["--create", "--sparse", "--file=-", "--directory"]).arg(dir.path()).args(format);
        let archive = tar.args(["sparse", "void"]).output().unwrap().stdout;
        let copy = TempDir::new().unwrap();
        apply(&archive[..], copy.path(), &options(Form::Plain)).unwrap();
        for name in ["sparse", "void"] {
            let (old, new) = (dir.path().join(name), copy.path().join(name));
            assert!(fs::read(&old).unwrap() == fs::read(&new).unwrap(), "{name} {format:?}");
            assert!(new.metadata().unwrap().blocks() < 2048, "{name} has holes");
        }
    }
}

#[test]
fn a_directory_nobody_may_write_to_is_filled_first() {
    let tree = TempDir::new().unwrap();
    plant(tree.path(), "locked/in/file 0444 x");
    let (blob, _) = write(tree.path(), &WriteOptions::default());
    fs::set_permissions(tree.path().join("locked/in"), fs::Permissions::from_mode(0o555)).unwrap();
    let (locked, _) = write(tree.path(), &WriteOptions::default());
    assert_ne!(blob, locked);
    let copy = TempDir::new().unwrap();
    apply(&locked[..], copy.path(), &options(Form::Plain)).unwrap();
    assert_eq!(describe(copy.path()), describe(tree.path()));
}
