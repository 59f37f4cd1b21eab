//! `wharf ship`: from a commit to a running, traceable image.

use std::path::PathBuf;

use wharf_metadata::Overrides;

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::settings::{host, project};
use crate::ship::{self, Asked, Plan};
use crate::world::World;

/// From a commit to a running, traceable image: tags, build, smoke test, scan, push, record
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Another Dockerfile
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Another stage of it
    #[arg(long)]
    target: Option<String>,
    /// Build, test and scan, and push nothing
    #[arg(long)]
    no_push: bool,
    /// Do not start the image before it is published
    #[arg(long)]
    no_smoke: bool,
    /// Do not scan the image before it is published
    #[arg(long)]
    no_scan: bool,
    /// Take nothing from the cache
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    builder: crate::builders::flags::Flags,
    /// Where the image is while it is tested: `local`, in the store here, or `remote`, pushed by the builder without a tag
    #[arg(long, value_name = "WHERE", value_enum, default_value = "local")]
    gate: Gate,
    /// Send finished layers while the build and the gates still go on; nothing names them before all is green
    #[arg(
        long,
        default_value_t = true,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true,
        value_name = "BOOL"
    )]
    push_early: bool,
    /// Fail before anything is built where a rule gives a tag that no registry takes
    #[arg(long)]
    strict: bool,
    /// Let rolling tags such as `latest` and `v1` move to an older version; the ledger records it
    #[arg(long)]
    allow_backward: bool,
    /// Overwrite full-version tags that name another image; the ledger records it
    #[arg(long)]
    force: bool,
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
}

/// Where an image that was built elsewhere is while it is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Gate {
    Local,
    Remote,
}

/// Plans, and carries the plan out.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if args.dry_run {
        let (plan, ..) = plan(&args)?;
        if globals.json {
            output::print_json(&plan)?;
        } else {
            output::print(&plan.render())?;
        }
        return Ok(Exit::Done);
    }
    let world = World::sandboxed(globals)?;
    let (plan, project, snapshot) = plan(&args)?;
    plan.warnings.iter().for_each(|warning| world.progress.note(&format!("warning: {warning}")));
    let (report, mut failures) = ship::run(&world, &plan, &project, &snapshot)?;
    if globals.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    // Every target that failed is named; the last error said is the one that wharf ends with.
    let Some(last) = failures.pop() else { return Ok(Exit::Done) };
    for failure in failures {
        output::error::print(&failure, globals.json);
    }
    Err(last)
}

fn plan(args: &Args) -> Result<(Plan, project::Project, wharf_metadata::Snapshot), crate::exit::Failure> {
    let directory = std::fs::canonicalize(&args.directory).map_err(|error| {
        crate::exit::Failure::usage(format!("the project {}: {error}", args.directory.display()))
    })?;
    let project = project::read(&directory)?;
    let snapshot = crate::snapshot::capture(&directory, &crate::snapshot::variables()?)?;
    let asked = Asked {
        dockerfile: args.file.clone(),
        target: args.target.clone(),
        no_push: args.no_push,
        no_smoke: args.no_smoke,
        no_scan: args.no_scan,
        no_cache: args.no_cache,
        builder: args.builder.clone(),
        gate_remote: args.gate == Gate::Remote,
        push_early: args.push_early,
        overrides: Overrides { allow_backward: args.allow_backward, force: args.force },
    };
    let metadata = ship::metadata(&project, &snapshot, &directory)?;
    if args.strict {
        super::meta::refuse_dropped(&metadata)?;
    }
    let plan = Plan::new(&directory, &project, &asked, &snapshot, &metadata, &host::variable)?;
    Ok((plan, project, snapshot))
}
