//! `wharf builders`: the builders elsewhere, what they are, and what they keep.

mod disk;
mod list;

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use wharf_buildkit::Status;
use wharf_buildkit::fleet::Fleet;
use wharf_buildkit::transport::Channel;

use crate::builders::flags::TlsFlags;
use crate::builders::{self, Candidate};
use crate::cli::Globals;
use crate::exit::{Failure, OrFail, Outcome};
use crate::output;
use crate::settings::project;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List builders, and whether they answer
    Ls(Which),
    /// Show what a builder is: its workers, platforms, version and garbage collection
    Inspect(Which),
    /// Show what a builder keeps, and how much of it a prune would free
    Du(disk::Du),
    /// Remove what a builder keeps and no build uses now
    Prune(disk::Prune),
}

/// Which builders.
#[derive(Debug, clap::Args)]
struct Which {
    /// An address such as `tcp://HOST:PORT` or `buildx:NAME` [default: `[build] builder` of wharf.toml; to list, also
    /// what docker buildx knows]
    #[arg(value_name = "ADDRESS", env = "WHARF_BUILDER")]
    builder: Option<String>,
    #[command(flatten)]
    tls: TlsFlags,
}

/// Does it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match args.verb {
            Verb::Ls(which) => list::list(&which, globals).await,
            Verb::Inspect(which) => list::inspect(&which, globals).await,
            Verb::Du(args) => disk::usage(&args, globals).await,
            Verb::Prune(args) => disk::prune(&args, globals).await,
        }
    })
}

impl Which {
    /// The builders that are meant, where any are.
    fn named(&self) -> Result<Option<Fleet>, Failure> {
        let named = match &self.builder {
            Some(named) => Some(named.clone()),
            None => project::read(Path::new("."))?.build.builder,
        };
        named.filter(|text| text != "default").map(|text| self.tls.fleet(&text)).transpose()
    }

    /// The same; there must be one.
    fn fleet(&self) -> Result<Fleet, Failure> {
        self.named()?.ok_or_else(|| {
            Failure::usage("no builder is named").hint(
                "name one, such as `docker://` or `tcp://HOST:PORT`, or set `[build] builder` in wharf.toml",
            )
        })
    }

    /// Every place of every builder: all ready pods, all nodes.
    async fn places(&self) -> Result<Vec<Candidate>, Failure> {
        let mut all = Vec::new();
        for member in self.fleet()?.members() {
            all.extend(builders::candidates(&member.address, "").await?);
        }
        Ok(all)
    }
}

/// Opens a channel, or says why there is none.
async fn reached(place: &Candidate) -> Result<Channel, Failure> {
    place.connect().await.map_err(builders::failed)
}

/// A builder's answer that is none.
fn refused(doing: &str, place: &Candidate, status: &Status) -> Failure {
    Failure::from(anyhow!("{}", wharf_buildkit::reason(status)).context(format!("{doing} {}", place.address)))
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let age = |text: &str| -> anyhow::Result<Duration> {
        let span: jiff::Span = text.parse()?;
        Ok(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())?.try_into()?)
    };
    age(text).or_usage().map_err(|failure| failure.hint("such as `24h` or `7d`"))
}

fn print(
    document: &serde_json::Value,
    text: impl FnOnce() -> String,
    globals: &Globals,
) -> Result<(), Failure> {
    if globals.json { output::print_json(document) } else { output::print(&text()) }
}
