//! `docker inspect`: everything about images, containers and volumes, in docker's shape.

mod container;
mod image;

use std::io::Write;

use serde_json::{Value, json};

use super::template::Template;
use crate::cli::Globals;
use crate::container::state::Containers;
use crate::container::volume::{Volume, Volumes};
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print the sizes of containers, too
    #[arg(short, long)]
    size: bool,
    /// Only `image`, `container` or `volume`
    #[arg(long, value_name = "KIND", value_parser = ["image", "container", "volume", "network"])]
    r#type: Option<String>,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<wharf_oci::Platform>,
    /// Names or IDs
    #[arg(required = true)]
    objects: Vec<String>,
}

/// What may be meant by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    Image,
    Container,
}

/// Prints what was found, and then what was not.
pub(crate) fn run(args: Args, globals: &Globals, wanted: Wanted) -> Outcome {
    let world = World::open(globals)?;
    let wanted = match args.r#type.as_deref() {
        Some("image") => Wanted::Image,
        Some("container") => Wanted::Container,
        _ => wanted,
    };
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in &args.objects {
        match look_up(&world, name, wanted, &args)? {
            Some(document) => found.push(document),
            None => missing.push(name),
        }
    }
    output::print(&show(&found, args.format.as_deref())?)?;
    let kind = match wanted {
        Wanted::Any => "object",
        Wanted::Image => "image",
        Wanted::Container => "container",
    };
    for name in &missing {
        let _ = writeln!(std::io::stderr(), "Error: No such {kind}: {name}");
    }
    Ok(if missing.is_empty() { Exit::Done } else { Exit::Gate })
}

/// The documents as a list, or each by the template.
pub(crate) fn show(documents: &[Value], format: Option<&str>) -> Result<String, Failure> {
    match format {
        None | Some("") => {
            let plain: Vec<Value> = documents.iter().map(without_nothing).collect();
            Ok(format!("{}\n", indented(&plain)?))
        }
        Some("json") => {
            let plain: Vec<Value> = documents.iter().map(without_nothing).collect();
            Ok(format!("{}\n", super::template::json(&plain.into())))
        }
        Some(format) => {
            let template = Template::parse(format).or_usage()?;
            documents.iter().map(|document| Ok(template.render(document).or_usage()? + "\n")).collect()
        }
    }
}

/// JSON with docker's indentation of four.
fn indented(documents: &[Value]) -> Result<String, Failure> {
    use serde::Serialize;
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    documents.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A template may ask whether there is a health, and a document does not mention one that is not there.
fn without_nothing(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(state) = document.get_mut("State").and_then(Value::as_object_mut)
        && state.get("Health").is_some_and(Value::is_null)
    {
        state.remove("Health");
    }
    document
}

fn look_up(world: &World, name: &str, wanted: Wanted, args: &Args) -> Result<Option<Value>, Failure> {
    if args.r#type.as_deref() == Some("network") {
        return Ok(super::system::network::document(name));
    }
    let any = wanted == Wanted::Any && args.r#type.is_none();
    let containers = Containers::new(&world.data_dir);
    if (any || wanted == Wanted::Container)
        && let Ok(found) = containers.find(name.trim_start_matches('/'))
    {
        return Ok(Some(container::document(&found, &containers, args.size)));
    }
    if any || wanted == Wanted::Image {
        let platform = args.platform.clone().unwrap_or_else(wharf_oci::Platform::host);
        if let Ok(named) = local::find(&world.store, name)
            && let Ok(opened) = local::open(&world.store, &named.descriptor, &platform)
        {
            return Ok(Some(image::document(world, &named, &opened)?));
        }
    }
    if any || args.r#type.as_deref() == Some("volume") {
        let volumes = Volumes::new(&world.data_dir);
        if let Ok(volume) = volumes.find(name) {
            return Ok(Some(of_volume(&volume, &volumes)));
        }
    }
    Ok(if any { super::system::network::document(name) } else { None })
}

/// A volume in docker's shape.
pub(crate) fn of_volume(volume: &Volume, volumes: &Volumes) -> Value {
    json!({
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": volumes.path(&volume.name),
        "Name": volume.name,
        "Options": null,
        "Scope": "local",
    })
}
