//! What a builder is, what it keeps, and how that is removed.

use std::time::Duration;

use wharf_buildkit::transport;
use wharf_buildkit::upkeep::{self, Prune, Record};
use wharf_testkit::{Engine, Release, Wishes};

use super::{engine, engine_api, tar};

fn sum(records: &[Record]) -> u64 {
    records.iter().map(|record| record.bytes).sum()
}

#[tokio::test]
async fn a_builders_cache_is_measured_and_pruned() {
    // Its own: what is removed here is cache of the others.
    let engine = match Engine::start(Release::Bookworm, &Wishes::default()) {
        Ok(engine) => engine,
        Err(why) => return println!("skipped: {why}"),
    };
    let channel = transport::connect(&engine.address().parse().unwrap()).await.unwrap();
    assert_eq!(upkeep::version(&channel).await.unwrap(), None, "it is too old to say");
    assert_eq!(upkeep::workers(&channel).await.unwrap()[0].platforms[0], "linux/amd64");
    assert!(upkeep::usage(&channel, &[]).await.unwrap().is_empty());

    let context = tempfile::tempdir().unwrap();
    std::fs::write(context.path().join("Dockerfile"), "FROM scratch\nCOPY large /large\n").unwrap();
    std::fs::write(context.path().join("large"), "wharf ".repeat(100_000)).unwrap();
    let packed = tempfile::NamedTempFile::new().unwrap();
    tar(context.path(), packed.path());
    let file = packed.path().to_str().unwrap();
    let build =
        ["-X", "POST", "-H", "Content-Type: application/x-tar", "-T", file, "http://d/build?version=2"];
    let said = engine_api(&engine, &build);
    assert!(said.contains("moby.image.id"), "{said}");

    let kept = upkeep::usage(&channel, &[]).await.unwrap();
    assert!(sum(&kept) >= 600_000, "{kept:?}");
    let regular = upkeep::usage(&channel, &["type==regular".to_owned()]).await.unwrap();
    assert!(!regular.is_empty() && regular.iter().all(|record| record.kind == "regular"), "{regular:?}");

    let mut gone = Vec::new();
    let young = Prune { older_than: Duration::from_secs(24 * 3600), ..Prune::default() };
    upkeep::prune(&channel, &young, |record| gone.push(record)).await.unwrap();
    assert!(gone.is_empty(), "all of it is younger: {gone:?}");
    upkeep::prune(&channel, &Prune { all: true, ..Prune::default() }, |record| gone.push(record))
        .await
        .unwrap();
    assert!(!gone.is_empty());
    let left = upkeep::usage(&channel, &[]).await.unwrap();
    assert!(sum(&left) < sum(&kept), "{left:?}");
}

#[tokio::test]
async fn a_newer_builder_says_what_it_is() {
    let engine = engine!(Trixie);
    let channel = transport::connect(&engine.address().parse().unwrap()).await.unwrap();
    let workers = upkeep::workers(&channel).await.unwrap();
    assert!(workers[0].labels.keys().any(|label| label.contains("worker")), "{workers:?}");
    upkeep::version(&channel).await.unwrap();
}
