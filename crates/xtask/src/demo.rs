//! The main job, end to end: build wharf, prepare what is missing, and ship the example.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::registries::{Depot, Distribution, PASSWORD, USER};
use crate::shell::{Run, build_wharf, command, root, target_dir};
use crate::{bases, system};

/// The example's version; the demo tags its commit with it.
const VERSION: &str = "v1.4.2";

/// Ships the example to two registries, shows what was shipped, and runs it from each of them.
pub(crate) fn run() -> Result<()> {
    system::prepare().context("preparing the machine")?;
    let wharf = build_wharf("release")?;
    let scene = Scene::set(wharf)?;

    heading("wharf ship");
    scene.wharf(&["ship"]).run()?;

    heading("wharf status");
    scene.wharf(&["status"]).run()?;

    heading("one stage against two");
    scene.compare_sizes()?;

    for registry in [scene.production.address(), scene.development.address()] {
        heading(&format!("pulled back out of {registry}, and run"));
        scene.run_from(&registry)?;
    }
    println!("\nThe registries end with this command; the project and its images are still there:");
    println!("  cd {}", scene.project.display());
    println!("  export WHARF_DATA_DIR={}", scene.home.join("data").display());
    println!("  {} images", scene.wharf.display());
    Ok(())
}

fn heading(text: &str) {
    println!("\n── {text} {}", "─".repeat(72usize.saturating_sub(text.chars().count())));
}

/// A project with a history, two registries, and a data directory of its own.
struct Scene {
    wharf: PathBuf,
    project: PathBuf,
    home: PathBuf,
    config: PathBuf,
    production: Distribution,
    development: Depot,
    /// Serves the base images where Docker Hub is out of reach.
    _bases: Option<Depot>,
}

impl Scene {
    fn set(wharf: PathBuf) -> Result<Self> {
        let home = target_dir().join("demo");
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| format!("removing {}", home.display()))?;
        }
        let project = home.join("churn-model");
        make_project(&project)?;
        let hub = command(&wharf, &["inspect", "--raw", "docker.io/library/python:3.11-slim"])
            .env("WHARF_DATA_DIR", home.join("data"))
            .output()?;
        let bases = if hub.status.success() {
            None
        } else {
            println!("Docker Hub is out of reach: the base images are made from Debian packages");
            Some(Depot::start(&wharf, &bases::ensure(&wharf)?.join("registry"))?)
        };
        let config =
            bases.as_ref().map_or_else(|| home.join("config.toml"), |depot| depot.mirror_config().to_owned());
        if bases.is_none() {
            fs::write(&config, "")?;
        }
        let scene = Self {
            production: Distribution::start(&home.join("production"))?,
            development: Depot::start(&wharf, &home.join("development"))?,
            _bases: bases,
            wharf,
            project,
            home,
            config,
        };
        scene.log_in()?;
        Ok(scene)
    }

    fn log_in(&self) -> Result<()> {
        let mut login = self
            .wharf(&["login", "--username", USER, "--password-stdin", &self.production.address()])
            .into_inner();
        let mut child = login.stdin(std::process::Stdio::piped()).spawn().context("starting wharf login")?;
        if let Some(mut stdin) = child.stdin.take() {
            std::io::Write::write_all(&mut stdin, PASSWORD.as_bytes())?;
        }
        anyhow::ensure!(child.wait()?.success(), "wharf login failed");
        Ok(())
    }

    /// wharf in the project, in this scene's world.
    fn wharf(&self, args: &[&str]) -> Run {
        command(&self.wharf, args)
            .dir(&self.project)
            .env("WHARF_DATA_DIR", self.home.join("data"))
            .env("WHARF_CONFIG", &self.config)
            .env("DOCKER_CONFIG", self.home.join("docker"))
            .env("PROD_REGISTRY", self.production.address())
            .env("DEV_REGISTRY", self.development.address())
    }

    fn compare_sizes(&self) -> Result<()> {
        self.wharf(&[
            "build",
            "--file",
            "Dockerfile.single",
            "--tag",
            "churn:single",
            "--progress",
            "quiet",
            ".",
        ])
        .run()?;
        self.wharf(&["build", "--tag", "churn:multi", "--progress", "quiet", "."]).run()?;
        self.wharf(&["images", "churn"]).run()
    }

    /// Pulls the image into an empty data directory, runs it and asks it something.
    fn run_from(&self, registry: &str) -> Result<()> {
        let data = self.home.join("elsewhere");
        let image = format!("{registry}/myorg/churn-prediction-model:{}", VERSION.trim_start_matches('v'));
        let elsewhere = |args: &[&str]| self.wharf(args).env("WHARF_DATA_DIR", &data);
        elsewhere(&["pull", "--progress", "quiet", &image]).run()?;
        elsewhere(&["run", "--detach", "--name", "churn", "--publish", "18000:8000", &image]).run()?;
        let asked = ask(18000);
        elsewhere(&["stop", "churn"]).run()?;
        fs::remove_dir_all(&data)?;
        asked
    }
}

fn ask(port: u16) -> Result<()> {
    let service = format!("http://127.0.0.1:{port}");
    let patient =
        ["--silent", "--show-error", "--fail", "--retry", "40", "--retry-delay", "1", "--retry-all-errors"];
    let customer = r#"{"tenure_months": 1, "monthly_charge": 120, "support_calls": 6, "contract_months": 1}"#;
    for (path, data) in [("/health", None), ("/version", None), ("/predict", Some(customer))] {
        let mut curl = command("curl", &patient);
        if let Some(data) = data {
            curl = curl.args(&["--header", "content-type: application/json", "--data", data]);
        }
        println!("curl {service}{path}\n  {}", curl.arg(format!("{service}{path}")).read()?);
    }
    Ok(())
}

/// A git repository of the example, on `main`, with a version tag.
fn make_project(project: &Path) -> Result<()> {
    fs::create_dir_all(project)?;
    command("cp", &["-a".as_ref(), root().join("examples/churn-model/.").as_os_str(), project.as_os_str()])
        .run()?;
    let advisories = root().join("crates/scan/testdata/osv");
    command("cp", &["-a".as_ref(), advisories.as_os_str(), project.join("advisories").as_os_str()]).run()?;
    for args in [
        &["init", "--quiet", "--initial-branch", "main"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "Churn model 1.4.2"],
        &["tag", VERSION],
    ] {
        let status = Command::new("git")
            .args(["-c", "user.name=Demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"])
            .args(args)
            .current_dir(project)
            .status()?;
        anyhow::ensure!(status.success(), "git {} failed", args.join(" "));
    }
    Ok(())
}
