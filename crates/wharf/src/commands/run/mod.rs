//! `wharf run`, `docker run` and `docker create`: runs an image.

mod flags;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::anyhow;
use wharf_oci::Platform;

use crate::cli::Globals;
use crate::container::attach::{self, How};
use crate::container::create::create;
use crate::container::record::Container;
use crate::container::start::start;
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::world::World;

pub(crate) use flags::{Flags, settings};

/// Run an image
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Leave it running and print its ID
    #[arg(short, long)]
    detach: bool,
    /// Do not pass signals on
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true")]
    sig_proxy: bool,
    /// Connect to standard input, output or error; all that is open is connected anyway
    #[arg(short, long, value_name = "STREAM")]
    attach: Vec<String>,
    #[command(flatten)]
    flags: Flags,
    /// The image; pulled where it is not on this machine
    image: String,
    /// Instead of the image's command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    flags: Flags,
    /// The image; pulled where it is not on this machine
    image: String,
    /// Instead of the image's command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// `wharf run`: with a small init, so that interrupting it ends it, and without leaving a container behind
/// that nobody named.
pub(crate) fn run(mut args: Args, globals: &Globals) -> Outcome {
    args.flags.init = true;
    args.flags.rm |= !args.detach && args.flags.name.is_none();
    run_as_docker(args, globals)
}

/// Runs it: in front, with this process's streams, or left behind.
pub(crate) fn run_as_docker(args: Args, globals: &Globals) -> Outcome {
    if args.flags.tty && args.flags.interactive && !args.detach && !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Gate, anyhow!("the input device is not a TTY"))
            .hint("leave out -t where there is no terminal"));
    }
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = make(&world, &containers, &args.flags, &args.image, &args.command)?;
    let data_dir = std::path::absolute(&world.data_dir)?;
    let started = start(&containers, &container, globals, &data_dir, !args.detach);
    if started.is_err() && container.host.auto_remove {
        // The supervisor has done it already, unless it got nowhere.
        let _ = containers.remove(&container.id);
    }
    let Some(stream) = started? else {
        output::print(&format!("{}\n", container.id))?;
        return Ok(Exit::Done);
    };
    let how = How { stdin: args.flags.interactive, tty: args.flags.tty, signals: args.sig_proxy };
    let code = attach::attach(stream, how)?;
    // Whoever comes next finds it stopped, and with `--rm` gone.
    containers.wait(&container)?;
    Ok(Exit::Process(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
}

/// Makes it and prints its ID.
pub(crate) fn create_only(args: CreateArgs, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = make(&world, &containers, &args.flags, &args.image, &args.command)?;
    output::print(&format!("{}\n", container.id))?;
    Ok(Exit::Done)
}

fn make(
    world: &World,
    containers: &Containers,
    flags: &Flags,
    image: &str,
    command: &[String],
) -> Result<Container, Failure> {
    let name = flags.name()?;
    if let Some(file) = flags.cidfile.as_deref().filter(|file| std::path::Path::new(file).exists()) {
        return Err(Failure::usage(format!(
            "container ID file found, make sure the other container isn't running or delete {file}"
        )));
    }
    let platform = flags.platform.clone().unwrap_or_else(Platform::host);
    let (named, opened) = super::pull::find_or_pull(world, image, &flags.pull, &platform)?;
    let config = flags.config(&opened.config.config, command)?;
    let host = flags.host(&config)?;
    if config.entrypoint.iter().chain(&config.cmd).all(Vec::is_empty) {
        return Err(Failure::usage("no command specified: the image has neither ENTRYPOINT nor CMD")
            .hint("say what to run after the image's name"));
    }
    let _ = named;
    let container = create(containers, name, image, &opened, config, host)?;
    if let Some(file) = &flags.cidfile {
        std::fs::write(file, &container.id)?;
    }
    Ok(container)
}

/// A duration as Go writes it: `1m30s`, `500ms`, `1.5h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(total).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_go_s() {
        for (text, ms) in [("1m30s", 90_000), ("500ms", 500), ("1.5h", 5_400_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "5", "s", "1x", "-1s", "1..5s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[0-9.hmsµu]{0,20}") {
            let _ = duration(&text);
        }
    }
}
