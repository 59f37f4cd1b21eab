//! Archives as `ADD` meets them.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use wharf_layer::{
    Compression, Entry, Form,
    archive::{ExtractOptions, extract, is_archive},
};

use crate::trees::{is_root, layer, names, options, plant};

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn plain_archive(entries: &[Entry]) -> Vec<u8> {
    let options = wharf_layer::WriteOptions { compression: Compression::None, ..Default::default() };
    crate::trees::layer_with(entries, &options)
}

/// `bytes` as a program of the system compresses them; `None` where it is not installed.
fn compressed_by(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    Some(child.wait_with_output().unwrap().stdout)
}

fn extract_options() -> ExtractOptions {
    ExtractOptions { ownership: options(Form::Plain).ownership, ..ExtractOptions::default() }
}

#[test]
fn every_compression_is_recognised_and_extracted() {
    let plain = plain_archive(&[Entry::file("a/b", 1000)]);
    for program in ["cat", "gzip", "bzip2", "xz", "zstd"] {
        let Some(bytes) = compressed_by(program, &plain) else {
            println!("not tried: {program} is not installed");
            continue;
        };
        let file = file_of(&bytes);
        assert!(is_archive(&file).unwrap(), "{program}");
        let root = TempDir::new().unwrap();
        assert_eq!(extract(&file, root.path(), Path::new("/"), &extract_options()).unwrap(), 1);
        assert_eq!(names(root.path()), ["a", "a/b"]);
    }
}

#[test]
fn what_is_no_archive_is_no_archive() {
    let text = "just text\n".repeat(1000);
    let gzipped_text = compressed_by("gzip", text.as_bytes()).unwrap();
    let empty_archive = plain_archive(&[]);
    let broken_gzip = &layer(&[Entry::file("a", 100_000)])[..20];
    for bytes in
        [b"", text.as_bytes(), &gzipped_text, &empty_archive, &[0; 2048], broken_gzip, b"BZh9", b"\xfd7zXZ\0"]
    {
        assert!(!is_archive(&file_of(bytes)).unwrap(), "{}", bytes[..bytes.len().min(20)].escape_ascii());
    }
}

#[test]
fn an_archive_that_goes_wrong_later_is_still_one() {
    let archive = plain_archive(&[Entry::file("a", 3), Entry::file("b", 3)]);
    let file = file_of(&archive[..1500]);
    assert!(is_archive(&file).unwrap());
    assert!(extract(&file, TempDir::new().unwrap().path(), Path::new("/"), &extract_options()).is_err());
}

#[test]
fn it_lands_in_the_directory_that_links_lead_to_and_no_higher() {
    let root = TempDir::new().unwrap();
    plant(root.path(), "opt/app/ 0755\n srv -> /opt/app\n etc/passwd 0644 x");
    let archive =
        plain_archive(&[Entry::file("new", 3), Entry::symlink("up", "/etc"), Entry::file("up/passwd", 3)]);
    extract(&file_of(&archive), root.path(), Path::new("/srv"), &extract_options()).unwrap();
    let expected = [
        "etc",
        "etc/passwd",
        "opt",
        "opt/app",
        "opt/app/etc",
        "opt/app/etc/passwd",
        "opt/app/new",
        "opt/app/up",
        "srv",
    ];
    assert_eq!(names(root.path()), expected);
    assert_eq!(fs::read(root.path().join("etc/passwd")).unwrap(), b"x");
    let error = extract(&file_of(&archive), root.path(), Path::new("/none"), &extract_options()).unwrap_err();
    assert_eq!(error.to_string(), "entering none");
}

#[test]
fn existing_directories_merge_and_whiteouts_are_files() {
    let root = TempDir::new().unwrap();
    plant(root.path(), "d/old 0644 x\n f/in 0644 x");
    let archive = plain_archive(&[Entry::directory("d"), Entry::file("d/.wh.old", 0), Entry::file("f", 2)]);
    extract(&file_of(&archive), root.path(), Path::new(""), &extract_options()).unwrap();
    assert_eq!(names(root.path()), ["d", "d/.wh.old", "d/old", "f"]);
}

#[test]
fn an_owner_given_replaces_the_ones_in_the_archive() {
    if !is_root() {
        return;
    }
    let root = TempDir::new().unwrap();
    let archive = plain_archive(&[Entry::directory("d"), Entry::file("d/f", 3), Entry::symlink("d/l", "f")]);
    let options = ExtractOptions { owner: Some((7, 8)), ..extract_options() };
    extract(&file_of(&archive), root.path(), Path::new("/"), &options).unwrap();
    for name in ["d", "d/f", "d/l"] {
        let metadata = root.path().join(name).symlink_metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (7, 8), "{name}");
    }
}
