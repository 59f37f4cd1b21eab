//! `wharf registry serve`: the embedded registry.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use wharf_depot::{Access, Depot, Options, Tls, Upstream, Users};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::settings::host;
use crate::{output, world};

/// What `wharf registry` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Serve the distribution protocol from a directory
    Serve(Serve),
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

/// Serves until SIGTERM or Ctrl-C; what is under way is finished first.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let Verb::Serve(serve) = args.verb;
    let access = access(&serve)?;
    let tls = tls(&serve)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let upstream = match &serve.upstream {
        Some(registry) => Some(Upstream::new(world::client(globals)?, registry)),
        None => None,
    };
    let data = serve
        .data
        .unwrap_or_else(|| host::data_dir(globals, rustix::process::getuid().as_raw()).join("registry"));
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
