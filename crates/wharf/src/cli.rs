//! What was typed: the command line as clap reads it, before settings and conventions are applied.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;

/// From a git commit to a running, traceable production image.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, about, long_about = None, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every verb takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// Print the result as JSON on standard output, and events as JSON lines on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where images, caches and state live [default: $XDG_DATA_HOME/wharf, as root /var/lib/wharf]
    #[arg(long, global = true, value_name = "DIR", env = "WHARF_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The host's settings (mirrors, certificates) [default: $XDG_CONFIG_HOME/wharf/config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "WHARF_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// How progress is shown: `auto`, `plain`, `tty` or `quiet`
    #[arg(long, global = true, value_name = "HOW", default_value = "auto", env = "WHARF_PROGRESS")]
    pub(crate) progress: Progress,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Progress {
    /// A live view on a terminal, plain lines elsewhere.
    Auto,
    /// One timestamped line per event.
    Plain,
    /// A live view.
    Tty,
    /// Only results and errors.
    #[value(alias = "none")]
    Quiet,
}

impl Globals {
    /// What these words and the environment say, where another command line begins after them.
    pub(crate) fn from_words(words: &[std::ffi::OsString]) -> Self {
        #[derive(Parser)]
        struct Nothing {
            #[command(flatten)]
            globals: Globals,
        }
        let defaults = Self { json: false, data_dir: None, config: None, progress: Progress::Auto };
        let words = std::iter::once("wharf".into()).chain(words.iter().cloned());
        Nothing::try_parse_from(words).map_or(defaults, |nothing| nothing.globals)
    }
}

/// The verbs. The flags of each are made when it is the one that was typed; with them, what their structure says of
/// itself takes the place of what is said here, and so does what a part of it says where it says nothing.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// From a commit to a running, traceable image: tags, build, smoke test, scan, push, record
    Ship(commands::ship::Args),
    // As in docker, the last of several values of a flag counts.
    /// Build an image from a Dockerfile, with the flags of `docker buildx build`
    #[command(args_override_self = true)]
    Build(Box<commands::build::Args>),
    /// List, inspect, measure and prune the builders elsewhere
    Builders(commands::builders::Args),
    /// Work out tags, labels and annotations from git and the CI event
    Meta(commands::meta::Args),
    /// Start an image as its own user and see whether it works
    Smoke(commands::smoke::Args),
    /// Look for vulnerable packages, unsafe model files and secrets
    Scan(Box<commands::scan::Args>),
    /// Check Dockerfiles by BuildKit's rules and by practice, without a build
    Lint(commands::lint::Args),
    /// List what an image consists of, as CycloneDX or SPDX
    Sbom(commands::sbom::Args),
    /// The advisories that scans judge by
    Db(commands::db::Args),
    /// Match released images against new advisories, without pulling them
    Watch(commands::watch::Args),
    /// Say what runs where, from which commit, with which model, and what was shipped last
    Status(commands::status::Args),
    /// Put a release into an environment, with evidence
    Promote(Box<commands::promote::Args>),
    /// Put an earlier release back: no rebuild, no moved image
    Rollback(commands::rollback::Args),
    /// Stop promotions to an environment, or let them go on with --release
    Hold(commands::hold::Args),
    /// Let promotions to an environment go on
    Unhold(commands::hold::UnholdArgs),
    /// Confirm a rollout by its health endpoint: the release counts as verified
    Observe(commands::observe::Args),
    /// Show what happened in an environment, or what was shipped
    Log(commands::log::Args),
    /// Say what a digest, tag or version is, and where it ran
    Who(commands::who::Args),
    /// Say which releases have a commit, a model or a vulnerability in them
    Where(commands::r#where::Args),
    /// Say what is different between two releases
    Diff(commands::diff::Args),
    /// Serve a page about the releases on loopback, for reading only
    Ui(commands::ui::Args),
    /// Check the release history, and whether a rollback would work today
    Fsck(commands::fsck::Args),
    /// Begin the history of an environment, or close a fork in it
    Ledger(commands::ledger::Args),
    /// Sign a release, in cosign's layout
    Sign(commands::sign::Args),
    /// Check the signature of a release
    Verify(commands::verify::Args),
    /// List the images on this machine
    Images(commands::images::Args),
    /// Show everything about an image, here or in a registry
    Inspect(commands::inspect::Args),
    /// Show how an image came to be
    History(commands::history::Args),
    /// Give an image another name
    Tag(commands::tag::Args),
    /// Take names away from images
    #[command(visible_alias = "rmi")]
    Rm(commands::rm::Args),
    /// Bring an image from a registry to this machine
    Pull(commands::pull::Args),
    /// Bring an image from this machine to a registry
    Push(commands::push::Args),
    /// List the repositories of a registry, or the tags of one
    Ls(commands::ls::Args),
    /// Copy images between registries, directories and archives
    Copy(commands::copy::Args),
    /// Write images of this machine into an archive
    Save(commands::save::Args),
    /// Bring the images of an archive to this machine
    Load(commands::load::Args),
    /// Keep the credentials of a registry
    Login(commands::login::Args),
    /// Forget the credentials of a registry
    Logout(commands::login::LogoutArgs),
    /// Run an image
    #[command(disable_help_flag = true)]
    Run(Box<commands::run::Args>),
    /// List the containers on this machine
    Ps(commands::ps::Args),
    /// Show what a container has said
    Logs(commands::logs::Args),
    /// Ask containers to stop, and forget them
    Stop(commands::stop::Args),
    /// Remove what builds have left, least recently used first
    Prune(commands::prune::Args),
    /// What wharf keeps on this machine
    System(commands::system::Args),
    /// Write what a project needs to be shipped: Dockerfile, .dockerignore, wharf.toml, a pipeline
    Init(commands::init::Args),
    /// GitHub workflows, natively
    Workflow(commands::workflow::Args),
    /// Run a further command in a container
    Exec(commands::exec::Args),
    /// Docker's own command line; the same as calling this binary `docker`
    #[command(disable_help_flag = true)]
    Docker {
        /// What would stand after `docker`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<std::ffi::OsString>,
    },
    /// Stay behind with a container
    #[command(hide = true)]
    Supervise {
        /// Its ID
        id: String,
    },
    /// The embedded registry
    Registry(commands::registry::Args),
    /// Say what this host allows, and what would change it
    Doctor(commands::doctor::Args),
    /// Print what a shell needs to complete commands and flags
    Completions(commands::completions::Args),
    /// Print the reference of the command line as Markdown
    #[command(hide = true)]
    Reference,
}
