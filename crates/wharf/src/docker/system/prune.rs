//! `docker system prune`, `docker image prune` and `docker container prune`.

use crate::cli::Globals;
use crate::commands::ps::directory_size;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::docker::filter::Filters;
use crate::docker::translate;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;
use crate::{local, output};

/// What they take.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Everything that no container has, not only what has no name
    #[arg(short, long)]
    all: bool,
    /// Do not ask; wharf never does
    #[arg(short, long)]
    force: bool,
    /// Volumes that no container has, too
    #[arg(long)]
    volumes: bool,
    /// Only those that `label=…` describes
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
}

/// Forgets the containers that do not run.
pub(crate) fn containers(args: Args, globals: &Globals) -> Outcome {
    let world = World::sandboxed(globals)?;
    let (lines, freed) = stopped(&world, &args)?;
    report(&lines, "Deleted Containers:", freed)
}

fn stopped(world: &World, args: &Args) -> Result<(Vec<String>, u64), Failure> {
    let filters = Filters::parse(&args.filter, &["label", "label!", "until"])?;
    if filters.values("until").next().is_some() {
        return Err(Failure::usage("the filter `until` is not used here").hint("filter by label=NAME=VALUE"));
    }
    let containers = Containers::new(&world.data_dir);
    let (mut lines, mut freed) = (Vec::new(), 0);
    for container in containers.list()? {
        let idle = matches!(container.state.status, Status::Exited | Status::Created);
        if idle && !containers.is_running(&container) && filters.labels(container.labels()) {
            freed += directory_size(&containers.directory(&container.id).join("upper"));
            containers.remove(&container.id)?;
            lines.push(container.id);
        }
    }
    Ok((lines, freed))
}

/// Takes images away that have no name, and with `--all` those that no container has; then what nothing
/// needs any more.
pub(crate) fn images(args: Args, globals: &Globals) -> Outcome {
    {
        let world = World::open(globals)?;
        let lines = unused(&world, args.all)?;
        if !lines.is_empty() {
            output::print(&format!("Deleted Images:\n{}\n\n", lines.join("\n")))?;
        }
    }
    translate::run(&["prune"], &[], globals)
}

fn unused(world: &World, all: bool) -> Result<Vec<String>, Failure> {
    let used: Vec<String> =
        Containers::new(&world.data_dir).list()?.into_iter().map(|container| container.digest).collect();
    let mut lines = Vec::new();
    for descriptor in local::nameless(&world.store)? {
        if !used.contains(&descriptor.digest.to_string()) {
            world.store.untag(&local::nameless_key(&descriptor.digest))?;
            lines.push(format!("deleted: {}", descriptor.digest));
        }
    }
    for named in local::list(&world.store)? {
        if all && !used.contains(&named.descriptor.digest.to_string()) {
            world.store.untag(&local::key(&named.reference))?;
            lines.push(format!("untagged: {}", named.reference));
        }
    }
    Ok(lines)
}

/// All of it.
pub(crate) fn everything(args: Args, globals: &Globals) -> Outcome {
    {
        let world = World::sandboxed(globals)?;
        let (lines, freed) = stopped(&world, &args)?;
        if !lines.is_empty() {
            report(&lines, "Deleted Containers:", freed)?;
        }
    }
    if args.volumes {
        // A process enters its sandbox once, so the next part is another process's.
        let again = std::process::Command::new(std::env::current_exe()?)
            .args(["docker", "volume", "prune", "--force"])
            .status()?;
        if !again.success() {
            return Ok(Exit::Gate);
        }
    }
    images(args, globals)
}

fn report(lines: &[String], heading: &str, freed: u64) -> Outcome {
    let listed =
        if lines.is_empty() { String::new() } else { format!("{heading}\n{}\n\n", lines.join("\n")) };
    output::print(&format!("{listed}Total reclaimed space: {}\n", output::size::bytes(freed)))?;
    Ok(Exit::Done)
}
