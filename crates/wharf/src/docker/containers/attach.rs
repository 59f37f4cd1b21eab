//! `docker attach`.

use crate::cli::Globals;
use crate::container::attach::{self, How};
use crate::container::start;
use crate::container::state::Containers;
use crate::exit::{Exit, Outcome};
use crate::world::World;

/// What `attach` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do not pass standard input on
    #[arg(long)]
    no_stdin: bool,
    /// Do not pass signals on
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true")]
    sig_proxy: bool,
    /// Leaving by keys is not possible here
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// A name or an ID
    container: String,
}

/// Connects until it ends, and ends as it ends.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = containers.find(&args.container)?;
    let stream = start::attach(&containers, &container, true)?;
    let how = How {
        stdin: container.host.open_stdin && !args.no_stdin,
        tty: container.host.tty,
        signals: args.sig_proxy,
    };
    let code = attach::attach(stream, how)?;
    Ok(Exit::Process(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
}
