//! `wharf push`: brings images from this machine to a registry.

use anyhow::anyhow;
use serde_json::{Value, json};
use wharf_metadata::{Motion, Overrides, Release, Tag};
use wharf_oci::{Descriptor, Platform, Reference};
use wharf_registry::{Copied, Layout, Outcome as Travelled};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::publishing::Moves;
use crate::world::World;
use crate::{local, output, publishing};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Let a rolling tag such as `latest` or `v1` move to an older version
    #[arg(long)]
    allow_backward: bool,
    /// Overwrite a full-version tag that names another image
    #[arg(long)]
    force: bool,
    /// Every tag of the repository that is on this machine
    #[arg(short, long)]
    all_tags: bool,
    /// The image
    image: String,
}

/// An image, and the tags that are to name it in the registry.
struct Task {
    descriptor: Descriptor,
    tags: Vec<String>,
}

/// Pushes it under its tag, or the repository under all of its tags. All is decided before anything is sent.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    if args.all_tags && (reference.tag().is_some() || reference.digest().is_some()) {
        return Err(Failure::usage(format!("`{reference}` names one image, and --all-tags asks for all"))
            .hint(format!("say the repository alone: {}", reference.name())));
    }
    let world = World::open(globals)?;
    let mut tasks = match args.all_tags {
        true => all(&world.store, &reference)?,
        false => vec![Task {
            descriptor: local::find(&world.store, &args.image)?.descriptor,
            tags: vec![reference.tag_or_latest().unwrap_or("latest").to_owned()],
        }],
    };
    let overrides = Overrides { allow_backward: args.allow_backward, force: args.force };
    for task in &mut tasks {
        let moves = decided(&world, &reference, task, overrides)?;
        for reason in &moves.overridden {
            world.progress.note(&format!("warning: overridden: {reason}"));
        }
        task.tags = moves.tags;
    }
    let mut pushed = Vec::new();
    for task in &tasks {
        pushed.push(push(&world, &reference, task)?);
    }
    report(globals, &reference, args.all_tags, &tasks, &pushed)?;
    Ok(Exit::Done)
}

/// The images that have a name in the repository, each once.
fn all(store: &Layout, repository: &Reference) -> Result<Vec<Task>, Failure> {
    let mut tasks: Vec<Task> = Vec::new();
    for named in local::list(store)? {
        let Some(tag) = named.reference.tag().filter(|_| named.reference.name() == repository.name()) else {
            continue;
        };
        match tasks.iter_mut().find(|task| task.descriptor.digest == named.descriptor.digest) {
            Some(task) => task.tags.push(tag.to_owned()),
            None => tasks.push(Task { descriptor: named.descriptor, tags: vec![tag.to_owned()] }),
        }
    }
    match tasks.is_empty() {
        false => Ok(tasks),
        true => Err(Failure::from(anyhow!("there are no tags of `{}` on this machine", repository.name()))
            .hint("`wharf images` lists what there is; `wharf tag` gives an image another name")),
    }
}

fn push(world: &World, reference: &Reference, task: &Task) -> Result<Copied, Failure> {
    let transfers =
        Transfers::new(&world.progress, format!("pushing {}:{}", reference.name(), task.tags.join(", ")));
    let news = |event| transfers.tell(event);
    let pushed =
        wharf_registry::push(&world.store, &task.descriptor, &world.client, reference, &task.tags, &news);
    let pushed = world.runtime.block_on(pushed).map_err(super::registry_failure)?;
    transfers.done();
    Ok(pushed)
}

fn report(
    globals: &Globals,
    reference: &Reference,
    all_tags: bool,
    tasks: &[Task],
    pushed: &[Copied],
) -> Result<(), Failure> {
    let documents = tasks.iter().zip(pushed).flat_map(|(task, copied)| {
        task.tags.iter().enumerate().map(move |(nth, tag)| {
            // What one tag has sent, the next finds there.
            let bytes = |how| if nth == 0 { copied.bytes(how) } else { 0 };
            json!({
                "image": format!("{}:{tag}", reference.name()),
                "digest": copied.digest,
                "bytesSent": bytes(Travelled::Transferred),
                "bytesMounted": bytes(Travelled::Mounted),
                "bytesExisting": bytes(Travelled::Existing),
            })
        })
    });
    let documents: Vec<Value> = documents.collect();
    if globals.json {
        return match documents.as_slice() {
            [one] if !all_tags => output::print_json(one),
            all => output::print_json(&all),
        };
    }
    for (task, copied) in tasks.iter().zip(pushed) {
        let sent = output::size::bytes(copied.bytes(Travelled::Transferred));
        match all_tags {
            true => output::print(&format!(
                "{}:{}@{}  {sent} sent\n",
                reference.familiar_name(),
                task.tags.join(","),
                copied.digest
            ))?,
            false => {
                output::print(&format!("{}@{}  {sent} sent\n", reference.familiar_name(), copied.digest))?
            }
        }
    }
    Ok(())
}

/// What becomes of the tags in the registry; that one must stay where it is, is a gate that says no.
fn decided(
    world: &World,
    reference: &Reference,
    task: &Task,
    overrides: Overrides,
) -> Result<Moves, Failure> {
    let tags: Vec<Tag> =
        task.tags.iter().map(|name| Tag { motion: Motion::of_name(name), name: name.clone() }).collect();
    let version = version(&world.store, &task.descriptor)?;
    let release = Release { version: version.as_deref(), digest: &task.descriptor.digest };
    let repository = world.client.repository(reference)?.for_writing();
    let decision = publishing::moves(&repository, &tags, &release, overrides);
    let moves = world.runtime.block_on(decision)?;
    match moves.kept.first() {
        None => Ok(moves),
        Some(reason) => Err(Failure::gate(reason)
            .context(format!("pushing {}:{}", reference.name(), task.tags.join(", ")))
            .hint("push it under the tag of its own version, or insist with `--allow-backward`")),
    }
}

/// The release that the image is, as far as its label or its other names here say.
fn version(store: &Layout, image: &Descriptor) -> Result<Option<String>, Failure> {
    let opened = local::open(store, image, &Platform::host()).ok();
    let label = opened.and_then(|image| image.config.config.labels.get(publishing::VERSION).cloned());
    let same = local::list(store)?.into_iter().filter(|named| named.descriptor.digest == image.digest);
    let names: Vec<String> = same.filter_map(|named| named.reference.tag().map(str::to_owned)).collect();
    Ok(publishing::version_here(label.as_deref(), &names))
}
