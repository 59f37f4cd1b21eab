//! `wharf scan`: what is in an image, a directory or a file that should not go out.

use std::path::{Path, PathBuf};

use anyhow::Context;
use wharf_oci::{Platform, Reference};
use wharf_registry::{Name, Store};
use wharf_scan::{BuildContext, DockerfileSource, Kind, Outcome as Judged, Report, Severity, Unfixed};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output as out;
use crate::scanning::attest::{self, Attestation};
use crate::scanning::engines::Engine;
use crate::scanning::format::Format;
use crate::scanning::{self, Asked, Setup, Target};
use crate::settings::project;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image, `oci:DIR`, an archive of `docker save`, a directory, or a file
    #[arg(value_name = "IMAGE|oci:DIR|ARCHIVE|DIR|FILE")]
    target: String,
    /// Look for these only
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    only: Vec<What>,
    /// How to report
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// Write the report to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Advisories: a file of `wharf db build`, a directory, zip or tarball of OSV records, or `oci://…` [default: `db` in
    /// [scan] of wharf.toml, else what `wharf db update` fetched]
    #[arg(long, value_name = "PATH")]
    db: Option<String>,
    /// Fail from this severity: critical, high, medium, low, info [default: critical for
    /// vulnerabilities, high for all else]
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// Speak of findings of these severities only
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    severity: Vec<Severity>,
    /// Vulnerabilities without a fix: `ignore`, `report` or `fail` [default: ignore]
    #[arg(long, value_name = "HOW")]
    unfixed: Option<Unfixed>,
    /// A distribution without further fixes: `ignore`, `report` or `fail` [default: report]
    #[arg(long, value_name = "HOW")]
    eol: Option<Unfixed>,
    /// A file of answers beside .wharfignore and .trivyignore
    #[arg(long, value_name = "FILE", visible_alias = "ignorefile")]
    ignore_file: Vec<PathBuf>,
    /// A VEX document: OpenVEX, CSAF or CycloneDX
    #[arg(long, value_name = "FILE")]
    vex: Vec<PathBuf>,
    /// Rules for credentials beside the built-in ones, in TOML
    #[arg(long, value_name = "FILE")]
    secret_rules: Vec<PathBuf>,
    /// A name that pickles may use, `package.module.Class`, or all of a module with `package.module.*`
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
    /// The Dockerfile that the image was built from, to point at its lines
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<PathBuf>,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// When an image is pulled: `missing`, `always` or `never`
    #[arg(long, default_value = "missing", value_parser = ["always", "missing", "never"], value_name = "WHEN")]
    pull: String,
    /// Scanners to ask, of those that are installed; their findings are merged [default: builtin]
    #[arg(long, value_name = "ENGINE", value_delimiter = ',')]
    engine: Vec<Engine>,
    /// Post SARIF to GitHub's code scanning; needs the job's token
    #[arg(long)]
    upload: bool,
    /// Tell [scan.alerts] of wharf.toml what is new and stops a ship
    #[arg(long)]
    alert: bool,
    /// Put the result beside this image in its registry, which must be the image that was scanned
    #[arg(long, value_name = "REFERENCE")]
    attach: Option<String>,
    /// Read every layer anew
    #[arg(long)]
    no_cache: bool,
    /// Report, and end with success whatever is found
    #[arg(long)]
    report_only: bool,
}

/// Something to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Packages with published advisories
    Vuln,
    /// Model files that do more than hold a model
    #[value(alias = "model")]
    Pickle,
    /// Credentials
    Secret,
    /// Licences
    #[value(alias = "license")]
    Licence,
    /// How the image is put together
    Config,
}

impl From<What> for Kind {
    fn from(what: What) -> Self {
        match what {
            What::Vuln => Self::Vulnerability,
            What::Pickle => Self::Model,
            What::Secret => Self::Secret,
            What::Licence => Self::Licence,
            What::Config => Self::Config,
        }
    }
}

/// Looks, reports, and ends with 0 (pass), 1 (a finding reaches the threshold) or 3 (could not be judged).
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let directory = Path::new(".");
    let settings = project::read(directory)?.scan;
    let asked = Asked {
        only: args.only.iter().map(|what| Kind::from(*what)).collect(),
        fail_on: args.fail_on,
        unfixed: args.unfixed,
        eol: args.eol,
        allow: args.allow.clone(),
        db: args.db.clone(),
        ignore_files: args.ignore_file.clone(),
        vex: args.vex.clone(),
        secret_rules: args.secret_rules.clone(),
        no_cache: args.no_cache,
        engines: args.engine.clone(),
        severities: args.severity.clone(),
    };
    let setup = Setup::new(&asked, &settings, directory, &world)?;
    let text = match &args.dockerfile {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("reading {}", path.display()))?),
        None => None,
    };
    let path = args.dockerfile.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let context = args.dockerfile.as_ref().map(|path| BuildContext::read(parent(path), path));
    let source = |text| DockerfileSource { path: &path, text, context: context.as_ref() };
    let dockerfile = text.as_deref().map(source);
    let target = Target::parse(&args.target, args.platform.as_ref(), &args.pull);
    let report = scanning::scan(&target, dockerfile, &setup, &world)?;
    let format = if globals.json { Format::Json } else { args.format };
    let text = format.render(&report, &setup.policy);
    match &args.output {
        Some(path) => scanning::write(path, &text)?,
        None => out::print(&text)?,
    }
    if args.upload || settings.upload {
        scanning::upload(&report, &setup, &world)?;
    }
    if args.alert {
        // What is no image has no tag.
        let is_image = report.subject.digest.is_some();
        let name = if is_image { without_tag(&args.target) } else { args.target.clone() };
        scanning::alert(&settings.alerts, &name, &report, &setup, &world)?;
    }
    if let Some(reference) = &args.attach {
        attach(reference, &report, &setup, &world)?;
    }
    Ok(match setup.policy.judge(&report).outcome {
        Judged::Pass => Exit::Done,
        _ if args.report_only => Exit::Done,
        Judged::Fail => Exit::Gate,
        Judged::Unjudged => Exit::Environment,
    })
}

/// The directory that a file lies in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What an image is called whatever its version.
fn without_tag(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.name().to_string())
}

/// Puts the result beside the image in its registry, if it is the image that was scanned.
fn attach(reference: &str, report: &Report, setup: &Setup, world: &World) -> Result<(), Failure> {
    let to: Reference = reference.parse().or_usage()?;
    let store = world.client.repository(&to)?;
    let name = match (to.digest(), to.tag_or_latest()) {
        (Some(digest), _) => Name::Digest(digest),
        (None, tag) => Name::Tag(tag.unwrap_or("latest")),
    };
    let head = world.runtime.block_on(store.head(name)).map_err(super::registry_failure)?;
    let head = head.ok_or_else(|| anyhow::anyhow!("there is no image `{to}`"))?;
    if report.subject.digest.as_deref() != Some(head.digest.as_ref()) {
        let scanned = report.subject.digest.as_deref().unwrap_or("no image");
        return Err(Failure::gate(format!("{to} is {}, and what was scanned is {scanned}", head.digest)));
    }
    let attestation = Attestation::new(report, &setup.policy, &head.digest, setup.database.as_of());
    let attached = attest::publish(world, &to, &head, &attestation)?;
    world.progress.note(&format!("the result is beside the image: {}@{attached}", to.name()));
    Ok(())
}
