//! How fast layers are written and applied here: `cargo run --release -p wharf-layer --example throughput`.
//!
//! `throughput TREE` measures with a tree of your own as well.

#![allow(clippy::print_stdout, reason = "this program prints a table")]

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Read, Seek},
    path::Path,
    time::Instant,
};

use wharf_layer::{
    ApplyOptions, Compression, DiffOptions, Entry, Form, LayerInfo, LayerWriter, OpaqueXattr, Ownership,
    WriteOptions, apply, write_diff,
};

const LEVELS: [(&str, Compression); 5] = [
    ("none", Compression::None),
    ("gzip-1", Compression::Gzip { level: 1 }),
    ("gzip-6", Compression::GZIP),
    ("zstd-3", Compression::ZSTD),
    ("zstd-9", Compression::Zstd { level: 9 }),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:28} {:>8} {:>8} {:>8} {:>8} {:>8}", "what", "MB", "MB/s", "MB/cpu s", "ratio", "peak MB");
    for (name, compression) in LEVELS {
        let options = WriteOptions { compression, ..WriteOptions::default() };
        write(&format!("write text, {name}"), Text::default().take(200 << 20), 200 << 20, &options)?;
        write(&format!("write noise, {name}"), Noise(1).take(1 << 30), 1 << 30, &options)?;
    }
    if let Some(tree) = std::env::args_os().nth(1) {
        for (name, compression) in LEVELS {
            write_and_apply(
                Path::new(&tree),
                name,
                &WriteOptions { compression, ..WriteOptions::default() },
            )?;
        }
    }
    Ok(())
}

fn write(what: &str, content: impl Read, size: u64, options: &WriteOptions) -> Result<(), Box<dyn Error>> {
    let start = Start::now();
    let mut layer = LayerWriter::new(io::sink(), options);
    layer.append(&Entry::file("content", size), content)?;
    print(what, &layer.finish()?.1, start)?;
    Ok(())
}

fn write_and_apply(tree: &Path, name: &str, options: &WriteOptions) -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::TempDir::new()?;
    let start = Start::now();
    let blob = File::create_new(scratch.path().join("blob"))?;
    let (blob, info) = write_diff(tree, &[], &DiffOptions::default(), LayerWriter::new(blob, options))?;
    print(&format!("write tree, {name}"), &info, start)?;
    drop(blob);
    let mut blob = File::open(scratch.path().join("blob"))?;
    blob.rewind()?;
    let target = scratch.path().join("tree");
    fs::create_dir(&target)?;
    let start = Start::now();
    let applied =
        apply(blob, &target, &ApplyOptions::new(Form::Overlay(OpaqueXattr::Trusted), Ownership::Real))?;
    print(&format!("apply {} entries, {name}", applied.entries), &info, start)?;
    Ok(())
}

struct Start {
    wall: Instant,
    cpu: f64,
}

impl Start {
    fn now() -> Self {
        // Starts the peak anew; where that is not allowed, it is the peak since the beginning.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }
}

/// What this process has used, which a busy machine changes less than the time on the wall.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn print(what: &str, info: &LayerInfo, start: Start) -> Result<(), Box<dyn Error>> {
    let megabytes = info.uncompressed_size as f64 / 1e6;
    let speed = megabytes / start.wall.elapsed().as_secs_f64();
    let thrift = megabytes / (cpu_seconds() - start.cpu);
    let peak = peak_memory()? >> 20;
    let ratio = info.uncompressed_size as f64 / info.size as f64;
    println!("{what:28} {megabytes:8.0} {speed:8.0} {thrift:8.0} {ratio:8.2} {peak:8}");
    Ok(())
}

fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// Bytes that do not compress.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for bytes in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes()[..bytes.len()]);
        }
        Ok(buffer.len())
    }
}

/// The source text of this program with ever other numbers in it, which compresses like source text.
#[derive(Default)]
struct Text {
    line: u64,
    rest: Vec<u8>,
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.len() < buffer.len() {
            self.rest.clear();
        }
        while self.rest.len() < buffer.len() {
            for line in include_str!("throughput.rs").lines() {
                self.line = self.line.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                self.rest.extend_from_slice(format!("{:x} {line}\n", self.line >> 40).as_bytes());
            }
        }
        let start = self.rest.len() - buffer.len();
        buffer.copy_from_slice(&self.rest[start..]);
        self.rest.truncate(start);
        Ok(buffer.len())
    }
}
