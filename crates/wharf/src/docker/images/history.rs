//! `docker history`.

use serde_json::{Value, json};
use wharf_oci::{Platform, digest};

use crate::cli::Globals;
use crate::commands::history::cut;
use crate::docker::format::List;
use crate::docker::human;
use crate::exit::{Exit, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `history` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print sizes and times for people
    #[arg(short = 'H', long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    human: bool,
    /// Print everything in full
    #[arg(long)]
    no_trunc: bool,
    /// Only print IDs
    #[arg(short, long)]
    quiet: bool,
    /// `json`, or a Go template, with `table` before it for headings
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// The image
    image: String,
}

const LIST: List = List {
    cells: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    quiet: "{{.ID}}",
    headings: &[("ID", "IMAGE"), ("CreatedSince", "CREATED"), ("CreatedBy", "CREATED BY")],
};

/// Prints one line for each instruction, newest first.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.image)?;
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let image = local::open(&world.store, &named.descriptor, &platform)?;
    let id = &image.manifest.config.digest;
    let id = if args.no_trunc { id.to_string() } else { digest::short(id, 12).to_owned() };
    let lines = image.history();
    let rows: Vec<Value> = lines
        .iter()
        .rev()
        .enumerate()
        .map(|(nth, (line, layer))| {
            let by = line.created_by.clone().unwrap_or_default();
            let created = line.created.as_deref().unwrap_or_default();
            let size = layer.map_or(0, |layer| layer.size);
            json!({
                "Comment": line.comment.clone().unwrap_or_default(),
                "CreatedAt": created,
                "CreatedBy": if args.no_trunc { by } else { cut(&by, 45) },
                "CreatedSince": if args.human { human::ago(created) } else { created.to_owned() },
                "ID": if nth == 0 { id.as_str() } else { "<missing>" },
                "Size": if args.human { output::size::bytes(size) } else { size.to_string() },
            })
        })
        .collect();
    output::print(&LIST.render(&rows, args.format.as_deref(), args.quiet)?)?;
    Ok(Exit::Done)
}
