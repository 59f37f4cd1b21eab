//! `wharf images`: the images on this machine.

use jiff::Timestamp;
use serde::Serialize;
use wharf_oci::{Platform, digest};

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::world::{World, now};
use crate::{local, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only images of this repository
    repository: Option<String>,
    /// Only print image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Print digests in full
    #[arg(long)]
    digests: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    repository: String,
    tag: String,
    digest: String,
    id: String,
    created: Option<String>,
    size: u64,
}

/// Lists them, by name.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let mut rows = Vec::new();
    for named in local::list(&world.store)? {
        let repository = named.reference.familiar_name();
        if args.repository.as_ref().is_some_and(|wanted| *wanted != repository) {
            continue;
        }
        // An image whose base was pruned is still listed: its name is what the person looks for.
        let image = local::open(&world.store, &named.descriptor, &Platform::host()).ok();
        rows.push(Row {
            repository,
            tag: named.reference.tag().unwrap_or("<none>").to_owned(),
            digest: named.descriptor.digest.to_string(),
            id: image.as_ref().map_or("-", |i| digest::short(&i.manifest.config.digest, 12)).to_owned(),
            created: image.as_ref().and_then(|i| i.config.created.clone()),
            size: image.as_ref().map_or(0, local::Image::size),
        });
    }
    if globals.json {
        output::print_json(&rows)?;
    } else if args.quiet {
        output::print(&rows.iter().map(|row| format!("{}\n", row.id)).collect::<String>())?;
    } else {
        output::print(&table(&rows, args.digests))?;
    }
    Ok(Exit::Done)
}

fn table(rows: &[Row], digests: bool) -> String {
    let cells: Vec<[String; 6]> = rows
        .iter()
        .map(|row| {
            let shown = if digests { row.digest.clone() } else { row.digest.chars().take(19).collect() };
            [
                row.repository.clone(),
                row.tag.clone(),
                shown,
                row.id.clone(),
                row.created.as_deref().map_or_else(|| "-".to_owned(), ago),
                output::size::bytes(row.size),
            ]
        })
        .collect();
    output::table::render(["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"], &cells)
}

/// How long ago an RFC 3339 time was, in its largest unit.
pub(crate) fn ago(time: &str) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return "-".to_owned() };
    let seconds = now().as_second() - then.as_second();
    let (count, unit) = match seconds {
        ..1 => return "just now".to_owned(),
        1..120 => (seconds, "seconds"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        172_800..5_184_000 => (seconds / 86_400, "days"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "months"),
        _ => (seconds / 31_536_000, "years"),
    };
    format!("{count} {unit} ago")
}
