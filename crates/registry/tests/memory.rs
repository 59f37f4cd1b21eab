//! Memory does not depend on the size of what travels. Alone in its process, because it looks at the whole of it.

#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

use wharf_oci::{Platform, Reference};
use wharf_registry::{Client, Layout, Outcome, Settings, pull, push};
use wharf_testkit::{FaultyRegistry, fixture};

const SIZE: u64 = 256 << 20;
/// For client and registry together, both of them in this process.
const ALLOWED: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_layer_travels_through_little_memory() {
    let directory = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| Layout::open(directory.path().join(name)).unwrap());
    let image = fixture::bulky_image(&here, SIZE);
    let registry = FaultyRegistry::start();
    let to: Reference = format!("{}/big", registry.host()).parse().unwrap();
    let client = Client::new(Settings::default()).unwrap();
    let before = peak();
    let pushed = push(&here, &image, &client, &to, &["v1".into()], &|_| {}).await.unwrap();
    assert!(pushed.bytes(Outcome::Transferred) > SIZE);
    let platform = Platform::new("linux", "amd64", None);
    pull(&client, &to.with_tag("v1").unwrap(), &platform, &there, &|_| {}).await.unwrap();
    let grown = peak() - before;
    assert!(grown < ALLOWED, "{} MiB", grown >> 20);
}

/// The most memory that this process has held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
