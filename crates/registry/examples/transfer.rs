//! Measures a push and a pull of one large layer: `transfer HOST[/REPOSITORY] MEBIBYTES [DIRECTORY]`.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::error::Error;
use std::time::Instant;

use wharf_oci::{Platform, Reference};
use wharf_registry::{Client, Layout, Settings, pull, push};
use wharf_testkit::fixture;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, size, rest @ ..] = arguments.as_slice() else {
        return Err("usage: transfer HOST[/REPOSITORY] MEBIBYTES [DIRECTORY]".into());
    };
    let target = if target.contains('/') { target.clone() } else { format!("{target}/bench") };
    let (to, size): (Reference, u64) = (target.parse()?, size.parse::<u64>()? << 20);
    let parent = rest.first().map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(parent)?;
    let here = Layout::open(directory.path().join("here"))?;
    let there = Layout::open(directory.path().join("there"))?;
    let image = fixture::bulky_image(&here, size);
    let client = Client::new(Settings::default())?;

    let report = |what: &str, begin: Instant| {
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{what}: {:.3} s, {:.0} MB/s, peak {} MiB",
            seconds,
            size as f64 / 1e6 / seconds,
            peak_mib()
        );
    };
    let begin = Instant::now();
    push(&here, &image, &client, &to, &["v1".into()], &|_| {}).await?;
    report("push", begin);
    let begin = Instant::now();
    push(&here, &image, &Client::new(Settings::default())?, &to, &["v1".into()], &|_| {}).await?;
    println!("push again: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    let begin = Instant::now();
    pull(&client, &to.with_tag("v1")?, &Platform::new("linux", "amd64", None), &there, &|_| {}).await?;
    report("pull", begin);
    Ok(())
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) >> 10
}
