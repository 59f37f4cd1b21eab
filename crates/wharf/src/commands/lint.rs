//! `wharf lint`: BuildKit's checks over Dockerfiles, and what practice adds to them, without a build.

use std::path::{Path, PathBuf};

use wharf_build::{BuildRequest, Checked, ContextSource, DockerfileSource, check_alone};
use wharf_scan::{BuildContext, Finding, Severity};

use crate::building::{self, checks};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::scanning::Answers;
use crate::world::World;

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
    /// Judge by these only
    #[arg(long, value_name = "WHOSE", value_delimiter = ',', default_value = "buildkit,practice")]
    rules: Vec<Rules>,
    /// The build context, of which practice counts the bytes [default: where the Dockerfile lies]
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Dockerfiles, or directories that hold one
    #[arg(default_value = ".", value_name = "DOCKERFILE")]
    files: Vec<PathBuf>,
}

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Rules {
    /// The checks of `docker build --check`, by their names
    Buildkit,
    /// What experience with images and models adds
    Practice,
}

/// Checks them all. Exit code 1 where something was found that is more than advice.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    // Base images are asked for where that is possible; the checks of the text need nothing at all.
    let world = if args.offline { None } else { World::sandboxed(globals).ok() };
    let answers = Answers::beside(Path::new("."))?;
    let (mut all, mut practice) = (Vec::new(), Vec::new());
    for file in &args.files {
        let mut checked = check(&args, file, world.as_ref())?;
        if args.rules.contains(&Rules::Practice) {
            practice.extend(answers.open(by_practice(&args, &checked)));
        }
        if !args.rules.contains(&Rules::Buildkit) {
            checked.findings.clear();
        }
        all.push(checked);
    }
    match globals.json {
        true => output::print_json(&checks::document(&all, &practice))?,
        false => {
            let buildkit =
                if args.rules.contains(&Rules::Buildkit) { checks::render(&all) } else { String::new() };
            let practice =
                if args.rules.contains(&Rules::Practice) { checks::advise(&practice) } else { String::new() };
            output::print(&[buildkit, practice].join(""))?;
        }
    }
    let is_advice = |finding: &Finding| finding.severity == Severity::Info;
    Ok(match conclude(&all)? {
        Exit::Done if !practice.iter().all(is_advice) => Exit::Gate,
        exit => exit,
    })
}

/// Prints what BuildKit's checks found; exit code 1 where that is something.
pub(crate) fn report(all: &[Checked], globals: &Globals) -> Outcome {
    if globals.json {
        output::print_json(&checks::document(all, &[]))?;
    } else {
        output::print(&checks::render(all))?;
    }
    conclude(all)
}

fn conclude(all: &[Checked]) -> Outcome {
    if let Some(checked) = all.iter().find(|checked| checked.error.is_some()) {
        let error = checked.error.as_ref().map(|error| output::error::chain(error)).unwrap_or_default();
        return Err(Failure::usage(format!("{} cannot be built: {error}", checked.name)));
    }
    let clean = all.iter().all(|checked| checked.findings.is_empty());
    Ok(if clean { Exit::Done } else { Exit::Gate })
}

fn by_practice(args: &Args, checked: &Checked) -> Vec<Finding> {
    let file = Path::new(&checked.name);
    let context = BuildContext::read(args.context.as_deref().unwrap_or(directory_of(file)), file);
    let (path, text) = (checked.name.as_str(), checked.text.as_slice());
    wharf_scan::practice(wharf_scan::DockerfileSource { path, text, context: Some(&context) })
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn check(args: &Args, file: &Path, world: Option<&World>) -> Result<Checked, Failure> {
    let file = if file.is_dir() { file.join("Dockerfile") } else { file.to_owned() };
    let context = args.context.as_deref().unwrap_or(directory_of(&file));
    let mut request = BuildRequest::new(ContextSource::Directory(context.to_owned()));
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
