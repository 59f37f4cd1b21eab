//! `wharf lint`: BuildKit's checks over Dockerfiles, without a build.

use std::path::{Path, PathBuf};

use wharf_build::{BuildRequest, Checked, ContextSource, DockerfileSource, check_alone};

use crate::building::{self, checks};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::world::World;

/// What `wharf lint` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Set a build argument
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// Look at this stage and those it needs; otherwise at all
    #[arg(long)]
    target: Option<String>,
    /// Ask no registry and no store for base images
    #[arg(long)]
    offline: bool,
    /// Dockerfiles, or directories that hold one
    #[arg(default_value = ".", value_name = "DOCKERFILE")]
    files: Vec<PathBuf>,
}

/// Checks them all. Exit code 1 where something was found.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    // Base images are asked for where that is possible; the checks of the text need nothing at all.
    let world = if args.offline { None } else { World::sandboxed(globals).ok() };
    let mut all = Vec::new();
    for file in &args.files {
        all.push(check(&args, file, world.as_ref())?);
    }
    report(&all, globals)
}

/// Prints what was found; exit code 1 where that is something.
pub(crate) fn report(all: &[Checked], globals: &Globals) -> Outcome {
    if globals.json {
        output::print_json(&checks::document(all))?;
    } else {
        output::print(&checks::render(all))?;
    }
    if let Some(checked) = all.iter().find(|checked| checked.error.is_some()) {
        let error = checked.error.as_ref().map(|error| output::error::chain(error)).unwrap_or_default();
        return Err(Failure::usage(format!("{} cannot be built: {error}", checked.name)));
    }
    let clean = all.iter().all(|checked| checked.findings.is_empty());
    Ok(if clean { Exit::Done } else { Exit::Gate })
}

fn check(args: &Args, file: &Path, world: Option<&World>) -> Result<Checked, Failure> {
    let file = if file.is_dir() { file.join("Dockerfile") } else { file.to_owned() };
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut request = BuildRequest::new(ContextSource::Directory(directory.to_owned()));
    request.dockerfile = DockerfileSource::File(file.clone());
    request.options.target = args.target.clone();
    request.options.build_args = args
        .build_arg
        .iter()
        .filter_map(|argument| argument.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut checked = match world {
        Some(world) => {
            let engine = building::engine(world)?;
            engine.check(&request, &|_| {}).map_err(building::failed)?
        }
        None => {
            let text = std::fs::read(&file)
                .map_err(|error| Failure::usage(format!("reading `{}`: {error}", file.display())))?;
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
            check_alone(name, text, &request.options).map_err(building::failed)?
        }
    };
    checked.name = file.strip_prefix("./").unwrap_or(&file).display().to_string();
    if let Some(world) = world {
        for (image, why) in &checked.unknown {
            world.progress.note(&format!("{image} was not looked at: {why}"));
        }
    }
    Ok(checked)
}
