//! Docker's command line, as clap reads it.

use clap::{Args, Parser, Subcommand};

use super::buildx::{bake, builders, imagetools};
use super::{containers, images, inspect, shim, system};
use crate::commands;

/// Docker's words, done by wharf: no daemon, the same images and containers as `wharf` itself.
#[derive(Debug, Parser)]
#[command(name = "docker", display_name = "Docker", version = system::version::LINE, disable_version_flag = true, max_term_width = 100)]
pub(crate) struct Docker {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Option<Verb>,
}

/// What docker takes before the verb. Without a daemon most of it has nothing to decide.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where docker's settings are [default: $DOCKER_CONFIG, ~/.docker]
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<std::path::PathBuf>,
    /// There is one context, this machine
    #[arg(short, long, value_name = "NAME")]
    context: Option<String>,
    /// Nothing more
    #[arg(short = 'D', long)]
    debug: bool,
    /// There is no daemon to reach
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    host: Vec<String>,
    /// Nothing more
    #[arg(short, long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// There is no daemon to reach
    #[arg(long)]
    tls: bool,
    /// There is no daemon to reach
    #[arg(long)]
    tlsverify: bool,
    /// Print the version
    #[arg(short, long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Docker's verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run an image
    #[command(disable_help_flag = true)]
    Run(Box<commands::run::Args>),
    /// Make a container without starting it
    #[command(disable_help_flag = true)]
    Create(Box<commands::run::CreateArgs>),
    /// List containers
    Ps(commands::ps::Args),
    /// Show what a container has said
    Logs(commands::logs::Args),
    /// Run a further command in a container
    Exec(commands::exec::Args),
    /// Connect to a running container
    Attach(containers::attach::Args),
    /// Start containers that do not run
    Start(containers::start::Args),
    /// Ask containers to stop
    Stop(containers::stop::Args),
    /// Stop containers and start them again
    Restart(containers::stop::Args),
    /// Send containers a signal, SIGKILL unless another is named
    Kill(containers::kill::Args),
    /// Forget containers
    Rm(containers::rm::Args),
    /// Wait until containers have ended, and print their exit codes
    Wait(containers::wait::Args),
    /// Give a container another name
    Rename(containers::rename::Args),
    /// Print the ports that a container publishes
    Port(containers::port::Args),
    /// List the processes of a container
    Top(containers::top::Args),
    /// Show everything about images, containers and volumes
    Inspect(inspect::Args),
    /// List images
    Images(images::list::Args),
    /// Take names away from images
    Rmi(images::remove::Args),
    /// Give an image another name
    Tag(images::tag::Args),
    /// Bring an image here
    Pull(images::pull::Args),
    /// Bring an image to its registry
    Push(images::push::Args),
    /// Show how an image came to be
    History(images::history::Args),
    /// Write images into an archive
    Save(Words),
    /// Read images from an archive
    Load(Words),
    /// Keep the credentials of a registry
    Login(Words),
    /// Forget the credentials of a registry
    Logout(Words),
    /// Build an image
    #[command(disable_help_flag = true)]
    Build(Words),
    /// Builds, with builders and bake files
    #[command(subcommand)]
    Buildx(Buildx),
    /// The cache of builds
    #[command(subcommand)]
    Builder(Builder),
    /// Work with images
    #[command(subcommand)]
    Image(Image),
    /// Work with containers
    #[command(subcommand)]
    Container(Container),
    /// Disk space and information
    #[command(subcommand)]
    System(System),
    /// Work with volumes
    #[command(subcommand)]
    Volume(system::volume::Command),
    /// The networks there are
    #[command(subcommand)]
    Network(system::network::Command),
    /// Manifests in a registry
    #[command(subcommand)]
    Manifest(Manifest),
    /// Print versions
    Version(system::version::Args),
    /// Print what this machine is and allows
    Info(system::info::Args),
    /// Put a `docker` that is wharf into a directory
    InstallShim(shim::Args),
    /// Whatever else docker does
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Words that wharf's own verb of that name reads.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// As for wharf's verb of the same name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

/// `docker buildx …`
#[derive(Debug, Subcommand)]
pub(crate) enum Buildx {
    /// Build an image
    #[command(disable_help_flag = true, visible_alias = "b")]
    Build(Words),
    /// Build what a bake file says
    #[command(visible_alias = "f")]
    Bake(bake::Args),
    /// Manifests in registries
    #[command(subcommand)]
    Imagetools(imagetools::Command),
    /// Name a builder
    Create(builders::Create),
    /// Use a builder from now on
    Use(builders::Use),
    /// List builders
    Ls(builders::Ls),
    /// Show a builder
    Inspect(builders::Inspect),
    /// Forget builders
    Rm(builders::Rm),
    /// Nothing to stop
    Stop {
        /// A builder
        name: Option<String>,
    },
    /// Print versions
    Version,
    /// Disk space of the cache
    Du(system::df::Args),
    /// Take what nothing needs out of the cache
    Prune(Words),
    /// Whatever else buildx does
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `docker builder …`
#[derive(Debug, Subcommand)]
pub(crate) enum Builder {
    /// Build an image
    #[command(disable_help_flag = true)]
    Build(Words),
    /// Take what nothing needs out of the cache
    Prune(Words),
}

/// `docker image …`
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// List images
    #[command(visible_alias = "list")]
    Ls(images::list::Args),
    /// Build an image
    #[command(disable_help_flag = true)]
    Build(Words),
    /// Take names away from images
    #[command(visible_alias = "remove")]
    Rm(images::remove::Args),
    /// Give an image another name
    Tag(images::tag::Args),
    /// Bring an image here
    Pull(images::pull::Args),
    /// Bring an image to its registry
    Push(images::push::Args),
    /// Show how an image came to be
    History(images::history::Args),
    /// Show everything about images
    Inspect(inspect::Args),
    /// Write images into an archive
    Save(Words),
    /// Read images from an archive
    Load(Words),
    /// Take images away that have no name
    Prune(system::prune::Args),
}

/// `docker container …`
#[derive(Debug, Subcommand)]
pub(crate) enum Container {
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(commands::ps::Args),
    /// Run an image
    #[command(disable_help_flag = true)]
    Run(Box<commands::run::Args>),
    /// Make a container without starting it
    #[command(disable_help_flag = true)]
    Create(Box<commands::run::CreateArgs>),
    /// Show what a container has said
    Logs(commands::logs::Args),
    /// Run a further command in a container
    Exec(commands::exec::Args),
    /// Connect to a running container
    Attach(containers::attach::Args),
    /// Start containers that do not run
    Start(containers::start::Args),
    /// Ask containers to stop
    Stop(containers::stop::Args),
    /// Stop containers and start them again
    Restart(containers::stop::Args),
    /// Send containers a signal
    Kill(containers::kill::Args),
    /// Forget containers
    #[command(visible_alias = "remove")]
    Rm(containers::rm::Args),
    /// Wait until containers have ended
    Wait(containers::wait::Args),
    /// Give a container another name
    Rename(containers::rename::Args),
    /// Print the ports that a container publishes
    Port(containers::port::Args),
    /// List the processes of a container
    Top(containers::top::Args),
    /// Show everything about containers
    Inspect(inspect::Args),
    /// Forget the containers that do not run
    Prune(system::prune::Args),
}

/// `docker system …`
#[derive(Debug, Subcommand)]
pub(crate) enum System {
    /// Disk space
    Df(system::df::Args),
    /// Take away what nothing needs
    Prune(system::prune::Args),
    /// Print what this machine is and allows
    Info(system::info::Args),
}

/// `docker manifest …`
#[derive(Debug, Subcommand)]
pub(crate) enum Manifest {
    /// Print a manifest or index as the registry has it
    Inspect {
        /// Nothing more
        #[arg(short, long)]
        verbose: bool,
        /// Plain HTTP is a setting of the registry's
        #[arg(long)]
        insecure: bool,
        /// The image
        image: String,
    },
}
