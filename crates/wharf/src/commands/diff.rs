//! `wharf diff`: what is different between two releases: packages, sizes, the model, vulnerabilities, the config.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use wharf_oci::{ContainerConfig, Digest, Platform};
use wharf_scan::{Kind, Report};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::transfer::Transfers;
use crate::output::{self, size};
use crate::releases::describe::{Described, describe};
use crate::releases::place::{self, Place};
use crate::scanning::{Asked, Judges, Setup, scan_image};
use crate::settings::project;
use crate::world::World;
use crate::{commands, local};

#[derive(Debug, clap::Args)]
#[command(override_usage = "wharf diff [OPTIONS] [REPO] <A> <B>")]
pub(crate) struct Args {
    /// The repository, unless wharf.toml says or both are `repo:tag`, and two releases
    #[arg(value_names = ["REPO", "A", "B"], num_args = 2..=3, required = true)]
    what: Vec<String>,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    from: Side,
    to: Side,
    size: Change<u64>,
    packages: Packages,
    vulnerabilities: Vulnerabilities,
    model: Option<Change<Option<String>>>,
    layers: Layers,
    config: BTreeMap<String, Change<Option<String>>>,
}

#[derive(Serialize)]
struct Side {
    version: String,
    digest: Digest,
    commit: Option<String>,
}

#[derive(Serialize)]
struct Change<T> {
    from: T,
    to: T,
}

#[derive(Serialize, Default)]
struct Packages {
    added: Vec<String>,
    removed: Vec<String>,
    changed: BTreeMap<String, Change<String>>,
}

#[derive(Serialize)]
struct Vulnerabilities {
    added: Vec<String>,
    fixed: Vec<String>,
    same: usize,
    /// Why they cannot be compared.
    unjudged: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layers {
    shared: usize,
    shared_bytes: u64,
    new: usize,
    new_bytes: u64,
}

/// One release, opened.
struct Opened {
    release: Described,
    image: local::Image,
    report: Report,
}

/// Compares.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let (repository, releases) = match args.what.as_slice() {
        [repository, a, b] => (Some(repository.as_str()), [a, b]),
        [a, b] => (None, [a, b]),
        _ => return Err(Failure::usage("two releases are needed")),
    };
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let settings = project::read(Path::new("."))?.scan;
    let setup = Setup::new(&Asked::default(), &settings, Path::new("."), &world)?;
    let [from, to] = releases.map(|typed| open(&world, repository, typed, &platform, &setup));
    let answer = compare(&from?, &to?);
    if globals.json {
        output::print_json(&answer)?;
    } else {
        output::print(&render(&answer))?;
    }
    Ok(Exit::Done)
}

fn open(
    world: &World,
    repository: Option<&str>,
    typed: &str,
    platform: &Platform,
    setup: &Setup,
) -> Result<Opened, Failure> {
    let (named, wanted) = match repository {
        Some(repository) => (Some(repository.to_owned()), place::wanted(typed)?),
        None => place::repository_and(&[typed.to_owned()])?,
    };
    let place: Place = place::places(world, named.as_deref())?.remove(0);
    let release = world.runtime.block_on(describe(&place, &wanted))?;
    let reference = place.reference.with_digest(release.release.digest.clone());
    let transfers = Transfers::new(&world.progress, format!("pulling {reference}"));
    let news = |event| transfers.tell(event);
    let pulled = wharf_registry::pull(&world.client, &reference, platform, &world.store, &news);
    let pulled = world.runtime.block_on(pulled).map_err(commands::registry_failure)?;
    transfers.done();
    let image = local::open(&world.store, &pulled.descriptor, platform)?;
    let name = reference.to_string();
    let report = scan_image(Judges::Builtin(&world.store), &name, &image, None, setup)?;
    Ok(Opened { release, image, report })
}

fn compare(from: &Opened, to: &Opened) -> Answer {
    let side = |opened: &Opened| Side {
        version: opened.release.release.version.clone(),
        digest: opened.release.release.digest.clone(),
        commit: opened.release.commit.as_ref().map(|commit| commit.sha.clone()),
    };
    Answer {
        from: side(from),
        to: side(to),
        size: Change { from: from.image.size(), to: to.image.size() },
        packages: packages(&from.report, &to.report),
        vulnerabilities: vulnerabilities(&from.report, &to.report),
        model: model(&from.release, &to.release),
        layers: layers(&from.image, &to.image),
        config: config(&from.image.config.config, &to.image.config.config),
    }
}

fn packages(from: &Report, to: &Report) -> Packages {
    let by_name = |report: &Report| -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in &report.inventory.packages {
            let name = format!("{}:{}", package.ecosystem, package.name);
            all.entry(name).or_default().insert(package.version.clone());
        }
        all
    };
    let text = |versions: &BTreeSet<String>| versions.iter().cloned().collect::<Vec<_>>().join(", ");
    let (from, to) = (by_name(from), by_name(to));
    let mut packages = Packages::default();
    for (name, versions) in &to {
        match from.get(name) {
            None => packages.added.push(format!("{name} {}", text(versions))),
            Some(before) if before != versions => {
                packages.changed.insert(name.clone(), Change { from: text(before), to: text(versions) });
            }
            Some(_) => {}
        }
    }
    let gone = from.iter().filter(|(name, _)| !to.contains_key(*name));
    packages.removed = gone.map(|(name, versions)| format!("{name} {}", text(versions))).collect();
    packages
}

fn vulnerabilities(from: &Report, to: &Report) -> Vulnerabilities {
    let names = |report: &Report| -> BTreeSet<String> {
        let found = report.findings.iter().filter(|finding| finding.kind == Kind::Vulnerability);
        found
            .map(|finding| {
                let package = finding.package.as_ref().map(|package| format!(" in {}", package.name));
                format!("{} ({}){}", finding.rule, finding.severity.as_str(), package.unwrap_or_default())
            })
            .collect()
    };
    let (a, b) = (names(from), names(to));
    let mut unjudged: Vec<String> = from.unjudged.iter().chain(&to.unjudged).cloned().collect();
    unjudged.sort();
    unjudged.dedup();
    Vulnerabilities {
        added: b.difference(&a).cloned().collect(),
        fixed: a.difference(&b).cloned().collect(),
        same: a.intersection(&b).count(),
        unjudged,
    }
}

fn model(from: &Described, to: &Described) -> Option<Change<Option<String>>> {
    let text =
        |release: &Described| release.model.as_ref().map(|model| format!("{} {}", model.path, model.digest));
    let (from, to) = (text(from), text(to));
    (from != to).then_some(Change { from, to })
}

fn layers(from: &local::Image, to: &local::Image) -> Layers {
    let known: BTreeSet<String> = from.manifest.layers.iter().map(|layer| layer.digest.to_string()).collect();
    let mut layers = Layers { shared: 0, shared_bytes: 0, new: 0, new_bytes: 0 };
    for layer in &to.manifest.layers {
        if known.contains(layer.digest.as_ref()) {
            layers.shared += 1;
            layers.shared_bytes += layer.size;
        } else {
            layers.new += 1;
            layers.new_bytes += layer.size;
        }
    }
    layers
}

fn config(from: &ContainerConfig, to: &ContainerConfig) -> BTreeMap<String, Change<Option<String>>> {
    let (from, to) = (flatten(from), flatten(to));
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name))
        .map(|name| (name.clone(), Change { from: from.get(name).cloned(), to: to.get(name).cloned() }))
        .collect()
}

/// Every setting as a name and a text; variables and labels by their own names.
fn flatten(config: &ContainerConfig) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for variable in config.env.iter().flatten() {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        all.insert(format!("env {name}"), value.to_owned());
    }
    for (name, value) in &config.labels {
        all.insert(format!("label {name}"), value.clone());
    }
    let mut rest = serde_json::to_value(config).unwrap_or_default();
    if let Some(members) = rest.as_object_mut() {
        members.retain(|name, value| !["Env", "Labels"].contains(&name.as_str()) && !value.is_null());
        for (name, value) in members.iter() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !text.is_empty() {
                all.insert(name.clone(), text);
            }
        }
    }
    all
}

fn render(answer: &Answer) -> String {
    let mut text = format!("{} -> {}\n", answer.from.version, answer.to.version);
    let mut line = |sign: &str, what: &str| text.push_str(&format!("  {sign} {what}\n"));
    line(" ", &format!("size {} -> {}", size::bytes(answer.size.from), size::bytes(answer.size.to)));
    let layers = &answer.layers;
    line(
        " ",
        &format!("{} layers shared, {} new ({})", layers.shared, layers.new, size::bytes(layers.new_bytes)),
    );
    if answer.from.commit != answer.to.commit {
        let short = |commit: &Option<String>| {
            commit.as_deref().map_or("unknown", |sha| &sha[..sha.len().min(12)]).to_owned()
        };
        line("~", &format!("commit {} -> {}", short(&answer.from.commit), short(&answer.to.commit)));
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
    if let Some(model) = &answer.model {
        line("~", &format!("model {} -> {}", or_none(&model.from), or_none(&model.to)));
    }
    answer.packages.added.iter().for_each(|name| line("+", &format!("package {name}")));
    answer.packages.removed.iter().for_each(|name| line("-", &format!("package {name}")));
    for (name, change) in &answer.packages.changed {
        line("~", &format!("package {name} {} -> {}", change.from, change.to));
    }
    answer.vulnerabilities.added.iter().for_each(|name| line("+", name));
    answer.vulnerabilities.fixed.iter().for_each(|name| line("-", name));
    answer.vulnerabilities.unjudged.iter().for_each(|why| line("?", &format!("vulnerabilities: {why}")));
    for (name, change) in &answer.config {
        line("~", &format!("{name}: {} -> {}", or_none(&change.from), or_none(&change.to)));
    }
    text
}
