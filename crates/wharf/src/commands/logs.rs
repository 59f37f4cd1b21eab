//! `wharf logs`: what a container has said.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;

use super::run::duration;
use crate::cli::Globals;
use crate::container::log::{Line, Reader};
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::{World, now};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or an ID
    container: String,
    /// Go on until it ends
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines at the end, or `all`
    #[arg(short = 'n', long, default_value = "all", value_name = "COUNT")]
    tail: String,
    /// Only what was said since a time (RFC 3339) or so long ago (`10m`)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only what was said before a time
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// The time before each line
    #[arg(short, long)]
    timestamps: bool,
    /// Nothing more; docker adds attributes that wharf's containers do not have
    #[arg(long)]
    details: bool,
}

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// Prints its output, what it said on standard error to standard error.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = containers.find(&args.container)?;
    let path = containers.log(&container);
    let mut reader = match Reader::open(&path) {
        Ok(reader) => reader,
        // It has never been started.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !args.follow => return Ok(Exit::Done),
        Err(error) => return Err(Failure::from(error).context(format!("opening {}", path.display()))),
    };
    let wanted = Wanted::new(&args)?;
    let mut first = Vec::new();
    // Asked before reading, so that what is said just before the end is still printed.
    let mut running = args.follow && containers.is_running(&container);
    while let Some(line) = reader.next().with_context(|| format!("reading {}", path.display()))? {
        first.push(line);
        let surplus = first.len().saturating_sub(wanted.tail.saturating_add(1024));
        if surplus > 1024 {
            first.drain(..surplus);
        }
    }
    let first: Vec<Line> = first.into_iter().filter(|line| wanted.fits(line)).collect();
    let skip = first.len().saturating_sub(wanted.tail);
    for line in &first[skip..] {
        if print(line, args.timestamps).is_err() {
            return Ok(Exit::Done);
        }
    }
    while running {
        running = containers.is_running(&container);
        while let Some(line) = reader.next().with_context(|| format!("reading {}", path.display()))? {
            if wanted.fits(&line) && print(&line, args.timestamps).is_err() {
                return Ok(Exit::Done);
            }
        }
        if running {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Exit::Done)
}

fn print(line: &Line, timestamps: bool) -> std::io::Result<()> {
    let time = if timestamps { format!("{} ", line.time) } else { String::new() };
    let text = format!("{time}{}", line.log);
    match line.stream.as_str() {
        "stderr" => std::io::stderr().lock().write_all(text.as_bytes()),
        _ => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        }
    }
}

/// Which lines are wanted.
struct Wanted {
    tail: usize,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    fn new(args: &Args) -> Result<Self, Failure> {
        let tail = match args.tail.as_str() {
            "all" => usize::MAX,
            // Docker takes what is no number, and what is negative, for everything.
            text => text.parse().unwrap_or(usize::MAX),
        };
        let when = |text: &Option<String>| text.as_deref().map(moment).transpose();
        Ok(Self { tail, since: when(&args.since)?, until: when(&args.until)? })
    }

    fn fits(&self, line: &Line) -> bool {
        let Ok(time) = line.time.parse::<Timestamp>() else { return true };
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// A time, seconds since 1970, or how long ago.
fn moment(text: &str) -> Result<Timestamp, Failure> {
    let ago = || Some(now() - jiff::SignedDuration::try_from(duration(text)?).ok()?);
    let seconds = || {
        let seconds: f64 = text.parse().ok()?;
        Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()
    };
    let day = || format!("{text}Z").parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok());
    text.parse().ok().or_else(seconds).or_else(ago).or_else(day).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no time: expected such as 2026-01-02T03:04:05Z or 10m"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_numbers_and_spans() {
        assert_eq!(moment("2026-01-02T03:04:05Z").unwrap().as_second(), 1_767_323_045);
        assert_eq!(moment("2026-01-02T03:04:05").unwrap().as_second(), 1_767_323_045);
        assert_eq!(moment("2026-01-02").unwrap().as_second(), 1_767_312_000);
        assert_eq!(moment("1767323045.5").unwrap().as_millisecond(), 1_767_323_045_500);
        assert!(moment("10m").unwrap() < now());
        assert!(moment("yesterday").is_err());
    }
}
