//! `wharf registry`: the embedded registry, served and cleared out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use wharf_depot::{Access, Depot, Needed, Options, Tls, Upstream, Users};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::settings::host;
use crate::{output, world};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Serve the distribution protocol from a directory
    Serve(Serve),
    /// Remove blobs that no manifest needs, also while it is served
    #[command(visible_alias = "garbage-collect")]
    Gc(Gc),
}

#[derive(Debug, clap::Args)]
struct Gc {
    /// Where the repositories are [default: `registry` in the data directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Spare what was sent, mounted or looked for within so many hours: it may belong to a push that is under way
    #[arg(long, value_name = "HOURS", default_value_t = 24.0)]
    grace: f64,
    /// Remove manifests too that no tag leads to. What is about an image with a tag, such as a signature, stays
    #[arg(short = 'm', long)]
    delete_untagged: bool,
    /// Only say how much would go
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Where the repositories are, each a plain OCI layout [default: `registry` in the data directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5000")]
    addr: SocketAddr,
    /// Ask for a password from this file (`htpasswd -B`)
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    htpasswd: Option<PathBuf>,
    /// Ask for this bearer token
    #[arg(long, env = "WHARF_REGISTRY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Let nothing be changed
    #[arg(long)]
    read_only: bool,
    /// Refuse to point a tag that exists at anything else
    #[arg(long)]
    immutable_tags: bool,
    /// Serve with TLS, by this chain of certificates (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Be a cache of this registry: what is not here is fetched there and kept
    #[arg(long, value_name = "HOST", conflicts_with_all = ["read_only", "immutable_tags"])]
    upstream: Option<String>,
}

/// Does what was asked for.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    match args.verb {
        Verb::Serve(serve) => run_server(serve, globals),
        Verb::Gc(gc) => collect(&gc, globals),
    }
}

fn data_dir(given: Option<PathBuf>, globals: &Globals) -> PathBuf {
    given.unwrap_or_else(|| host::data_dir(globals, rustix::process::getuid().as_raw()).join("registry"))
}

/// Removes what nothing leads to, and says how much it was.
fn collect(gc: &Gc, globals: &Globals) -> Outcome {
    let grace = Duration::try_from_secs_f64(gc.grace * 3600.0).or_usage()?;
    let data = data_dir(gc.data.clone(), globals);
    if !data.is_dir() {
        return Err(Failure::from(anyhow!("there is no registry in {}", data.display()))
            .hint("--data names the directory that `wharf registry serve` was given"));
    }
    let depot = Depot::open(&data, Options::default())?;
    let needed = if gc.delete_untagged { Needed::ByTags } else { Needed::ByManifests };
    let (pruned, verb) = match gc.dry_run {
        true => (depot.needless(needed, grace)?, "would be removed"),
        false => (depot.prune(needed, grace)?, "removed"),
    };
    if globals.json {
        output::print_json(&json!({ "blobs": pruned.blobs, "bytes": pruned.bytes, "dryRun": gc.dry_run }))?;
    } else {
        let blobs = if pruned.blobs == 1 { "blob" } else { "blobs" };
        let bytes = output::size::bytes(pruned.bytes);
        output::print(&format!("{} {blobs}, {bytes}, {verb}\n", pruned.blobs))?;
    }
    Ok(Exit::Done)
}

/// Serves until SIGTERM or Ctrl-C; what is under way is finished first.
fn run_server(serve: Serve, globals: &Globals) -> Outcome {
    let access = access(&serve)?;
    let tls = tls(&serve)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let upstream = match &serve.upstream {
        Some(registry) => Some(Upstream::new(world::client(globals)?, registry)),
        None => None,
    };
    let data = data_dir(serve.data, globals);
    let options = Options {
        access,
        read_only: serve.read_only,
        immutable_tags: serve.immutable_tags,
        tls,
        upstream,
        ..Options::default()
    };
    let depot = Depot::open(&data, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(serve.addr).await;
        let listener = listener.with_context(|| format!("listening on {}", serve.addr))?;
        let address = listener.local_addr()?;
        output::print(&format!("serving {} on {scheme}://{address}\n", data.display()))?;
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        depot
            .serve(listener, async move {
                tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
            })
            .await?;
        Ok::<(), Failure>(())
    })?;
    Ok(Exit::Done)
}

fn tls(serve: &Serve) -> Result<Option<Tls>, Failure> {
    let (Some(certificate), Some(key)) = (&serve.tls_cert, &serve.tls_key) else { return Ok(None) };
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    Ok(Some(Tls::from_pem(&read(certificate)?, &read(key)?).or_usage()?))
}

fn access(serve: &Serve) -> Result<Access, Failure> {
    match (&serve.htpasswd, &serve.token) {
        (Some(path), _) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Access::Users(Users::parse(&text).or_usage()?))
        }
        (None, Some(token)) => Ok(Access::Token(token.clone().into())),
        (None, None) => Ok(Access::Open),
    }
}
