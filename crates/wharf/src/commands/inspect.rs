//! `wharf inspect`: everything about an image, here or in a registry.

use std::io::IsTerminal;

use anyhow::Context;
use serde_json::{Value, json};
use wharf_oci::{Descriptor, Index, Platform, Reference};
use wharf_registry::{Name, Store};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::world::World;
use crate::{local, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image: a name, a digest, or the first digits of an ID
    image: String,
    /// Print the manifest or index as the registry has it, byte for byte
    #[arg(long, conflicts_with_all = ["image_config", "human"])]
    raw: bool,
    /// Show the bytes that are for nothing: written again or deleted by a later layer, or there already
    #[arg(long, conflicts_with_all = ["raw", "remote"])]
    waste: bool,
    /// Print the image's config, byte for byte
    #[arg(long, conflicts_with = "human")]
    image_config: bool,
    /// Print it for people, which is what a terminal gets anyway
    #[arg(long)]
    human: bool,
    /// Print what this Go template makes of it, as `docker inspect` does, or `json` on one line
    #[arg(short, long, value_name = "TEMPLATE", conflicts_with_all = ["raw", "waste", "image_config", "human"])]
    format: Option<String>,
    /// Ask the registry, even where the image is on this machine
    #[arg(long)]
    remote: bool,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

/// Prints it as JSON, or for people; what is not on this machine is looked up in its registry.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let here = if args.remote { None } else { local::find(&world.store, &args.image).ok() };
    let found = match here {
        Some(named) if args.raw => {
            output::print(&text(world.store.read(&named.descriptor.digest)?)?)?;
            return Ok(Exit::Done);
        }
        Some(named) => {
            let platform = args.platform.clone().unwrap_or_else(Platform::host);
            let image = local::open(&world.store, &named.descriptor, &platform)?;
            if args.waste {
                waste(&world, &args.image, &image)?;
                return Ok(Exit::Done);
            }
            (named, image)
        }
        None if args.waste => {
            let missing = anyhow::anyhow!("there is no image `{}` on this machine", args.image);
            return Err(Failure::from(missing).hint(format!("bring it here: wharf pull {}", args.image)));
        }
        None => match remote(&world, &args)? {
            Some(found) => found,
            None => return Ok(Exit::Done),
        },
    };
    let (named, image) = found;
    if args.image_config {
        output::print(&text(world.store.read(&image.manifest.config.digest)?)?)?;
        return Ok(Exit::Done);
    }
    let description = describe(&world, &named, &image)?;
    if let Some(format) = &args.format {
        output::print(&crate::docker::show(&description, Some(format))?)?;
        return Ok(Exit::Done);
    }
    if args.human || (std::io::stdout().is_terminal() && !globals.json) {
        output::print(&for_people(&named, &image, &description[0]))?;
    } else {
        output::print_json(&description)?;
    }
    Ok(Exit::Done)
}

/// The platforms of an index, as far as its entries are images.
fn platforms(world: &World, named: &local::Named) -> Vec<String> {
    let Ok(bytes) = world.store.read(&named.descriptor.digest) else { return Vec::new() };
    let Ok(index) = serde_json::from_slice::<Index>(&bytes) else { return Vec::new() };
    let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
    platforms.map(ToString::to_string).filter(|platform| !platform.starts_with("unknown")).collect()
}

/// A screen that says what the image is.
fn for_people(named: &local::Named, image: &local::Image, description: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{:<13}{value}\n", format!("{name}:")));
        }
    };
    let words = |value: &Value| match value {
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(" "),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let config = &description["Config"];
    line("Name", named.reference.to_string());
    line("Digest", named.descriptor.digest.to_string());
    line("Image", image.descriptor.digest.to_string());
    line("ID", image.manifest.config.digest.to_string());
    line("Type", named.descriptor.media_type.to_string());
    line("Platform", format!("{}/{}", image.config.os, image.config.architecture));
    line("Platforms", words(&description["Platforms"]));
    line("Created", image.config.created.clone().unwrap_or_default());
    line("Size", output::size::bytes(image.size()));
    line("User", words(&config["User"]));
    line("Workdir", words(&config["WorkingDir"]));
    line("Entrypoint", words(&config["Entrypoint"]));
    line("Command", words(&config["Cmd"]));
    line("Ports", words(&config["ExposedPorts"]));
    line("Volumes", words(&config["Volumes"]));
    let pairs = |title: &str, pairs: &Value, out: &mut String| {
        let Some(map) = pairs.as_object().filter(|map| !map.is_empty()) else { return };
        out.push_str(&format!("{title}:\n"));
        map.iter().for_each(|(key, value)| out.push_str(&format!("  {key}={}\n", words(value))));
    };
    pairs("Labels", &config["Labels"], &mut out);
    pairs("Annotations", &description["Annotations"], &mut out);
    out.push_str("Layers:\n");
    for layer in &image.manifest.layers {
        out.push_str(&format!("  {}  {:>9}\n", layer.digest, output::size::bytes(layer.size)));
    }
    out
}

fn describe(world: &World, named: &local::Named, image: &local::Image) -> Result<Vec<Value>, Failure> {
    let mut names = Vec::new();
    for other in local::list(&world.store)? {
        if other.descriptor.digest == named.descriptor.digest {
            names.push(other.reference.to_string());
        }
    }
    Ok(vec![json!({
        "Id": image.manifest.config.digest,
        "RepoTags": names,
        "Digest": named.descriptor.digest,
        "MediaType": image.descriptor.media_type,
        "Platforms": platforms(world, named),
        "Annotations": image.manifest.annotations,
        "Created": image.config.created,
        "Architecture": image.config.architecture,
        "Os": image.config.os,
        "Size": image.size(),
        "Config": image.config.config,
        "RootFS": { "Type": "layers", "Layers": image.config.rootfs.diff_ids },
        "Layers": image.manifest.layers,
    })])
}

/// What a registry has; `None` where it has been printed already.
fn remote(world: &World, args: &Args) -> Result<Option<(local::Named, local::Image)>, Failure> {
    let reference: Reference = args.image.parse().or_usage()?;
    if args.raw {
        let repository = world.client.mirrored(&reference)?;
        let name = match (reference.digest(), reference.tag_or_latest()) {
            (Some(digest), _) => Name::Digest(digest),
            (None, tag) => Name::Tag(tag.unwrap_or("latest")),
        };
        let document = world.runtime.block_on(repository.manifest(name)).map_err(super::registry_failure)?;
        let document = document.ok_or_else(|| anyhow::anyhow!("there is no image `{reference}`"))?;
        output::print(&text(document.bytes.to_vec())?)?;
        return Ok(None);
    }
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let found = wharf_registry::resolve(&world.client, &reference, &platform, &world.store);
    let found = world.runtime.block_on(found).map_err(super::registry_failure)?;
    let config = serde_json::from_slice(&found.config).context("reading the image config")?;
    let image = local::Image { descriptor: found.descriptor.clone(), manifest: found.manifest, config };
    let named = local::Named { reference, descriptor: found.index.unwrap_or(found.descriptor) };
    Ok(Some((named, image)))
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    Ok(String::from_utf8(bytes).context("the document is not UTF-8")?)
}

/// Reads every layer, and says what is for nothing.
fn waste(world: &World, name: &str, image: &local::Image) -> Result<(), Failure> {
    let subject = wharf_scan::Image {
        name,
        digest: &image.descriptor.digest,
        manifest: &image.manifest,
        config: &image.config,
        dockerfile: None,
    };
    let open = |blob: &Descriptor| -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Ok(Box::new(world.store.open_blob(&blob.digest).map_err(std::io::Error::other)?))
    };
    let waste = wharf_scan::waste(&subject, &open)?;
    if world.globals.json {
        return output::print_json(&waste);
    }
    let bytes = output::size::bytes;
    let mut text = format!(
        "{name}: {} in files, {} hidden, {} there already; efficiency {:.1} %\n\n",
        bytes(waste.total),
        bytes(waste.hidden),
        bytes(waste.duplicate),
        waste.efficiency * 100.0
    );
    text.push_str("LAYER         SIZE        OVERWRITTEN  DELETED     DUPLICATE   CREATED BY\n");
    for layer in &waste.layers {
        let created: String =
            layer.created_by.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
        let digest = wharf_oci::digest::short(&layer.digest, 12);
        let [size, over, deleted, duplicate] =
            [layer.size, layer.overwritten, layer.deleted, layer.duplicate].map(bytes);
        text.push_str(&format!(
            "{digest:<12}  {size:<10}  {over:<11}  {deleted:<10}  {duplicate:<10}  {created}\n"
        ));
    }
    if !waste.paths.is_empty() {
        text.push_str("\nBYTES       PATH\n");
    }
    for path in &waste.paths {
        text.push_str(&format!("{:<10}  {} ({})\n", bytes(path.bytes), path.path, path.why));
    }
    output::print(&text)
}
