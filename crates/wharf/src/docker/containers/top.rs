//! `docker top`.

use std::fs;

use anyhow::anyhow;

use crate::cli::Globals;
use crate::container::record::Status;
use crate::container::state::Containers;
use crate::docker::format::align;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::world::World;

/// What `top` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or an ID
    container: String,
    /// Options of ps, which are not used
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Lists the processes that see what the container's first one sees.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let container = Containers::new(&world.data_dir).find(&args.container)?;
    if container.state.status != Status::Running {
        return Err(Failure::from(anyhow!("container {} is not running", container.id)));
    }
    let mut rows = vec!["UID\tPID\tPPID\tCMD".to_owned()];
    let first = container.state.pid;
    let mut processes: Vec<Process> =
        fs::read_dir("/proc")?.flatten().filter_map(|entry| Process::read(&entry.path())).collect();
    processes.sort_by_key(|process| process.pid);
    let mut inside = vec![first];
    // A parent has the smaller number nearly always; where numbers have wrapped, a second look finds the rest.
    for _ in 0..2 {
        for process in &processes {
            if inside.contains(&process.parent) && !inside.contains(&process.pid) {
                inside.push(process.pid);
            }
        }
    }
    for process in processes.iter().filter(|process| inside.contains(&process.pid)) {
        rows.push(format!("{}\t{}\t{}\t{}", process.uid, process.pid, process.parent, process.command));
    }
    output::print(&align(&rows))?;
    Ok(Exit::Done)
}

struct Process {
    pid: u32,
    parent: u32,
    uid: String,
    command: String,
}

impl Process {
    fn read(directory: &std::path::Path) -> Option<Self> {
        let pid = directory.file_name()?.to_str()?.parse().ok()?;
        let status = fs::read_to_string(directory.join("status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line[name.len()..].split_ascii_whitespace().next().map(str::to_owned)
        };
        let line = fs::read(directory.join("cmdline")).unwrap_or_default();
        let words: Vec<String> = line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        let name = field("Name:")?;
        Some(Self {
            pid,
            parent: field("PPid:")?.parse().ok()?,
            uid: field("Uid:")?,
            command: if words.is_empty() { format!("[{name}]") } else { words.join(" ") },
        })
    }
}
