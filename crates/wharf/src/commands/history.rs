//! `wharf history`: how an image came to be, newest first.

use serde_json::json;
use wharf_oci::Platform;

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::world::World;
use crate::{local, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Print whole instructions
    #[arg(long)]
    no_trunc: bool,
}

/// The width of an instruction in the table, as docker cuts it.
const CREATED_BY: usize = 60;

/// Prints one line per instruction.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.image)?;
    let image = local::open(&world.store, &named.descriptor, &Platform::host())?;
    let lines = image.history();
    if globals.json {
        let documents: Vec<_> = lines
            .iter()
            .rev()
            .map(|(line, layer)| json!({ "created": line.created, "createdBy": line.created_by, "layer": layer }))
            .collect();
        output::print_json(&documents)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 3]> = lines
        .iter()
        .rev()
        .map(|(line, layer)| {
            let by = line.created_by.clone().unwrap_or_default();
            [
                line.created.as_deref().map_or_else(|| "-".into(), super::images::ago),
                if args.no_trunc { by } else { cut(&by, CREATED_BY) },
                layer.map_or_else(|| "0B".into(), |layer| output::size::bytes(layer.size)),
            ]
        })
        .collect();
    output::print(&output::table::render(["CREATED", "CREATED BY", "SIZE"], &rows))?;
    Ok(Exit::Done)
}

/// At most `width` characters on one line, with an ellipsis where something was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= width {
        return one_line;
    }
    one_line.chars().take(width - 1).chain(['…']).collect()
}
