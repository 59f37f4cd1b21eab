//! How long a sandbox takes to start and end: `cargo run --release --example start_time -- [count] [lowers] [ballast MiB]`.

#![allow(clippy::print_stdout, reason = "the output is what it is for")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use wharf_sandbox::{Network, Overlay, Root, Spec, Stdio, Upper, enter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (count, lowers, ballast) = (number(200)?, number(1)?, number(0)?);

    let sandbox = enter()?;
    let place = tempfile::tempdir()?;
    let layers: Vec<_> = (0..lowers).map(|number| place.path().join(format!("layer-{number}"))).collect();
    for layer in &layers {
        fs::create_dir(layer)?;
    }
    busybox(&layers[0])?;
    // Memory that every fork has to map again.
    let ballast = vec![1_u8; ballast << 20];

    for network in [Network::Host, Network::Isolated] {
        let mut times = Vec::with_capacity(count);
        for run in 0..count {
            let [dir, work] = ["upper", "work"].map(|name| place.path().join(format!("{name}-{run}")));
            fs::create_dir(&dir)?;
            fs::create_dir(&work)?;
            let overlay = Overlay {
                lowers: layers.clone(),
                upper: Some(Upper { dir: dir.clone(), work: work.clone() }),
                volatile: false,
            };
            let spec = Spec {
                network: network.clone(),
                stdout: Stdio::Null,
                stderr: Stdio::Null,
                ..Spec::new(Root::Overlay(overlay), vec!["/bin/true".to_owned()])
            };
            let start = Instant::now();
            let status = sandbox.spawn(&spec)?.wait()?;
            times.push(start.elapsed());
            assert!(status.success());
            fs::remove_dir_all(&dir)?;
            fs::remove_dir_all(&work)?;
        }
        times.sort();
        let median = times[count / 2].as_secs_f64() * 1000.0;
        let best = times[0].as_secs_f64() * 1000.0;
        println!(
            "{:?}, {network:?} network, {lowers} layers, {} MiB: median {median:.2} ms, best {best:.2} ms",
            sandbox.rung(),
            ballast.len() >> 20
        );
    }
    Ok(())
}

fn busybox(root: &Path) -> std::io::Result<()> {
    fs::create_dir(root.join("bin"))?;
    fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    symlink("busybox", root.join("bin/true"))
}
