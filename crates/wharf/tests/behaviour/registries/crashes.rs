//! Two registries on one directory, one after the other killed at any moment, while many push to both and rubbish is
//! collected: what was acknowledged is there in the end.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use wharf_oci::Digest;
use wharf_oci::digest::sha256;

use crate::world::{Registry, WHARF, World};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const KILLS: usize = 24;
const PUSHERS: usize = 4;
/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the registries have said that they keep.
#[derive(Default)]
struct Acknowledged {
    blobs: HashMap<Digest, Vec<u8>>,
    /// By tag.
    manifests: BTreeMap<String, Vec<u8>>,
}

/// What all pushers know.
#[derive(Default)]
struct Stage {
    addresses: Mutex<Vec<String>>,
    acknowledged: Mutex<Acknowledged>,
    over: AtomicBool,
}

impl Stage {
    fn count(&self) -> usize {
        let acknowledged = self.acknowledged.lock().unwrap();
        acknowledged.blobs.len() + acknowledged.manifests.len()
    }

    fn address(&self, number: usize) -> String {
        self.addresses.lock().unwrap()[number % 2].clone()
    }
}

/// Somebody who pushes one small image after the other, each to the other registry, and notes what was acknowledged.
struct Pusher {
    number: usize,
    stage: Arc<Stage>,
    http: reqwest::Client,
}

impl Pusher {
    async fn push_until_it_is_over(self) {
        for nth in 0.. {
            if self.stage.over.load(Ordering::SeqCst) {
                return;
            }
            // A registry that has just been killed answers nobody; the next image goes to the other one.
            if self.push(nth).await.is_none() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    async fn push(&self, nth: usize) -> Option<()> {
        let base = format!("http://{}/v2/app{}", self.stage.address(nth + self.number), self.number % 2);
        let size = [20, 70_000, 400_000][nth % 3];
        let mut content = format!("{} {nth} ", self.number).into_bytes();
        content.resize(size, self.number as u8);
        let digest = self.push_blob(&base, content, nth.is_multiple_of(2)).await?;
        let config =
            json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": size});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}).to_string();
        let tag = format!("t{}-{nth}", self.number);
        let put = self.http.put(format!("{base}/manifests/{tag}")).header("content-type", MANIFEST);
        let answer = put.body(manifest.clone()).send().await.ok()?;
        assert_eq!(answer.status(), 201, "{tag}");
        let name = format!("app{}:{tag}", self.number % 2);
        self.stage.acknowledged.lock().unwrap().manifests.insert(name, manifest.into_bytes());
        Some(())
    }

    /// In one piece or in two.
    async fn push_blob(&self, base: &str, content: Vec<u8>, whole: bool) -> Option<Digest> {
        let opened = self.http.post(format!("{base}/blobs/uploads/")).send().await.ok()?;
        let location = opened.headers().get("location")?.to_str().unwrap().to_owned();
        let host = base.split("/v2/").next().unwrap();
        let digest = sha256(&content);
        let half = if whole { 0 } else { content.len() / 2 };
        if !whole {
            let patch = self.http.request(Method::PATCH, format!("{host}{location}"));
            let answer = patch.body(content[..half].to_vec()).send().await.ok()?;
            assert_eq!(answer.status(), 202);
        }
        let put = self.http.put(format!("{host}{location}?digest={digest}"));
        let answer = put.body(content[half..].to_vec()).send().await.ok()?;
        assert_eq!(answer.status(), 201);
        self.stage.acknowledged.lock().unwrap().blobs.insert(digest.clone(), content);
        Some(digest)
    }
}

fn collect(data: &Path) {
    let ran = Command::new(WHARF)
        .args(["registry", "gc", "--delete-untagged", "--grace", "1", "--data"])
        .arg(data)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn registries_that_are_killed_at_any_moment_lose_nothing_that_they_acknowledged() {
    let world = World::new();
    let data = world.path("registry");
    let mut registries = vec![Registry::wharf(&data, &[]), Registry::wharf(&data, &[])];
    let stage = Arc::new(Stage::default());
    *stage.addresses.lock().unwrap() =
        registries.iter().map(|registry| registry.address().to_owned()).collect();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|number| {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let pusher = Pusher { number, stage: stage.clone(), http };
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(pusher.push_until_it_is_over());
            })
        })
        .collect();
    for kill in 0..KILLS {
        // Each time a little further into whatever is being done just then.
        let (since, goal) = (Instant::now(), stage.count() + 3);
        while stage.count() < goal {
            assert!(since.elapsed() < PATIENCE, "nothing is acknowledged any more");
            std::thread::sleep(Duration::from_micros(200 + 137 * kill as u64));
        }
        // The old one goes, killed, as its place is taken; at a port of its own, as another may have this one by then.
        registries[kill % 2] = Registry::wharf(&data, &[]);
        stage.addresses.lock().unwrap()[kill % 2] = registries[kill % 2].address().to_owned();
        if kill % 8 == 0 {
            collect(&data);
        }
    }
    stage.over.store(true, Ordering::SeqCst);
    for pusher in pushers {
        pusher.join().unwrap();
    }
    drop(registries);
    collect(&data);
    assert_all_there(&Registry::wharf(&data, &[]), &stage.acknowledged.lock().unwrap());
}

fn assert_all_there(registry: &Registry, acknowledged: &Acknowledged) {
    assert!(acknowledged.blobs.len() >= KILLS, "{} blobs", acknowledged.blobs.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: String| {
        runtime.block_on(async {
            let answer = http.get(format!("http://{}/v2/{path}", registry.address())).send().await.unwrap();
            (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
        })
    };
    for (name, manifest) in &acknowledged.manifests {
        let (repository, tag) = name.split_once(':').unwrap();
        let (status, found) = get(format!("{repository}/manifests/{tag}"));
        assert_eq!(status, 200, "{name}");
        assert!(found == *manifest, "{name}");
    }
    for (digest, content) in &acknowledged.blobs {
        // It is in the one or the other, by who pushed it.
        let found = ["app0", "app1"].map(|repository| get(format!("{repository}/blobs/{digest}")));
        let found = found.iter().find(|(status, _)| *status == 200);
        assert!(found.is_some_and(|(_, bytes)| bytes == content), "{digest}");
    }
}
