//! `wharf db`: the advisories that scans judge by.

use std::path::{Path, PathBuf};

use serde_json::json;
use wharf_oci::Reference;
use wharf_scan::Database;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::scanning::advisories::{self, Wanted};
use crate::world::{self, World};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    /// The database [default: advisories.wvdb in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    db: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Fetch what OSV has published, or only what has changed since the last time
    Update {
        /// Ecosystems in OSV's words, each with `@sha256:…` to take that export alone [default: those of the last update, or
        /// PyPI, Debian, Alpine, npm, Go, crates.io]
        ecosystems: Vec<String>,
        /// Where the exports are, asked in this order
        #[arg(long, value_name = "URL", env = "WHARF_DB_MIRROR", value_delimiter = ',')]
        mirror: Vec<String>,
        /// Fetch everything, whatever is here
        #[arg(long)]
        whole: bool,
    },
    /// Add records from files: directories, zips and tarballs of JSON, YAML or RustSec's Markdown, or another database
    Import {
        /// A path, a URL, or `oci://REGISTRY/REPOSITORY[:TAG][@DIGEST]`
        #[arg(required = true)]
        sources: Vec<String>,
        /// What the source must be, where it is one file
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Forget what was here before
        #[arg(long)]
        replace: bool,
    },
    /// Make a database of records, to be carried or pushed
    Build {
        /// Paths, URLs, or `oci://…`
        #[arg(required = true)]
        sources: Vec<String>,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Push the database to a registry
    Push {
        /// Where to
        reference: String,
    },
    /// Pull a database from a registry, and judge by it from now on
    Pull {
        /// Where from; with a digest, exactly that one
        reference: String,
    },
    /// Say what is in the database, and how old it is
    #[command(visible_alias = "show")]
    Status,
}

/// Fills, moves or describes the database.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let path = args.db.unwrap_or_else(|| advisories::place(&world));
    match args.what {
        What::Update { ecosystems, mirror, whole } => update(&path, ecosystems, mirror, whole, &world),
        What::Import { sources, sha256, replace } => {
            if sha256.is_some() && sources.len() != 1 {
                return Err(Failure::usage("--sha256 is about one source, and there are several"));
            }
            let new = read_all(&sources, sha256.as_deref(), &world)?;
            advisories::merge(&path, new, replace)?;
            describe(&path, &world)
        }
        What::Build { sources, output } => {
            advisories::merge(&output, read_all(&sources, None, &world)?, true)?;
            describe(&output, &world)
        }
        What::Push { reference } => {
            let to = parse(&reference)?;
            here(&path)?;
            let pushed = advisories::push(&path, &to, &world)?;
            let pinned = format!("oci://{}@{}", to.name(), pushed.digest);
            match world.globals.json {
                true => output::print_json(&json!({ "digest": pushed.digest, "pinned": pinned }))?,
                false => output::print(&format!("{pinned}\n"))?,
            }
            Ok(Exit::Done)
        }
        What::Pull { reference } => {
            advisories::pull(&parse(&reference)?, &path, &world)?;
            describe(&path, &world)
        }
        What::Status => {
            here(&path)?;
            describe(&path, &world)
        }
    }
}

/// All of them, before anything is written: with one that cannot be read, none is taken.
fn read_all(sources: &[String], sha256: Option<&str>, world: &World) -> Result<Vec<Database>, Failure> {
    sources.iter().map(|source| advisories::read(source, sha256, world)).collect()
}

fn parse(reference: &str) -> Result<Reference, Failure> {
    reference.strip_prefix("oci://").unwrap_or(reference).parse().or_usage()
}

fn here(path: &Path) -> Result<(), Failure> {
    if path.is_file() {
        return Ok(());
    }
    let failure =
        Failure::new(Exit::Environment, anyhow::anyhow!("there is no database at {}", path.display()));
    Err(failure.hint("fetch one: `wharf db update`, or bring one: `wharf db import PATH`"))
}

fn update(
    path: &Path,
    ecosystems: Vec<String>,
    mut mirrors: Vec<String>,
    whole: bool,
    world: &World,
) -> Outcome {
    let known = || match path.is_file() {
        true => Ok::<_, Failure>(Database::open(path)?.sources().keys().cloned().collect::<Vec<_>>()),
        false => Ok(Vec::new()),
    };
    let mut ecosystems = if ecosystems.is_empty() { known()? } else { ecosystems };
    if ecosystems.is_empty() {
        ecosystems = advisories::DEFAULT_ECOSYSTEMS.map(str::to_owned).to_vec();
    }
    if mirrors.is_empty() {
        mirrors.push(advisories::OSV.to_owned());
    }
    let wanted = ecosystems.iter().map(|text| text.parse::<Wanted>().map_err(Failure::usage));
    let done = advisories::update(path, &wanted.collect::<Result<Vec<_>, _>>()?, &mirrors, whole, world)?;
    if world.globals.json {
        output::print_json(&done)?;
        return Ok(Exit::Done);
    }
    for updated in done {
        let what = if updated.whole { "all" } else { "changed" };
        let pin =
            updated.digest.map(|digest| format!(" ({}@{digest})", updated.ecosystem)).unwrap_or_default();
        output::print(&format!(
            "{}: {} {what} records from {}{pin}\n",
            updated.ecosystem, updated.records, updated.mirror
        ))?;
    }
    describe(path, world)
}

fn describe(path: &Path, world: &World) -> Outcome {
    let database = Database::open(path)?;
    let today = world::now().strftime("%Y-%m-%d").to_string();
    let (value, text) = advisories::describe(path, &database, &today);
    match world.globals.json {
        true => output::print_json(&value)?,
        false => output::print(&text)?,
    }
    Ok(Exit::Done)
}
