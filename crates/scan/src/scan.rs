//! The entry points: an image, a layer, a file. A directory is an idea of its own ([`crate::directory()`]).

use std::cmp::Reverse;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::ahead::Ahead;
use crate::archive::Codec;
use crate::directory::{dockerfile, is_dockerfile};
use crate::examine::Examiner;
use crate::findings::{Finding, Report, Subject};
use crate::image::{Image, LayerReport, OpenBlob, Provenance, Stack};
use crate::pickle::Allowed;
use crate::{
    Database, Error, Inventory, LicenceRules, SecretRules, Shelf, licences, practice, secrets,
    vulnerabilities,
};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    /// Packages with published advisories.
    pub vulnerabilities: bool,
    /// Model files that do more than hold a model.
    pub models: bool,
    /// Credentials.
    pub secrets: bool,
    /// Licences.
    pub licences: bool,
    /// How the image is put together.
    pub config: bool,
    /// Packages, without anything being said of them: what a bill of materials needs.
    #[serde(default)]
    pub packages: bool,
}

impl Default for Checks {
    /// All but licences, of which every project thinks differently.
    fn default() -> Self {
        Self {
            vulnerabilities: true,
            models: true,
            secrets: true,
            licences: false,
            config: true,
            packages: true,
        }
    }
}

impl Checks {
    /// Whether somebody asks what the image consists of.
    pub(crate) fn needs_packages(self) -> bool {
        self.vulnerabilities || self.licences || self.packages || self.config
    }

    /// Whether whoever looked for these in a layer has seen all that `wanted` asks of one.
    pub(crate) fn covers(self, wanted: Self) -> bool {
        (self.models || !wanted.models)
            && (self.secrets || !wanted.secrets)
            && (self.needs_packages() || !wanted.needs_packages())
    }

    /// Both together, as far as layers are concerned.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            models: self.models || other.models,
            secrets: self.secrets || other.secrets,
            packages: self.packages || other.needs_packages(),
            ..self
        }
    }

    /// Nothing.
    pub const NONE: Self = Self {
        vulnerabilities: false,
        models: false,
        secrets: false,
        licences: false,
        config: false,
        packages: false,
    };
}

/// How to look.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What for.
    pub checks: Checks,
    /// Names that pickles may use beside the known ones: `churn.features.Scaler`, or all of a module with
    /// `churn.features.*`.
    pub allow: Vec<String>,
    /// What the project thinks of licences.
    pub licences: LicenceRules,
    /// What credentials look like.
    pub secrets: SecretRules,
}

/// Looks at an image: reads its layers, two at a time and the largest first, and puts together what they hold. Layers that the
/// shelf knows are not read.
///
/// # Errors
/// If a layer cannot be opened or read to its end.
pub fn image(
    image: &Image<'_>,
    open: OpenBlob<'_>,
    options: &Options,
    database: &Database,
    shelf: &Shelf,
) -> Result<Report, Error> {
    let layers = &image.manifest.layers;
    let shelf = &shelf.under(&options.secrets);
    let read = |index: usize| {
        let digest = &layers[index].digest;
        if let Some(report) = shelf.get(digest, options.checks) {
            return Ok(report);
        }
        let checks = shelf.widened(digest, options.checks);
        let report = open(&layers[index]).and_then(|blob| read_layer_ahead(blob, checks, &options.secrets));
        let report = report.map_err(|source| Error::Layer { digest: digest.clone(), source })?;
        shelf.put(digest, &report);
        Ok(report.only(options.checks))
    };
    let mut order: Vec<usize> = (0..layers.len()).collect();
    order.sort_by_key(|index| Reverse(layers[*index].size));
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*index, read(*index)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let other = scope.spawn(worker);
        let mut done = worker();
        match other.join() {
            Ok(more) => done.extend(more),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    let reports = done.into_iter().map(|(_, report)| report).collect::<Result<Vec<_>, _>>()?;
    Ok(assemble(image, &reports, options, database))
}

/// Reads one layer, compressed or not, as a stream, under the built-in rules.
///
/// # Errors
/// If the stream breaks or is no tar archive.
pub fn read_layer(blob: impl Read + Send, checks: Checks) -> io::Result<LayerReport> {
    let rules = SecretRules::default();
    let mut stream = BufReader::with_capacity(128 << 10, blob);
    match layer_codec(stream.fill_buf()?) {
        Some(codec) => examine(BufReader::with_capacity(128 << 10, codec.decode(stream)?), checks, &rules),
        None => examine(stream, checks, &rules),
    }
}

/// Reads one layer to the end of its blob, with a thread for each of reading (and checking, if `blob` does so), decompressing and
/// looking.
fn read_layer_ahead(blob: impl Read + Send, checks: Checks, rules: &SecretRules) -> io::Result<LayerReport> {
    thread::scope(|reading| {
        let mut blob = Ahead::new(reading, blob);
        let stream = &mut blob;
        let report = thread::scope(move |decompressing| match layer_codec(stream.fill_buf()?) {
            Some(codec) => examine(Ahead::new(decompressing, codec.decode(stream)?), checks, rules),
            None => examine(stream, checks, rules),
        })?;
        // Whoever checks the blob can do so at its end only.
        io::copy(&mut blob, &mut io::sink())?;
        Ok(report)
    })
}

/// How a layer is compressed that begins like this. What no layer is compressed with is not taken for it.
fn layer_codec(head: &[u8]) -> Option<Codec> {
    Codec::detect(head).filter(|codec| !matches!(codec, Codec::Zlib | Codec::Lzma))
}

fn examine(stream: impl BufRead, checks: Checks, rules: &SecretRules) -> io::Result<LayerReport> {
    let mut examiner = Examiner::new(checks, rules);
    examiner.layer(stream)?;
    Ok(examiner.finish())
}

/// Puts together what the layers of an image hold, lowest first, and matches it against the database.
pub fn assemble(image: &Image<'_>, layers: &[LayerReport], options: &Options, database: &Database) -> Report {
    let stack = Stack::new(layers);
    let digests: Vec<_> = image.manifest.layers.iter().map(|layer| layer.digest.clone()).collect();
    let subject = Subject {
        name: image.name.to_owned(),
        digest: Some(image.digest.to_string()),
        platform: Some(image.config.platform().to_string()),
    };
    let mut report = Report { subject, checks: options.checks, ..Report::default() };
    report.findings = answered(stack.findings(&digests), options);
    if options.checks.needs_packages() {
        report.inventory = stack.inventory();
        judge_packages(&mut report, options, database);
    }
    let provenance = Provenance::new(image.config, image.dockerfile);
    if options.checks.secrets {
        report.findings.extend(secrets::scan_config(image.config, &provenance, &options.secrets));
    }
    if options.checks.config {
        let text = image.dockerfile.map(|source| practice::dockerfile(source, true));
        report.findings.extend(text.into_iter().flatten());
        report.findings.extend(practice::image::check(&practice::image::Subject {
            config: &image.config.config,
            layers,
            stack: &stack,
            digests: &digests,
            provenance: &provenance,
        }));
    }
    for finding in &mut report.findings {
        place(finding, &provenance, &digests);
    }
    report.sort();
    report
}

/// Gives a finding its layer, where only its package knows it, and its place in the Dockerfile.
fn place(finding: &mut Finding, provenance: &Provenance, digests: &[wharf_oci::Digest]) {
    if finding.layer.is_none()
        && let Some(index) = finding.package.as_ref().and_then(|package| package.layer)
        && let Some(digest) = digests.get(index)
    {
        let digest = digest.clone();
        finding.layer = Some(crate::findings::LayerRef { index, digest, removed_in: None });
    }
    let origin = finding.layer.as_ref().and_then(|layer| provenance.of(layer.index));
    if let Some(origin) = origin {
        finding.location.clone_from(&origin.location);
    }
}

fn judge_packages(report: &mut Report, options: &Options, database: &Database) {
    if options.checks.licences {
        report.findings.extend(licences::find(&report.inventory, &options.licences));
    }
    if !options.checks.vulnerabilities {
        return;
    }
    let matched = vulnerabilities::find(&report.inventory, database);
    report.findings.extend(matched.findings);
    report.unjudged.extend(matched.unjudged);
    report.notes.extend(matched.notes);
}

/// A report on an image of which only the inventory is known, against a database that may know more by now. Nothing but
/// packages is judged.
pub fn rematch(
    name: &str,
    digest: &str,
    inventory: Inventory,
    options: &Options,
    database: &Database,
) -> Report {
    let subject = Subject { name: name.to_owned(), digest: Some(digest.to_owned()), platform: None };
    let checks = Checks { vulnerabilities: true, licences: options.checks.licences, ..Checks::NONE };
    let mut report = Report { subject, checks, inventory, ..Report::default() };
    judge_packages(&mut report, &Options { checks, ..options.clone() }, database);
    report.sort();
    report
}

/// Looks at one file: a model, or a document that may hold secrets. Findings name it as `path` does.
///
/// # Errors
/// If it cannot be read.
pub fn file(path: &Path, options: &Options) -> Result<Report, Error> {
    let mut examiner = Examiner::new(options.checks, &options.secrets);
    let name = path.to_string_lossy();
    let name = name.strip_prefix("./").unwrap_or(&name);
    let size = fs::metadata(path).map(|metadata| metadata.len());
    size.and_then(|size| examiner.file(name, size, path))
        .map_err(|source| Error::Path { path: path.to_owned(), source })?;
    let mut report = finish(path, &[examiner.finish()], options, &Database::default());
    if options.checks.config && is_dockerfile(path) {
        report.findings.extend(dockerfile(path, name)?);
        report.sort();
    }
    Ok(report)
}

/// Looks at one file that is in memory, as if it lay at `name`: a model, or a document that may hold secrets.
pub fn bytes(name: &str, content: Vec<u8>, options: &Options) -> Vec<Finding> {
    let mut examiner = Examiner::new(options.checks, &options.secrets);
    examiner.bytes(name, content);
    answered(examiner.finish().findings, options)
}

/// Without those about names that the user allows.
fn answered(findings: Vec<Finding>, options: &Options) -> Vec<Finding> {
    let allowed = Allowed::new(&options.allow);
    let is_open = |finding: &Finding| finding.name.as_ref().is_none_or(|name| !allowed.allows(name));
    findings.into_iter().filter(is_open).collect()
}

/// Puts together what lies below a path, which is no image.
pub(crate) fn finish(path: &Path, layers: &[LayerReport], options: &Options, database: &Database) -> Report {
    let subject = Subject { name: path.display().to_string(), ..Subject::default() };
    let mut report = Report { subject, checks: options.checks, ..Report::default() };
    report.findings = answered(layers.iter().flat_map(|layer| layer.findings.clone()).collect(), options);
    report.inventory = Stack::new(layers).inventory();
    for package in &mut report.inventory.packages {
        package.layer = None;
    }
    // A tree without packages is judged by its files alone, unless somebody asks for packages by name.
    let inventory = &report.inventory;
    let is_empty = inventory.packages.is_empty() && inventory.damaged.is_empty();
    if !is_empty || !options.checks.packages {
        judge_packages(&mut report, options, database);
    }
    report.sort();
    report
}
