//! The HEALTHCHECK of a running container: asked again and again, as docker does.

use std::time::Duration;

use jiff::Timestamp;
use wharf_oci::{ContainerConfig, Healthcheck};
use wharf_sandbox::{ExecSpec, Process, Spec};

use super::exec::exit_code;
use super::output;
use super::record::{Checked, Health, Wellness};

/// How many results are kept, and how much of each one's output, in bytes; both as docker has it.
const KEPT: usize = 5;
const OUTPUT_MAX: usize = 4096;

/// When a check is made and what counts, with docker's defaults for what the image leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rhythm {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) start_period: Duration,
    pub(crate) start_interval: Duration,
    pub(crate) retries: u32,
}

impl Rhythm {
    pub(crate) fn of(check: &Healthcheck) -> Self {
        let or = |nanoseconds: i64, seconds| match nanoseconds {
            ..=0 => Duration::from_secs(seconds),
            set => Duration::from_nanos(set.unsigned_abs()),
        };
        Self {
            interval: or(check.interval, 30),
            timeout: or(check.timeout, 30),
            start_period: or(check.start_period, 0),
            start_interval: or(check.start_interval, 5),
            retries: u32::try_from(check.retries).ok().filter(|count| *count > 0).unwrap_or(3),
        }
    }

    /// How long to wait for the next check, so long after the start.
    fn pause(&self, wellness: Wellness, since_start: Duration) -> Duration {
        match wellness {
            Wellness::Starting if since_start < self.start_period => self.start_interval,
            _ => self.interval,
        }
    }
}

/// The command of a check; `None` when the image has none or switches it off.
pub(crate) fn command_line(check: &Healthcheck, config: &ContainerConfig) -> Option<Vec<String>> {
    let (kind, rest) = check.test.as_deref()?.split_first()?;
    match kind.as_str() {
        "CMD" => Some(rest.to_vec()),
        "CMD-SHELL" => {
            let shell = config.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
            Some([shell, rest.to_vec()].concat())
        }
        _ => None,
    }
}

/// What a result makes of the health, so long after the start.
pub(crate) fn judge(mut health: Health, result: Checked, rhythm: &Rhythm, since_start: Duration) -> Health {
    if result.exit_code == 0 {
        health.status = Wellness::Healthy;
        health.failing_streak = 0;
    } else if health.status != Wellness::Starting || since_start >= rhythm.start_period {
        health.failing_streak += 1;
        if health.failing_streak >= rhythm.retries {
            health.status = Wellness::Unhealthy;
        }
    }
    health.log.push(result);
    let surplus = health.log.len().saturating_sub(KEPT);
    health.log.drain(..surplus);
    health
}

/// Checks `process` until it ends; each new state goes to `tell`.
pub(crate) fn watch(process: &Process, args: &[String], rhythm: &Rhythm, base: &Spec, tell: impl Fn(Health)) {
    let started = std::time::Instant::now();
    let mut health = Health::default();
    loop {
        match process.wait_timeout(rhythm.pause(health.status, started.elapsed())) {
            Ok(None) => {}
            _ => return,
        }
        let begun = started.elapsed();
        let result = check(process, args, rhythm.timeout, base);
        health = judge(health, result, rhythm, begun);
        tell(health.clone());
    }
}

fn check(process: &Process, args: &[String], timeout: Duration, base: &Spec) -> Checked {
    let start = Timestamp::now().to_string();
    let (exit_code, output) = run(process, args, timeout, base);
    Checked { start, end: Timestamp::now().to_string(), exit_code, output }
}

fn run(process: &Process, args: &[String], timeout: Duration, base: &Spec) -> (i32, String) {
    let mut spec = ExecSpec::new(args.to_vec());
    (spec.env, spec.cwd, spec.user) = (base.env.clone(), base.cwd.clone(), base.user.clone());
    let mut child = match process.exec(&spec) {
        Ok(child) => child,
        Err(error) => return (-1, error.to_string()),
    };
    let (tail, readers) = output::follow(&mut child, |_| {});
    let ended = child.wait_timeout(timeout);
    drop(child);
    readers.into_iter().for_each(|reader| drop(reader.join()));
    match ended {
        Ok(Some(status)) => {
            let mut text = tail.lines().join("\n");
            while text.len() > OUTPUT_MAX {
                text.pop();
            }
            (exit_code(status), text)
        }
        Ok(None) => (-1, format!("Health check exceeded timeout ({timeout:?})")),
        Err(error) => (-1, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(start_period: i64) -> Rhythm {
        Rhythm::of(&Healthcheck {
            start_period: start_period * 1_000_000_000,
            retries: 2,
            ..Default::default()
        })
    }

    fn result(exit_code: i32) -> Checked {
        Checked { start: String::new(), end: String::new(), exit_code, output: String::new() }
    }

    #[test]
    fn so_many_failures_in_a_row_make_it_unhealthy_and_one_success_well_again() {
        let late = Duration::from_secs(60);
        let one = judge(Health::default(), result(1), &rhythm(0), late);
        assert_eq!((one.status, one.failing_streak), (Wellness::Starting, 1));
        let two = judge(one, result(1), &rhythm(0), late);
        assert_eq!((two.status, two.failing_streak), (Wellness::Unhealthy, 2));
        let well = judge(two, result(0), &rhythm(0), late);
        assert_eq!((well.status, well.failing_streak, well.log.len()), (Wellness::Healthy, 0, 3));
    }

    #[test]
    fn failures_while_it_starts_do_not_count() {
        let early = Duration::from_secs(1);
        let starting = judge(Health::default(), result(1), &rhythm(10), early);
        assert_eq!((starting.status, starting.failing_streak), (Wellness::Starting, 0));
        assert_eq!(rhythm(10).pause(Wellness::Starting, early), Duration::from_secs(5));
        assert_eq!(rhythm(10).pause(Wellness::Healthy, early), Duration::from_secs(30));
    }

    #[test]
    fn shells_are_the_image_s() {
        let check = |test: &[&str]| Healthcheck {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            ..Default::default()
        };
        let config =
            ContainerConfig { shell: Some(vec!["/bin/ash".into(), "-ec".into()]), ..Default::default() };
        assert_eq!(command_line(&check(&["CMD-SHELL", "a b"]), &config).unwrap(), ["/bin/ash", "-ec", "a b"]);
        assert_eq!(command_line(&check(&["CMD", "a", "b"]), &config).unwrap(), ["a", "b"]);
        assert_eq!(command_line(&check(&["NONE"]), &config), None);
    }
}
