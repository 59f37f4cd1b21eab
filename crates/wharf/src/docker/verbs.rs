//! From a verb to what does it.

use super::buildx::{bake, builders, imagetools};
use super::cli::{Builder, Buildx, Container, Image, Manifest, System, Verb, Words};
use super::{absent, build, containers, images, inspect, shim, system, translate};
use crate::cli::Globals;
use crate::commands;
use crate::exit::{Exit, Outcome};

/// Carries out what was typed.
pub(super) fn run(verb: Verb, globals: &Globals) -> Outcome {
    match verb {
        Verb::Run(args) => commands::run::run_as_docker(*args, globals),
        Verb::Create(args) => commands::run::create_only(*args, globals),
        Verb::Ps(args) => commands::ps::run(args, globals),
        Verb::Logs(args) => commands::logs::run(args, globals),
        Verb::Exec(args) => commands::exec::run(args, globals),
        Verb::Attach(args) => containers::attach::run(args, globals),
        Verb::Start(args) => containers::start::run(args, globals),
        Verb::Stop(args) => containers::stop::run(args, globals),
        Verb::Restart(args) => containers::stop::restart(args, globals),
        Verb::Kill(args) => containers::kill::run(args, globals),
        Verb::Rm(args) => containers::rm::run(args, globals),
        Verb::Wait(args) => containers::wait::run(args, globals),
        Verb::Rename(args) => containers::rename::run(args, globals),
        Verb::Port(args) => containers::port::run(args, globals),
        Verb::Top(args) => containers::top::run(args, globals),
        Verb::Inspect(args) => inspect::run(args, globals, inspect::Wanted::Any),
        Verb::Images(args) => images::list::run(args, globals),
        Verb::Rmi(args) => images::remove::run(args, globals),
        Verb::Tag(args) => images::tag::run(args, globals),
        Verb::Pull(args) => images::pull::run(args, globals),
        Verb::Push(args) => images::push::run(args, globals),
        Verb::History(args) => images::history::run(args, globals),
        Verb::Save(Words { words }) => translate::run(&["save"], &words, globals),
        Verb::Load(Words { words }) => translate::run(&["load"], &words, globals),
        Verb::Login(Words { words }) => translate::run(&["login"], &words, globals),
        Verb::Logout(Words { words }) => translate::run(&["logout"], &words, globals),
        Verb::Build(Words { words }) => build::run(&words, globals),
        Verb::Buildx(verb) => buildx(verb, globals),
        Verb::Builder(Builder::Build(Words { words })) => build::run(&words, globals),
        Verb::Builder(Builder::Prune(Words { words })) => translate::run(&["prune"], &words, globals),
        Verb::Image(verb) => image(verb, globals),
        Verb::Container(verb) => container(verb, globals),
        Verb::System(System::Df(args)) => system::df::run(args, globals),
        Verb::System(System::Prune(args)) => system::prune::everything(args, globals),
        Verb::System(System::Info(args)) | Verb::Info(args) => system::info::run(args, globals),
        Verb::Volume(verb) => system::volume::run(verb, globals),
        Verb::Network(verb) => system::network::run(verb),
        Verb::Manifest(Manifest::Inspect { image, .. }) => {
            translate::run(&["inspect", "--remote", "--raw"], &[image], globals)
        }
        Verb::Version(args) => system::version::run(args),
        Verb::InstallShim(args) => shim::run(args),
        Verb::Other(words) => Err(absent::failure(&words)),
    }
}

fn buildx(verb: Buildx, globals: &Globals) -> Outcome {
    match verb {
        Buildx::Build(Words { words }) => build::run(&words, globals),
        Buildx::Version => {
            crate::output::print(&format!("github.com/docker/buildx {}\n", system::version::BUILDX))?;
            Ok(Exit::Done)
        }
        Buildx::Bake(args) => bake::run(args, globals),
        Buildx::Imagetools(command) => imagetools::run(command, globals),
        Buildx::Create(args) => builders::create(args, globals),
        Buildx::Use(args) => builders::select(args, globals),
        Buildx::Ls(args) => builders::list(args, globals),
        Buildx::Inspect(args) => builders::inspect(args, globals),
        Buildx::Rm(args) => builders::remove(args, globals),
        Buildx::Stop { .. } => Ok(Exit::Done),
        Buildx::Du(args) => system::df::run(args, globals),
        Buildx::Prune(Words { words }) => translate::run(&["prune"], &words, globals),
        Buildx::Other(words) => Err(absent::failure(&words)),
    }
}

fn image(verb: Image, globals: &Globals) -> Outcome {
    match verb {
        Image::Ls(args) => run(Verb::Images(args), globals),
        Image::Build(words) => run(Verb::Build(words), globals),
        Image::Rm(args) => run(Verb::Rmi(args), globals),
        Image::Tag(args) => run(Verb::Tag(args), globals),
        Image::Pull(args) => run(Verb::Pull(args), globals),
        Image::Push(args) => run(Verb::Push(args), globals),
        Image::History(args) => run(Verb::History(args), globals),
        Image::Inspect(args) => inspect::run(args, globals, inspect::Wanted::Image),
        Image::Save(words) => run(Verb::Save(words), globals),
        Image::Load(words) => run(Verb::Load(words), globals),
        Image::Prune(args) => system::prune::images(args, globals),
    }
}

fn container(verb: Container, globals: &Globals) -> Outcome {
    match verb {
        Container::Ls(args) => run(Verb::Ps(args), globals),
        Container::Run(args) => run(Verb::Run(args), globals),
        Container::Create(args) => run(Verb::Create(args), globals),
        Container::Logs(args) => run(Verb::Logs(args), globals),
        Container::Exec(args) => run(Verb::Exec(args), globals),
        Container::Attach(args) => run(Verb::Attach(args), globals),
        Container::Start(args) => run(Verb::Start(args), globals),
        Container::Stop(args) => run(Verb::Stop(args), globals),
        Container::Restart(args) => run(Verb::Restart(args), globals),
        Container::Kill(args) => run(Verb::Kill(args), globals),
        Container::Rm(args) => run(Verb::Rm(args), globals),
        Container::Wait(args) => run(Verb::Wait(args), globals),
        Container::Rename(args) => run(Verb::Rename(args), globals),
        Container::Port(args) => run(Verb::Port(args), globals),
        Container::Top(args) => run(Verb::Top(args), globals),
        Container::Inspect(args) => inspect::run(args, globals, inspect::Wanted::Container),
        Container::Prune(args) => system::prune::containers(args, globals),
    }
}
