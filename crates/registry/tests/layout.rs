//! The layout on disk: what it promises about names, crashes, corruption and company.

#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::time::{Duration, SystemTime};

use wharf_oci::{Descriptor, Digest, Index, Manifest, MediaType, digest::sha256};
use wharf_registry::{Claim, Condition, Document, Layout, LayoutError, Name};

fn layout() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::open(directory.path().join("store")).unwrap();
    (directory, layout)
}

fn ingest_files(layout: &Layout) -> usize {
    fs::read_dir(layout.root().join("ingest")).unwrap().count()
}

fn some_descriptor(text: &str) -> Descriptor {
    Descriptor::of(MediaType::ImageManifest, text.as_bytes())
}

#[test]
fn what_is_written_is_found_under_its_digest() {
    let (_directory, layout) = layout();
    let mut writer = layout.writer().unwrap();
    writer.write_all(b"hello ").unwrap();
    writer.write_all(b"world").unwrap();
    assert_eq!(writer.written(), 11);
    let content = writer.commit(None).unwrap();
    assert_eq!(content.digest, sha256(b"hello world"));
    assert_eq!(layout.read(&content.digest).unwrap(), b"hello world");
    assert_eq!(layout.size(&content.digest), Some(11));
    assert_eq!(ingest_files(&layout), 0);
}

#[test]
fn a_writer_that_is_dropped_or_wrong_leaves_nothing() {
    let (_directory, layout) = layout();
    let mut writer = layout.writer().unwrap();
    writer.write_all(b"half").unwrap();
    drop(writer);
    let mut writer = layout.writer().unwrap();
    writer.write_all(b"other").unwrap();
    let error = writer.commit(Some(&sha256(b"expected"))).unwrap_err();
    assert!(matches!(error, LayoutError::Corrupt { .. }), "{error}");
    assert_eq!(ingest_files(&layout), 0);
    assert!(layout.blobs().unwrap().is_empty());
}

#[test]
fn the_directory_is_a_layout_as_others_know_it() {
    let (_directory, layout) = layout();
    let marker: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.root().join("oci-layout")).unwrap()).unwrap();
    assert_eq!(marker["imageLayoutVersion"], "1.0.0");
    layout.tag("v1", &some_descriptor("x")).unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.root().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v1");
}

#[test]
fn a_directory_that_is_no_layout_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Layout::existing(directory.path()), Err(LayoutError::NotALayout { .. })));
    fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"9"}"#).unwrap();
    assert!(matches!(Layout::open(directory.path()), Err(LayoutError::NotALayout { .. })));
}

#[test]
fn left_overs_of_the_dead_go_and_work_of_the_living_stays() {
    let (_directory, layout) = layout();
    fs::write(layout.root().join("ingest/.tmpDEAD"), b"left by a killed process").unwrap();
    let mut living = layout.writer().unwrap();
    living.write_all(b"alive").unwrap();
    let reopened = Layout::open(layout.root()).unwrap();
    assert!(!reopened.root().join("ingest/.tmpDEAD").exists());
    living.commit(Some(&sha256(b"alive"))).unwrap();
}

#[test]
fn partial_downloads_are_kept_for_a_week() {
    let (_directory, layout) = layout();
    let path = layout.root().join("ingest/sha256-abc.partial");
    fs::write(&path, b"bytes").unwrap();
    Layout::open(layout.root()).unwrap();
    assert!(path.exists());
    let old = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    Layout::open(layout.root()).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_corrupt_blob_is_noticed_discarded_and_written_anew() {
    let (_directory, layout) = layout();
    let content = layout.put(b"precious").unwrap();
    fs::write(layout.path(&content.digest), b"precioux").unwrap();
    let error = layout.read(&content.digest).unwrap_err();
    assert!(matches!(&error, LayoutError::Corrupt { digest, .. } if *digest == content.digest), "{error}");
    assert!(layout.verify(&content.descriptor(MediaType::ImageLayer)).is_err());
    layout.discard(&content.digest).unwrap();
    layout.discard(&content.digest).unwrap();
    assert!(matches!(layout.read(&content.digest), Err(LayoutError::Missing { .. })));
    layout.put(b"precious").unwrap();
    layout.verify(&content.descriptor(MediaType::ImageLayer)).unwrap();
}

#[test]
fn a_blob_of_the_wrong_size_is_fetched_again() {
    let (_directory, layout) = layout();
    let content = layout.put(b"precious").unwrap();
    fs::write(layout.path(&content.digest), b"prec").unwrap();
    let claim = layout.claim(&content.descriptor(MediaType::ImageLayer)).unwrap();
    let Claim::Mine(mut partial) = claim else { panic!("{claim:?}") };
    partial.append(b"precious").unwrap();
    partial.commit().unwrap();
    assert_eq!(layout.read(&content.digest).unwrap(), b"precious");
}

#[test]
fn one_fetches_while_others_wait_and_a_broken_fetch_goes_on() {
    let (_directory, layout) = layout();
    let blob = Descriptor::of(MediaType::ImageLayer, b"0123456789");
    let Claim::Mine(mut partial) = layout.claim(&blob).unwrap() else { panic!("nobody else fetches it") };
    assert!(matches!(layout.claim(&blob).unwrap(), Claim::Busy));
    partial.append(b"0123").unwrap();
    drop(partial);
    let Claim::Mine(mut partial) = layout.claim(&blob).unwrap() else { panic!("it is free again") };
    assert_eq!(partial.received(), 4);
    assert!(partial.append(b"456789 and more").is_err());
    partial.append(b"456789").unwrap();
    partial.commit().unwrap();
    assert!(matches!(layout.claim(&blob).unwrap(), Claim::Present));
    assert_eq!(ingest_files(&layout), 0);
}

#[test]
fn a_fetch_with_the_wrong_bytes_leaves_nothing_behind() {
    let (_directory, layout) = layout();
    let blob = Descriptor::of(MediaType::ImageLayer, b"right");
    let Claim::Mine(mut partial) = layout.claim(&blob).unwrap() else { panic!() };
    partial.append(b"wrong").unwrap();
    assert!(matches!(partial.commit(), Err(LayoutError::Corrupt { .. })));
    let Claim::Mine(mut partial) = layout.claim(&blob).unwrap() else { panic!() };
    assert_eq!(partial.received(), 0);
    partial.append(b"rig").unwrap();
    assert!(matches!(partial.commit(), Err(LayoutError::Corrupt { .. })));
    assert!(!layout.has(&blob.digest));
}

#[test]
fn sha512_content_has_a_place_too() {
    let (_directory, layout) = layout();
    let digest: Digest = "sha512:a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62".parse().unwrap();
    layout.put_as(&digest, b"x").unwrap();
    assert_eq!(layout.read(&digest).unwrap(), b"x");
    assert!(layout.put_as(&digest, b"y").is_err());
    assert!(layout.put_as(&"md5:abc".parse().unwrap(), b"y").is_err());
    assert_eq!(layout.blobs().unwrap().len(), 1);
}

#[test]
fn names_are_set_moved_and_forgotten() {
    let (_directory, layout) = layout();
    let (one, two) = (some_descriptor("1"), some_descriptor("2"));
    layout.tag("docker.io/library/python:3.11", &one).unwrap();
    layout.tag("b", &two).unwrap();
    layout.tag("b", &one).unwrap();
    assert_eq!(layout.resolve("b").unwrap(), Some(one.clone()));
    let names: Vec<_> = layout.refs().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "docker.io/library/python:3.11"]);
    assert!(!layout.tag_if_absent("b", &two).unwrap());
    assert!(layout.untag("b").unwrap() && !layout.untag("b").unwrap());
    assert_eq!(layout.resolve("b").unwrap(), None);
}

#[test]
fn of_many_who_claim_a_name_one_gets_it_and_no_name_is_lost() {
    let (_directory, layout) = layout();
    let winners: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                // A handle of its own, as another process would have.
                let layout = Layout::open(layout.root()).unwrap();
                scope.spawn(move || {
                    let mine = some_descriptor(&number.to_string());
                    layout.tag(&format!("own-{number}"), &mine).unwrap();
                    usize::from(layout.tag_if_absent("contested", &mine).unwrap())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(winners, 1);
    assert_eq!(layout.refs().unwrap().len(), 9);
}

fn manifest(layout: &Layout, text: &str, subject: Option<Descriptor>) -> Document {
    let config = layout.put(text.as_bytes()).unwrap().descriptor(MediaType::ImageConfig);
    let mut manifest = Manifest::new(config, vec![]);
    manifest.subject = subject;
    Document::of_manifest(&manifest)
}

#[test]
fn manifests_follow_the_rules_of_registries() {
    let (_directory, layout) = layout();
    let (one, two) = (manifest(&layout, "1", None), manifest(&layout, "2", None));
    let put = |document: &Document, condition| layout.put_manifest(Name::Tag("v1"), document, condition);
    put(&one, Condition::Absent).unwrap();
    assert!(matches!(put(&one, Condition::Absent), Err(LayoutError::Taken { .. })));
    put(&one, Condition::Unchanged).unwrap();
    assert!(matches!(put(&two, Condition::Unchanged), Err(LayoutError::Taken { .. })));
    put(&two, Condition::Always).unwrap();

    // The one that lost its tag is still there by its digest, until it is deleted.
    let by_digest = Name::Digest(&one.descriptor.digest);
    assert_eq!(layout.manifest(by_digest).unwrap().unwrap(), one);
    assert!(layout.delete_manifest(by_digest).unwrap());
    assert_eq!(layout.manifest(by_digest).unwrap(), None);
    assert!(layout.delete_manifest(Name::Tag("v1")).unwrap());
    assert_eq!(layout.manifest_tags().unwrap(), Vec::<String>::new());
    assert!(layout.manifest(Name::Digest(&two.descriptor.digest)).unwrap().is_some());
}

#[test]
fn a_manifest_must_be_one_and_have_its_parts() {
    let (_directory, layout) = layout();
    let absent = Descriptor::of(MediaType::ImageConfig, b"absent");
    let document = Document::of_manifest(&Manifest::new(absent.clone(), vec![]));
    let error = layout.put_manifest(Name::Tag("v1"), &document, Condition::Always).unwrap_err();
    assert!(matches!(error, LayoutError::Missing { digest, .. } if digest == absent.digest));
    let nonsense = Document::new(MediaType::ImageManifest, &b"[]"[..]);
    let error = layout.put_manifest(Name::Tag("v1"), &nonsense, Condition::Always).unwrap_err();
    assert!(matches!(error, LayoutError::Invalid { .. }));
    assert_eq!(layout.manifest_tags().unwrap(), Vec::<String>::new());
}

#[test]
fn referrers_are_listed_with_their_type() {
    let (_directory, layout) = layout();
    let image = manifest(&layout, "image", None);
    let about = manifest(&layout, "signature", Some(image.descriptor.clone()));
    layout.put_manifest(Name::Digest(&about.descriptor.digest), &about, Condition::Always).unwrap();
    let found = layout.manifest_referrers(&image.descriptor.digest).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].digest, about.descriptor.digest);
    assert_eq!(found[0].artifact_type, Some(MediaType::ImageConfig));
    assert_eq!(layout.manifest_referrers(&about.descriptor.digest).unwrap(), vec![]);
}

#[test]
fn pruning_takes_only_what_nothing_leads_to_and_nothing_young() {
    let (_directory, layout) = layout();
    let image = manifest(&layout, "kept", None);
    layout.put_manifest(Name::Tag("v1"), &image, Condition::Always).unwrap();
    let index = Document::of_index(&Index::new(vec![image.descriptor.clone()]));
    layout.put_manifest(Name::Tag("all"), &index, Condition::Always).unwrap();
    layout.delete_manifest(Name::Digest(&image.descriptor.digest)).unwrap();
    let loose = layout.put(b"loose").unwrap();
    let held = layout.put(b"held").unwrap();
    let keep = HashSet::from([held.digest.clone()]);

    assert_eq!(layout.prune(&keep, Duration::from_secs(3600)).unwrap().blobs, 0);
    let pruned = layout.prune(&keep, Duration::ZERO).unwrap();
    assert_eq!((pruned.blobs, pruned.bytes), (1, 5));
    assert!(!layout.has(&loose.digest) && layout.has(&held.digest));
    assert!(layout.manifest(Name::Tag("all")).unwrap().is_some());
    assert!(layout.has(&sha256(b"kept")), "the index leads to the image, and that to its config");
}

#[test]
fn a_blob_passes_from_layout_to_layout_without_a_copy() {
    use std::os::unix::fs::MetadataExt;
    let (_directory, layout) = layout();
    let other = Layout::open(layout.root().join("../other")).unwrap();
    let content = other.put(b"shared").unwrap();
    assert!(layout.take_from(&other, &content.digest).unwrap());
    assert!(!layout.take_from(&other, &sha256(b"unknown")).unwrap());
    let inode = |layout: &Layout| fs::metadata(layout.path(&content.digest)).unwrap().ino();
    assert_eq!(inode(&layout), inode(&other));
}

#[test]
fn a_document_too_large_for_memory_is_not_read() {
    let (_directory, layout) = layout();
    let digest = sha256(b"");
    fs::File::create(layout.path(&digest)).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(layout.read(&digest), Err(LayoutError::TooLarge { .. })));
}

#[test]
fn a_broken_index_is_named() {
    let (_directory, layout) = layout();
    fs::write(layout.root().join("index.json"), "{").unwrap();
    let error = layout.refs().unwrap_err();
    assert!(matches!(&error, LayoutError::Malformed { path, .. } if path.ends_with("index.json")), "{error}");
}
