//! `cargo xtask bench [WORKLOAD…]`: the builder against the clock, beside docker and buildah where they are.
//!
//! The workloads are those of `../shared/bench/workloads` as far as they need no network: they are made anew
//! below the target folder. Each builder's cache is its own; what is shown is wall time, processor time with
//! that of all children, and the peak of the client's memory. Only rows of one run can be compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{build_wharf, target_dir};

/// How often what changes nothing, or little, is measured; the median counts.
const ROUNDS: usize = 5;
/// The size of the file of `big-model`, MiB; `WHARF_BENCH_MIB` says otherwise.
const BIG_MIB: u64 = 2048;

/// What a run took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
}

/// Something that builds `context`.
struct Builder {
    name: &'static str,
    arguments: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    forget: Vec<String>,
}

/// Measures the workloads named on the command line, or all.
pub(crate) fn run() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(2).collect();
    let place = target_dir().join("bench");
    let builders = builders(&place)?;
    println!("| work | builder | wall, s | cpu, s | peak, MiB |\n|---|---|---|---|---|");
    for (name, make) in WORKLOADS {
        if !wanted.is_empty() && !wanted.iter().any(|want| want == name) {
            continue;
        }
        let context = place.join(name);
        make(&context).with_context(|| format!("making {}", context.display()))?;
        for builder in &builders {
            builder.measure(name, &context)?;
        }
    }
    Ok(())
}

type Make = fn(&Path) -> Result<()>;
const WORKLOADS: [(&str, Make); 4] =
    [("run-chain", run_chain), ("wide", wide), ("many-small", many_small), ("big-model", big_model)];

/// wharf, and the others that are installed and answer.
fn builders(place: &Path) -> Result<Vec<Builder>> {
    let wharf = build_wharf("release")?.display().to_string();
    let data = place.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut builders = vec![Builder {
        name: "wharf",
        arguments: [vec![wharf.clone()], words("build --progress quiet --tag bench:1 .")].concat(),
        environment: vec![("WHARF_DATA_DIR", data)],
        forget: [vec![wharf], words("prune --all --force --json")].concat(),
    }];
    for (name, probe, build, forget) in [
        (
            "docker",
            "docker info",
            "docker buildx build --provenance=false -q -t bench:1 .",
            "docker buildx prune -af",
        ),
        ("buildah", "buildah version", "buildah build -q --layers -t bench:1 .", "buildah rmi -af"),
    ] {
        let mut probe = words(probe).into_iter();
        let program = probe.next().unwrap_or_default();
        let quiet = Command::new(program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if quiet.is_ok_and(|status| status.success()) {
            let (arguments, forget) = (words(build), words(forget));
            builders.push(Builder { name, arguments, environment: Vec::new(), forget });
        }
    }
    Ok(builders)
}

impl Builder {
    fn measure(&self, work: &str, context: &Path) -> Result<()> {
        self.spend(context, &self.forget)?;
        self.row(work, "cold", self.spend(context, &self.arguments)?);
        let mut again = Vec::new();
        for _ in 0..ROUNDS {
            again.push(self.spend(context, &self.arguments)?);
        }
        self.row(work, "unchanged", median(again));
        if let Some(file) =
            ["tree/d100/f10000.txt", "serve.sh"].map(|name| context.join(name)).iter().find(|f| f.exists())
        {
            let mut edited = Vec::new();
            for round in 0..ROUNDS {
                let text = fs::read_to_string(file)?;
                fs::write(file, format!("{text}{round} {}\n", self.name))?;
                edited.push(self.spend(context, &self.arguments)?);
            }
            self.row(work, "one file edited", median(edited));
        }
        Ok(())
    }

    fn row(&self, work: &str, how: &str, cost: Cost) {
        let Cost { wall, cpu, peak_kib } = cost;
        println!(
            "| {work}, {how} | {} | {:.3} | {:.2} | {} |",
            self.name,
            wall.as_secs_f64(),
            cpu.as_secs_f64(),
            peak_kib >> 10
        );
    }

    /// Runs a command to its end under `time`, which knows what the kernel counted.
    fn spend(&self, context: &Path, arguments: &[String]) -> Result<Cost> {
        let report = context.with_extension("time");
        let mut command = Command::new("/usr/bin/time");
        command.args(["-q", "-o"]).arg(&report).args(["-f", "%U %S %M"]).args(arguments);
        command.current_dir(context).envs(self.environment.iter().cloned()).stdin(Stdio::null());
        let started = Instant::now();
        let output = command.output().context("starting /usr/bin/time (package time)")?;
        let wall = started.elapsed();
        if !output.status.success() {
            bail!("{}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        let text = fs::read_to_string(&report)?;
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [user, system, peak] = numbers[..] else { bail!("{} says `{text}`", report.display()) };
        Ok(Cost { wall, cpu: Duration::from_secs_f64(user + system), peak_kib: peak as u64 })
    }
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by_key(|cost| cost.wall);
    costs[costs.len() / 2]
}

/// The first lines of every workload: a busybox of its own, so that no registry is asked.
const BASE: &str =
    "FROM scratch AS base\nCOPY bin /bin\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";

fn context(at: &Path, dockerfile: &str) -> Result<()> {
    fs::create_dir_all(at.join("bin"))?;
    fs::copy("/bin/busybox", at.join("bin/busybox"))
        .context("copying /bin/busybox (package busybox-static)")?;
    Ok(fs::write(at.join("Dockerfile"), format!("{BASE}{dockerfile}"))?)
}

fn run_chain(at: &Path) -> Result<()> {
    let runs: String = (0..40).map(|n| format!("RUN echo {n} > /f_{n}\n")).collect();
    context(at, &format!("FROM base\n{runs}"))
}

fn wide(at: &Path) -> Result<()> {
    let work = "sleep 1 && i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let stages: String =
        (0..12).map(|n| format!("FROM base AS s{n}\nRUN {work}; echo {n} > /out\n")).collect();
    let copies: String = (0..12).map(|n| format!("COPY --from=s{n} /out /out{n}\n")).collect();
    context(at, &format!("{stages}FROM base\n{copies}"))
}

fn many_small(at: &Path) -> Result<()> {
    context(
        at,
        "FROM base\nWORKDIR /data\nCOPY tree/ ./tree/\nRUN find tree -type f | wc -l > count\n\
         RUN du -s tree > size\nRUN rm -rf tree/d000 && echo trimmed > trimmed\n",
    )?;
    let mut random = Random(11);
    let words: Vec<String> = (0..3000).map(|_| format!("{:x}", random.next() >> 24)).collect();
    for file in 0..20_000 {
        let directory = at.join(format!("tree/d{:03}", file % 200));
        fs::create_dir_all(&directory)?;
        let mut text = String::new();
        let length = 200 + random.next() as usize % 8000;
        while text.len() < length {
            text.push_str(&words[random.next() as usize % words.len()]);
            text.push(' ');
        }
        fs::write(directory.join(format!("f{file:05}.txt")), text)?;
    }
    Ok(())
}

fn big_model(at: &Path) -> Result<()> {
    context(at, "FROM base\nWORKDIR /app\nCOPY artifacts/model.bin ./artifacts/\nCOPY serve.sh .\n")?;
    fs::write(at.join("serve.sh"), "#!/bin/sh\n")?;
    fs::create_dir_all(at.join("artifacts"))?;
    let mib = std::env::var("WHARF_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(BIG_MIB);
    let mut file = std::io::BufWriter::new(fs::File::create(at.join("artifacts/model.bin"))?);
    let mut random = Random(7);
    for _ in 0..mib << 17 {
        std::io::Write::write_all(&mut file, &random.next().to_le_bytes())?;
    }
    Ok(std::io::Write::flush(&mut file)?)
}

/// xorshift: the same on every machine, and nothing that compression gains from.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
