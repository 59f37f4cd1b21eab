//! A log in a layout on disk: the same code that runs against a registry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use bytes::Bytes;
use wharf_ledger::{Actor, Kind, LogName, Record, Release, append, latest};
use wharf_oci::{Descriptor, Manifest, MediaType};
use wharf_registry::{Condition, Document, Layout, Name, Store};

fn record(op_id: &str, release: &Descriptor) -> Record {
    let actor = Actor { name: "robin".into(), run: None };
    let mut record = Record::new(LogName::ship(), Kind::Ship, op_id, actor, "2026-01-02T03:04:05Z");
    record.release = Some(Release {
        name: "myorg/churn".into(),
        version: op_id.into(),
        digest: release.digest.clone(),
        tags: vec![op_id.into()],
    });
    record
}

/// A store with one image in it.
async fn store(directory: &std::path::Path) -> (Layout, Descriptor) {
    let layout = Layout::open(directory).unwrap();
    let config = Bytes::from_static(b"{}");
    let descriptor = Descriptor::of(MediaType::ImageConfig, &config);
    layout.put_blob(&descriptor, &config).await.unwrap();
    let image = Document::of_manifest(&Manifest::new(descriptor, vec![]));
    layout.put_manifest(Name::Tag("1"), &image, Condition::Always).unwrap();
    (layout, image.descriptor)
}

#[tokio::test]
async fn entries_form_a_chain_and_the_newest_is_found_without_its_hint() {
    let directory = tempfile::tempdir().unwrap();
    let (store, image) = store(directory.path()).await;
    let log = LogName::ship();
    assert_eq!(latest(&store, &log).await.unwrap(), None);

    let mut parent = None;
    for n in 1..=3 {
        let appended = append(&store, &log, record(&format!("op-{n}"), &image), &image).await.unwrap();
        assert_eq!(appended.record.seq, n);
        assert_eq!(appended.record.parent, parent);
        parent = Some(appended.digest);
    }

    let first = store.manifest(Name::Tag(&log.slot(1))).unwrap().unwrap();
    store.put_manifest(Name::Tag(&log.head()), &first, Condition::Always).unwrap();
    let newest = latest(&store, &log).await.unwrap().unwrap();
    assert_eq!(newest.record.seq, 3, "a hint that lags behind is followed to the end");
    assert_eq!(newest.record.release.unwrap().digest, image.digest);
}

#[tokio::test]
async fn the_same_operation_twice_is_one_entry() {
    let directory = tempfile::tempdir().unwrap();
    let (store, image) = store(directory.path()).await;
    let log = LogName::ship();
    let once = append(&store, &log, record("op", &image), &image).await.unwrap();
    let twice = append(&store, &log, record("op", &image), &image).await.unwrap();
    assert_eq!((once.digest, once.record), (twice.digest, twice.record));
    assert!(!once.already && twice.already);
}

#[tokio::test]
async fn writers_at_once_all_get_a_place() {
    let directory = tempfile::tempdir().unwrap();
    let (store, image) = store(directory.path()).await;
    let log = LogName::ship();
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..6 {
        let (store, log, image) = (Layout::open(directory.path()).unwrap(), log.clone(), image.clone());
        writers.spawn(async move { append(&store, &log, record(&format!("op-{n}"), &image), &image).await });
    }
    let mut places: Vec<u64> = writers.join_all().await.into_iter().map(|a| a.unwrap().record.seq).collect();
    places.sort_unstable();
    assert_eq!(places, [1, 2, 3, 4, 5, 6]);
    assert_eq!(latest(&store, &log).await.unwrap().unwrap().record.seq, 6);
}

#[tokio::test]
async fn something_else_under_the_ledgers_name_is_damage_and_not_an_empty_log() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(directory.path()).await;
    let log = LogName::ship();
    let image = store.manifest(Name::Tag("1")).unwrap().unwrap();
    store.put_manifest(Name::Tag(&log.head()), &image, Condition::Always).unwrap();
    let error = latest(&store, &log).await.unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
}
