//! `wharf ls`: what a registry holds: its repositories, or the tags of one.

use wharf_oci::Reference;
use wharf_registry::Store;

use super::registry_failure;
use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A repository, for its tags; or a registry's host, for its repositories
    place: String,
    /// No more than so many
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// Lists it, all pages of it, one name to a line.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let place = args.place.trim_end_matches('/');
    let world = World::open(globals)?;
    let (key, name, mut names) = if is_host(place) {
        let names = world.runtime.block_on(world.client.repositories(place)).map_err(registry_failure)?;
        ("repositories", place.to_owned(), names)
    } else {
        let reference: Reference = place.parse().or_usage()?;
        if reference.tag().is_some() || reference.digest().is_some() {
            return Err(Failure::usage(format!("`{place}` names one image, not a repository"))
                .hint(format!("list its tags: wharf ls {}", reference.familiar_name())));
        }
        let repository = world.client.mirrored(&reference)?;
        let names = world.runtime.block_on(repository.tags()).map_err(registry_failure)?;
        ("tags", reference.name(), names)
    };
    if names.is_empty() {
        output::note("there is nothing to list\n");
    }
    names.truncate(args.limit.unwrap_or(usize::MAX));
    if globals.json {
        output::print_json(&serde_json::json!({ "name": name, key: names }))?;
    } else {
        output::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// Whether a registry is named, by the rule that tells registries from repositories in references.
fn is_host(place: &str) -> bool {
    !place.contains('/') && (place == "localhost" || place.contains(['.', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_repositories() {
        for host in ["localhost", "localhost:5000", "ghcr.io", "10.0.0.1:80"] {
            assert!(is_host(host), "{host}");
        }
        for repository in ["python", "ghcr.io/org/app", "localhost/app", "org/app"] {
            assert!(!is_host(repository), "{repository}");
        }
    }
}
