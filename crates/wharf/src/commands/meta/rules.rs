//! Which rules apply: flags over `wharf.toml` over conventions.

use std::path::Path;

use wharf_metadata::{Rules, Snapshot};

use crate::exit::Failure;
use crate::settings::project::{Image, Preset, Project};

/// The rules that were typed, in the words of docker/metadata-action's inputs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// An image to name, without a tag [default: `name` in wharf.toml, else the git remote's path]
    #[arg(long = "image", value_name = "NAME")]
    images: Vec<String>,
    /// A tag rule, such as `type=semver,pattern={{version}}` [default: `tags` in wharf.toml, else the preset]
    #[arg(long = "tag", value_name = "RULE")]
    tags: Vec<String>,
    /// What holds for all tags, such as `latest=auto`, `prefix=…`, `suffix=…,onlatest=true`
    #[arg(long, value_name = "RULE")]
    flavor: Vec<String>,
    /// A label to add; expressions such as `{{branch}}` are expanded
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// An annotation to add; expressions are expanded
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Rules that come with wharf, before those of `--tag`
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
}

/// The rules for the project in `directory`.
pub(super) fn rules(
    flags: &Flags,
    project: &Project,
    directory: &Path,
    snapshot: &Snapshot,
) -> Result<Rules, Failure> {
    let said = of_flags(flags).or_else(|| of_settings(&project.image));
    let Rules { tags, flavor, .. } = said.unwrap_or_else(|| of_preset(Preset::Conventional));
    let images = match lines(&flags.images) {
        typed if typed.is_empty() => {
            vec![crate::ship::image_name(directory, project, snapshot)?.familiar_name()]
        }
        typed => typed,
    };
    let pairs = |pairs: &std::collections::BTreeMap<String, String>, typed: &[String]| {
        let settings = pairs.iter().map(|(key, value)| format!("{key}={value}"));
        settings.chain(typed.iter().cloned()).collect()
    };
    Ok(Rules {
        images,
        tags,
        flavor: if flags.flavor.is_empty() { flavor } else { lines(&flags.flavor) },
        labels: pairs(&project.image.labels, &flags.labels),
        annotations: pairs(&project.image.annotations, &flags.annotations),
    })
}

fn of_flags(flags: &Flags) -> Option<Rules> {
    let tags = lines(&flags.tags);
    (flags.preset.is_some() || !tags.is_empty()).then(|| joined(flags.preset, tags, Vec::new()))
}

fn of_settings(image: &Image) -> Option<Rules> {
    let said = image.preset.is_some() || !image.tags.is_empty() || !image.flavor.is_empty();
    said.then(|| {
        let preset = image.preset.or_else(|| image.tags.is_empty().then_some(Preset::Conventional));
        joined(preset, image.tags.clone(), image.flavor.clone())
    })
}

/// A preset, if any, with more tag rules behind its own and a flavor over its own.
fn joined(preset: Option<Preset>, more: Vec<String>, flavor: Vec<String>) -> Rules {
    let mut rules = preset.map(of_preset).unwrap_or_default();
    rules.tags.extend(more);
    if !flavor.is_empty() {
        rules.flavor = flavor;
    }
    rules
}

fn of_preset(preset: Preset) -> Rules {
    match preset {
        Preset::Conventional => Rules::conventional(""),
        Preset::Classic => Rules::classic(""),
    }
}

/// One rule a line, as the inputs of a workflow hold them.
fn lines(given: &[String]) -> Vec<String> {
    let lines = given.iter().flat_map(|text| text.lines());
    lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
