//! `wharf exec`: a further command in a running container.

use std::io::IsTerminal;

use anyhow::anyhow;

use crate::cli::Globals;
use crate::container::attach::{self, How};
use crate::container::record::Status;
use crate::container::start::ask;
use crate::container::state::Containers;
use crate::container::wire::{Exec, Request};
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave it running
    #[arg(short, long)]
    detach: bool,
    /// Pass standard input on
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set a variable; without a value, the one that wharf was started with
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Set the variables of a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Whom it runs as
    #[arg(short, long, value_name = "NAME[:GROUP]")]
    user: Option<String>,
    /// Where it starts
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Everything that wharf itself may
    #[arg(long)]
    privileged: bool,
    /// A name or an ID
    container: String,
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs it, and ends as it ends.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if args.tty && args.interactive && !args.detach && !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Gate, anyhow!("the input device is not a TTY"))
            .hint("leave out -t where there is no terminal"));
    }
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = containers.find(&args.container)?;
    if container.state.status != Status::Running {
        return Err(Failure::new(Exit::Gate, anyhow!("container {} is not running", args.container)));
    }
    let mut env = Vec::new();
    for file in &args.env_file {
        env.extend(super::run::settings(file)?);
    }
    env.extend(args.env.iter().cloned());
    // A variable without a value that is not set here is not set there.
    let env = env.into_iter().filter_map(|setting| match setting.contains('=') {
        true => Some(setting),
        false => std::env::var(&setting).ok().map(|value| format!("{setting}={value}")),
    });
    let exec = Exec {
        args: args.command,
        env: env.collect(),
        user: args.user,
        workdir: args.workdir,
        tty: args.tty,
        stdin: args.interactive && !args.detach,
        detach: args.detach,
        privileged: args.privileged,
    };
    let stream = ask(&containers, &container, Request::Exec(exec))?;
    if args.detach {
        return Ok(Exit::Done);
    }
    let how = How { stdin: args.interactive, tty: args.tty && args.interactive, signals: false };
    let code = attach::attach(stream, how)?;
    Ok(Exit::Process(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
}
