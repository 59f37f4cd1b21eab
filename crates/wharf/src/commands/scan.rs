//! `wharf scan`: what is in an image, a directory or a file that should not go out.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wharf_oci::{Descriptor, Platform};
use wharf_scan::{
    Checks, Database, DockerfileSource, Options, Outcome as Judged, Policy, Report, SavedImage, Severity,
    Unfixed, output,
};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::settings::project;
use crate::world::World;
use crate::{local, output as out};

/// What `wharf scan` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image on this machine, `oci:DIR`, an archive of `docker save`, a directory, or a file
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
    /// Advisories: a directory, zip or tarball of OSV records [default: `db` in [scan] of wharf.toml]
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Fail from this severity: critical, high, medium, low, info [default: critical for
    /// vulnerabilities, high for all else]
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// Vulnerabilities without a fix: `ignore`, `report` or `fail` [default: ignore]
    #[arg(long, value_name = "HOW")]
    unfixed: Option<Unfixed>,
    /// A name that pickles may use, `package.module.Class`, or all of a module with `package.module.*`
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
    /// The Dockerfile that the image was built from, to point at its lines
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<PathBuf>,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
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

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For code scanning
    Sarif,
    /// For a job summary
    Markdown,
}

/// Looks, reports, and ends with 0 (pass), 1 (a finding reaches the threshold) or 3 (could not be judged).
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let settings = project::read(Path::new("."))?.scan;
    let policy = policy(&args, &settings)?;
    let options = Options { checks: checks(&args.only), allow: args.allow.clone() };
    let database = match args.db.as_deref().or(settings.db.as_deref().map(Path::new)) {
        Some(path) if options.checks.vulnerabilities => Database::open(path)?,
        _ => Database::default(),
    };
    let report = scan(&args, globals, &options, &database)?;
    let format = if globals.json { Format::Json } else { args.format };
    let text = match format {
        Format::Table => output::table(&report, &policy),
        Format::Json => output::json(&report, &policy),
        Format::Sarif => output::sarif(&report, &policy),
        Format::Markdown => output::markdown(&report, &policy),
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?,
        None => out::print(&text)?,
    }
    Ok(match policy.judge(&report).outcome {
        Judged::Pass => Exit::Done,
        _ if args.report_only => Exit::Done,
        Judged::Fail => Exit::Gate,
        Judged::Unjudged => Exit::Environment,
    })
}

fn checks(only: &[What]) -> Checks {
    if only.is_empty() {
        return Checks::default();
    }
    Checks {
        vulnerabilities: only.contains(&What::Vuln),
        models: only.contains(&What::Pickle),
        secrets: only.contains(&What::Secret),
        licences: only.contains(&What::Licence),
        config: only.contains(&What::Config),
    }
}

fn policy(args: &Args, settings: &project::Scan) -> Result<Policy, Failure> {
    let in_file = settings.unfixed.as_deref().map(str::parse::<Unfixed>).transpose();
    let in_file = in_file.map_err(|why| Failure::usage(format!("`unfixed` in [scan]: {why}")))?;
    let unfixed = args.unfixed.or(in_file).unwrap_or_default();
    let fail_on = match (args.fail_on, &settings.fail_on) {
        (Some(severity), _) => Some(severity),
        (None, Some(text)) => Some(text.parse::<Severity>().or_usage()?),
        (None, None) => None,
    };
    Ok(fail_on.map_or(Policy { unfixed, ..Policy::default() }, |severity| Policy::at(severity, unfixed)))
}

/// What the target is decides how it is read: a path goes before an image of the same name.
fn scan(args: &Args, globals: &Globals, options: &Options, database: &Database) -> Result<Report, Failure> {
    let text = match &args.dockerfile {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("reading {}", path.display()))?),
        None => None,
    };
    let path = args.dockerfile.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let dockerfile = text.as_deref().map(|text| DockerfileSource { path: &path, text });
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let layout = args.target.strip_prefix("oci:");
    let path = Path::new(layout.unwrap_or(&args.target));
    if layout.is_some() || path.is_file() {
        if let Some(image) = SavedImage::open(path, &platform)? {
            return Ok(image.scan(&args.target, dockerfile, options, database)?);
        }
        if layout.is_some() {
            return Err(Failure::usage(format!("{} is no OCI image layout", path.display())));
        }
        return Ok(wharf_scan::file(path, options)?);
    }
    if path.is_dir() {
        return Ok(wharf_scan::directory(path, options, database)?);
    }
    stored(args, globals, &platform, dockerfile, options, database)
}

/// An image on this machine.
fn stored(
    args: &Args,
    globals: &Globals,
    platform: &Platform,
    dockerfile: Option<DockerfileSource<'_>>,
    options: &Options,
    database: &Database,
) -> Result<Report, Failure> {
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.target)?;
    let image = local::open(&world.store, &named.descriptor, platform)?;
    let subject = wharf_scan::Image {
        name: &args.target,
        digest: &image.descriptor.digest,
        manifest: &image.manifest,
        config: &image.config,
        dockerfile,
    };
    let open = |blob: &Descriptor| -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(world.store.open_blob(&blob.digest).map_err(io::Error::other)?))
    };
    Ok(wharf_scan::image(&subject, &open, options, database)?)
}
