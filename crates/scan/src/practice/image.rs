//! What only the image shows: whether the health check can work, whose files its user may read, and what bytes are for nothing.

use std::collections::HashSet;

use wharf_oci::{ContainerConfig, Digest};

use super::health;
use super::rules::{self, Rule};
use crate::findings::{Finding, Kind, LayerRef};
use crate::image::{DirectoryRecord, LayerReport, Provenance, Stack};

/// Less than this is not worth a finding.
const MIN_REPEATED: u64 = 10 << 20;

/// What is known of the image.
pub(crate) struct Subject<'a> {
    pub(crate) config: &'a ContainerConfig,
    pub(crate) layers: &'a [LayerReport],
    pub(crate) stack: &'a Stack<'a>,
    pub(crate) digests: &'a [Digest],
    pub(crate) provenance: &'a Provenance,
}

/// What is remarkable about the image.
pub(crate) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(user(subject));
    findings.extend(user_site(subject));
    findings.extend(health_check(subject).into_iter().map(|finding| Finding {
        location: subject.provenance.setting("HEALTHCHECK", "").cloned(),
        ..finding
    }));
    findings.extend(cuda(subject));
    findings.extend(git(subject));
    findings.extend(repeated(subject));
    findings
}

fn finding(rule: &'static Rule, path: &str, what: String) -> Finding {
    let mut finding = Finding::new(Kind::Config, rule.name, rule.severity, path, what);
    finding.help = rule.help();
    finding.sealed()
}

pub(super) fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), None | Some("" | "root" | "0"))
}

/// With a Dockerfile the text has said it already, at its line.
fn user(subject: &Subject<'_>) -> Option<Finding> {
    let known = subject.provenance.has_locations();
    (is_root(&subject.config.user) && !known)
        .then(|| finding(&rules::USER_ROOT, "image-config", "the image runs as root".into()))
}

/// Modules below /root that a user who is not root may not reach.
fn user_site(subject: &Subject<'_>) -> Option<Finding> {
    let user = subject.config.user.as_str();
    let closed = subject.directory("root").is_some_and(|root| root.mode & 0o005 != 0o005 && root.uid == 0);
    if is_root(user) || !closed {
        return None;
    }
    let (layer, path) = subject.top_files().find(|(_, path)| path.starts_with("root/.local/"))?;
    let what =
        format!("`{user}` runs the image and may not enter /root, where modules are installed (`--user`)");
    let mut finding = finding(&rules::USER_SITE, path, what);
    finding.layer = subject.layer(layer);
    Some(finding)
}

/// Whether the program and the module that the health check wants are there, and whether it asks the right port.
fn health_check(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(words) = subject.config.healthcheck.as_ref().and_then(health::words) else { return Vec::new() };
    let Some(program) = words.first() else { return Vec::new() };
    let mut findings = Vec::new();
    let name = program.rsplit('/').next().unwrap_or(program);
    // Whether there is a file at all says whether the layers are known.
    let has_program = subject.top_files().any(|(_, path)| match program.strip_prefix('/') {
        Some(place) => path == place,
        None => path.rsplit('/').next() == Some(name),
    });
    let builtin = ["test", "[", "exit", "true", "false", "echo", "kill", "sh", "bash"].contains(&name)
        || name.contains('$');
    if !has_program && !builtin && subject.top_files().next().is_some() {
        findings.push(finding(
            &rules::HEALTHCHECK_TOOL,
            "image-config",
            format!("the health check wants `{program}`, which the image does not have"),
        ));
    }
    for module in health::modules(&words) {
        if !has_module(subject, module) {
            let what = format!("the health check imports `{module}`, which the image does not have");
            findings.push(finding(&rules::HEALTHCHECK_TOOL, "image-config", what));
        }
    }
    findings.extend(port(subject.config, &words.join(" ")));
    findings
}

/// A package or a file of that name where Python looks, or something that is built in.
fn has_module(subject: &Subject<'_>, module: &str) -> bool {
    const BUILT_IN: [&str; 12] = [
        "sys",
        "time",
        "builtins",
        "itertools",
        "math",
        "errno",
        "_thread",
        "gc",
        "marshal",
        "signal",
        "select",
        "array",
    ];
    let (file, library) = (format!("{module}.py"), format!("{module}."));
    let own = own_places(subject.config);
    BUILT_IN.contains(&module)
        || subject.top_files().any(|(_, path)| {
            let path = format!("/{path}");
            path.match_indices('/').map(|(at, _)| at).any(|at| {
                let (place, rest) = (&path[..at], &path[at + 1..]);
                let name = rest.split('/').next().unwrap_or(rest);
                let is_module = match name.len() == rest.len() {
                    true => name == file || (name.starts_with(&library) && name.ends_with(".so")),
                    false => name == module,
                };
                is_module
                    && (is_module_place(place) || own.iter().any(|own| own == place.trim_start_matches('/')))
            })
        })
}

/// Whether Python looks for modules in this directory. What a package brings for itself (`pip/_vendor`) is elsewhere.
fn is_module_place(directory: &str) -> bool {
    let (parent, last) = directory.rsplit_once('/').unwrap_or(("", directory));
    let is_standard =
        last.strip_prefix("python3").is_some_and(|minor| minor.is_empty() || minor.starts_with('.'))
            && matches!(parent.rsplit('/').next(), Some("lib" | "lib64"));
    is_standard || matches!(last, "site-packages" | "dist-packages" | "lib-dynload")
}

/// Where the image's settings have Python look, from the root.
fn own_places(config: &ContainerConfig) -> Vec<String> {
    let variables = config.env.iter().flatten();
    let path = variables
        .filter_map(|variable| variable.strip_prefix("PYTHONPATH="))
        .flat_map(|path| path.split(':'));
    let places = path.chain([config.working_dir.as_str()]);
    places.map(|place| place.trim_matches('/').to_owned()).collect()
}

/// The port of a local address that the image does not name.
fn port(config: &ContainerConfig, check: &str) -> Option<Finding> {
    let after = ["localhost:", "127.0.0.1:", "0.0.0.0:"].iter().find_map(|host| check.split(host).nth(1))?;
    let port: String = after.chars().take_while(char::is_ascii_digit).collect();
    let exposed: HashSet<&str> =
        config.exposed_ports.keys().filter_map(|port| port.split('/').next()).collect();
    if port.is_empty() || exposed.is_empty() || exposed.contains(port.as_str()) {
        return None;
    }
    let named: Vec<&str> = exposed.into_iter().collect();
    let what = format!("the health check asks port {port}, and the image names {}", named.join(", "));
    Some(finding(&rules::HEALTHCHECK_PORT, "image-config", what))
}

/// CUDA's libraries where nothing says that there will be a GPU.
fn cuda(subject: &Subject<'_>) -> Option<Finding> {
    let names = |variable: &String| variable.starts_with("NVIDIA_") || variable.starts_with("CUDA_VERSION=");
    if subject.config.env.iter().flatten().any(names) {
        return None;
    }
    let is_cuda = |path: &str| {
        path.contains("-packages/nvidia/")
            || (path.contains("-packages/torch/lib/")
                && (path.contains("cuda") || path.contains("cudnn") || path.contains("nccl")))
    };
    let files: Vec<(usize, &str, u64)> = subject.sized_files().filter(|(_, path, _)| is_cuda(path)).collect();
    let bytes: u64 = files.iter().map(|(.., size)| size).sum();
    if bytes < MIN_REPEATED {
        return None;
    }
    let (layer, path, _) = files[0];
    let mut finding = finding(
        &rules::CUDA_IN_CPU,
        path,
        format!("{} of CUDA libraries, and nothing says that there is a GPU", size(bytes)),
    );
    finding.layer = subject.layer(layer);
    Some(finding)
}

fn git(subject: &Subject<'_>) -> Option<Finding> {
    let inside = |path: &str| path.starts_with(".git/objects/") || path.contains("/.git/objects/");
    let files: Vec<(usize, &str, u64)> = subject.sized_files().filter(|(_, path, _)| inside(path)).collect();
    let (layer, path, _) = *files.first()?;
    let root = path.split(".git/objects/").next().unwrap_or_default();
    let bytes: u64 = files.iter().map(|(.., size)| size).sum();
    let what =
        format!("the history of a repository is in the image ({} in {})", size(bytes), number(files.len()));
    let mut finding = finding(&rules::GIT_IN_IMAGE, &format!("{root}.git"), what);
    finding.layer = subject.layer(layer);
    Some(finding)
}

/// Layers that write files again which a layer below has in the same size: chown, chmod, touch.
fn repeated(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, layer) in subject.layers.iter().enumerate().skip(1) {
        let Some(origin) = subject.provenance.of(index) else { continue };
        if origin.base || !["chown", "chmod", "chgrp"].iter().any(|word| origin.created_by.contains(word)) {
            continue;
        }
        let again = layer.files.iter().filter(|file| subject.stack.has_below(&file.path, file.size, index));
        let bytes: u64 = again.clone().map(|file| file.size).sum();
        if bytes >= MIN_REPEATED {
            let what = format!(
                "layer {index} writes {} in {} again that are below in the same size",
                size(bytes),
                number(again.count())
            );
            let mut finding = finding(&rules::LAYER_REPEATED, &format!("layer {index}"), what);
            finding.layer = subject.layer(index);
            findings.push(finding);
        }
    }
    findings
}

fn number(files: usize) -> String {
    if files == 1 { "1 file".into() } else { format!("{files} files") }
}

/// Bytes for people, in powers of ten as registries have them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

impl<'a> Subject<'a> {
    /// The files at the top, each with its layer.
    fn top_files(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.sized_files().map(|(layer, path, _)| (layer, path))
    }

    fn sized_files(&self) -> impl Iterator<Item = (usize, &'a str, u64)> {
        let (layers, stack) = (self.layers, self.stack);
        layers.iter().enumerate().flat_map(move |(index, layer)| {
            let visible =
                layer.files.iter().filter(move |file| stack.removed_in(&file.path, index).is_none());
            visible.map(move |file| (index, file.path.as_str(), file.size))
        })
    }

    fn directory(&self, path: &str) -> Option<&'a DirectoryRecord> {
        self.layers.iter().rev().find_map(|layer| layer.directories.iter().find(|d| d.path == path))
    }

    fn layer(&self, index: usize) -> Option<LayerRef> {
        let digest = self.digests.get(index)?.clone();
        Some(LayerRef { index, digest, removed_in: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_powers_of_ten() {
        assert_eq!((size(12_345_678), size(999)), ("12.3 MB".into(), "999 B".into()));
    }
}
