//! `docker buildx bake`: the builds of a bake file, each as `wharf build` does it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};

use crate::bake::{self, Plan, flags};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::settings::host;

/// What `bake` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A bake file; several are read in order, `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Vec<String>,
    /// Change a target: `TARGET.KEY=VALUE`, `*.platform=linux/arm64`
    #[arg(long, value_name = "SPEC")]
    set: Vec<String>,
    /// Set a variable of the file
    #[arg(long, value_name = "NAME=VALUE")]
    var: Vec<String>,
    /// Print what would be built, as JSON
    #[arg(long)]
    print: bool,
    /// Push every image
    #[arg(long)]
    push: bool,
    /// Keep every image; they always are
    #[arg(long)]
    load: bool,
    /// Take nothing from the cache
    #[arg(long)]
    no_cache: bool,
    /// Ask registries for base images even when they are here
    #[arg(long)]
    pull: bool,
    /// How progress is shown
    #[arg(long, value_name = "HOW")]
    progress: Option<String>,
    /// Write what was built as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<String>,
    /// As for a build
    #[arg(long, value_name = "SPEC", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    provenance: Option<String>,
    /// As for a build
    #[arg(long, value_name = "SPEC", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    sbom: Option<String>,
    /// As for a build
    #[arg(long, value_name = "ENTITLEMENT")]
    allow: Vec<String>,
    /// There is one builder for this, wharf
    #[arg(long, value_name = "NAME")]
    builder: Option<String>,
    /// What to build [default: the group `default`]
    targets: Vec<String>,
}

/// Builds what the files say.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let plan = plan(&args)?;
    if args.print {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&plan.document())?))?;
        return Ok(Exit::Done);
    }
    let scratch = tempfile::tempdir().context("making a directory for the results of targets")?;
    let needed: BTreeSet<String> = plan
        .targets
        .iter()
        .map(|(name, target)| flags::of(name, target).or_usage())
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flat_map(|flags| flags.needs.into_iter().map(|(_, target)| target))
        .collect();
    let mut metadata = Map::new();
    for (name, target) in &plan.targets {
        let flags = flags::of(name, target).or_usage()?;
        let wanted = plan.wanted.contains(name);
        let digest = |target: &str| {
            let digest = &metadata.get(target).map_or(&Value::Null, |built| &built["containerimage.digest"]);
            digest.as_str().unwrap_or_default().to_owned()
        };
        let words = words(&args, name, &flags, (wanted, needed.contains(name)), scratch.path(), &digest)?;
        let document = scratch.path().join(format!("{name}.json"));
        let mut command = Command::new(std::env::current_exe().context("finding wharf's own binary")?);
        command.args(&words).arg("--metadata-file").arg(&document).arg(&flags.context);
        if let Some(directory) = &globals.data_dir {
            command.env("WHARF_DATA_DIR", directory);
        }
        if let Some(config) = &globals.config {
            command.env("WHARF_CONFIG", config);
        }
        let status = command.status().context("starting a build")?;
        if !status.success() {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Err(Failure::new(Exit::Process(code), anyhow!("the target {name} was not built")));
        }
        let text = std::fs::read(&document).unwrap_or_default();
        metadata.insert(name.clone(), serde_json::from_slice(&text).unwrap_or(Value::Null));
    }
    if let Some(file) = &args.metadata_file {
        let text = serde_json::to_vec_pretty(&Value::Object(metadata))?;
        std::fs::write(file, text).with_context(|| format!("writing {file}"))?;
    }
    Ok(Exit::Done)
}

fn plan(args: &Args) -> Result<Plan, Failure> {
    let names = match args.file.as_slice() {
        [] => bake::found(Path::new(".")),
        typed => typed.to_vec(),
    };
    if names.is_empty() {
        return Err(Failure::usage(
            "couldn't find a bake definition: no docker-bake.hcl, docker-bake.json or compose file is here",
        )
        .hint("name one with --file"));
    }
    let text = |name: String| {
        // Nothing is fetched, so that all files are here, also those that are said to be.
        let name = name.strip_prefix("cwd://").map_or(name.clone(), str::to_owned);
        let text = match name.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()).context("reading standard input")?,
            name => std::fs::read_to_string(name)
                .map_err(|error| Failure::usage(format!("reading the bake file {name}: {error}")))?,
        };
        Ok::<_, Failure>((name, text))
    };
    let files = names.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let typed: Vec<(&str, &str)> = args.var.iter().filter_map(|variable| variable.split_once('=')).collect();
    let variable = |name: &str| {
        let typed = typed.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        typed.or_else(|| std::env::var(name).ok())
    };
    bake::read(&files, &variable).or_usage()?.plan(&args.targets, &args.set).or_usage()
}

/// The words of one build, without its context. What is only needed by others goes nowhere else.
fn words(
    args: &Args,
    name: &str,
    flags: &flags::Flags,
    (wanted, needed): (bool, bool),
    scratch: &Path,
    digest: &dyn Fn(&str) -> String,
) -> Result<Vec<String>, Failure> {
    let layout = |target: &str| scratch.join("layouts").join(target).display().to_string();
    let mut words = vec!["docker".to_owned(), "build".into()];
    words.extend(flags.words.iter().cloned());
    if let Some(text) = &flags.inline {
        let file = scratch.join(format!("{name}.Dockerfile"));
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        words.extend(["--file".into(), file.display().to_string()]);
    }
    for (context, target) in &flags.needs {
        words.extend([
            "--build-context".into(),
            format!("{context}=oci-layout://{}@{}", layout(target), digest(target)),
        ]);
    }
    if needed {
        std::fs::create_dir_all(scratch.join("layouts"))?;
        words.extend(["--output".into(), format!("type=oci,tar=false,dest={}", layout(name))]);
    }
    for (wanted, flag) in
        [(args.push && wanted, "--push"), (args.no_cache, "--no-cache"), (args.pull, "--pull")]
    {
        if wanted && !words.iter().any(|word| word == flag) {
            words.push(flag.to_owned());
        }
    }
    for (value, flag) in [(&args.provenance, "--provenance"), (&args.sbom, "--sbom")] {
        if let Some(value) = value {
            words.push(format!("{flag}={value}"));
        }
    }
    for entitlement in &args.allow {
        // What a bake may read and write on the host is not restricted here.
        if !entitlement.starts_with("fs") {
            words.extend(["--allow".into(), entitlement.clone()]);
        }
    }
    if let Some(how) = args.progress.clone().or_else(|| host::variable("BUILDKIT_PROGRESS")) {
        words.push(format!("--progress={how}"));
    }
    Ok(words)
}
