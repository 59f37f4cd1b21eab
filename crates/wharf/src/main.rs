//! The `wharf` binary: commands, settings, output. The only place where the crates meet.
//!
//! Arguments pass three stages: what was typed ([`cli`]), what it means here ([`settings`]), and what
//! will be done (a plan that each command makes and then carries out).

mod actor;
mod bake;
mod builders;
mod building;
mod cli;
mod commands;
mod container;
mod copying;
mod docker;
mod exit;
mod init;
mod kubernetes;
mod layers;
mod local;
mod output;
mod publishing;
mod releases;
mod remote;
mod scanning;
mod settings;
mod ship;
mod signing;
mod smoke;
mod snapshot;
mod workflow;
mod world;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if docker::is_called(words.first()) {
        return docker::main(words, &cli::Globals::from_words(&[]));
    }
    if let Some((before, after)) = docker::split(&words) {
        return docker::main(after.to_vec(), &cli::Globals::from_words(before));
    }
    let typed = match cli::Cli::try_parse() {
        Ok(typed) => typed,
        Err(error) => return output::error::print_usage(&error),
    };
    // The one TLS provider of the process; that somebody installed it already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let json = typed.globals.json;
    match commands::run(typed) {
        Ok(exit) => exit.into(),
        Err(failure) => output::error::print(&failure, json),
    }
}
