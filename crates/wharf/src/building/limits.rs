//! What a step may use, and the flags of docker's old builder that say nothing here.

use std::time::Duration;

use wharf_build::BuildRequest;
use wharf_sandbox::{CpuQuota, Limits, Resource, Swap, Ulimit};

use super::flags::bytes;
use crate::exit::Failure;

/// The flags.
#[derive(Debug, clap::Args)]
pub(crate) struct LimitFlags {
    /// A limit per process: `nofile=1024:2048`
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// The size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// Memory for each step
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory and swap together for each step, -1 for swap without limit [default: no swap]
    #[arg(long, value_name = "BYTES", requires = "memory", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Microseconds of processor time per period
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_quota: Option<u64>,
    /// Microseconds that a period of `--cpu-quota` has
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 100_000)]
    cpu_period: u64,
    /// The share of processor time where it is scarce; 1024 is an ordinary one
    #[arg(short = 'c', long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// The processors to run on: `0-3,6`
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// The memory nodes to use: `0,1`
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// The control group below which each step has its own
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    #[command(flatten)]
    old: OldFlags,
}

/// Flags that docker takes and that change nothing in a build with BuildKit.
#[derive(Debug, clap::Args)]
struct OldFlags {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    rm: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    force_rm: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    compress: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    squash: Option<Option<String>>,
    #[arg(long, hide = true)]
    isolation: Option<String>,
    #[arg(long, hide = true)]
    security_opt: Vec<String>,
}

impl LimitFlags {
    /// Brings them into the request. What has no effect is warned of where docker warns, too.
    pub(super) fn apply(
        &self,
        request: &mut BuildRequest,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        request.ulimits = self.ulimit.iter().map(|spec| ulimit(spec)).collect::<Result<_, _>>()?;
        request.shm_size = self.shm_size.as_deref().map(|text| bytes(text, "--shm-size")).transpose()?;
        request.limits = Limits {
            memory: self.memory.as_deref().map(|text| bytes(text, "--memory")).transpose()?,
            swap: match self.memory_swap.as_deref() {
                None => Swap::None,
                Some("-1") => Swap::Unlimited,
                Some(text) => Swap::Total(bytes(text, "--memory-swap")?),
            },
            cpu: self.cpu_quota.map(|quota| CpuQuota {
                quota: Duration::from_micros(quota),
                period: Duration::from_micros(self.cpu_period),
            }),
            cpu_shares: self.cpu_shares,
            cpus: self.cpuset_cpus.clone(),
            mems: self.cpuset_mems.clone(),
            pids: None,
            parent: self.cgroup_parent.clone(),
        };
        if let (Some(memory), Swap::Total(total)) = (request.limits.memory, request.limits.swap)
            && total < memory
        {
            return Err(Failure::usage(format!(
                "--memory-swap is {total} bytes and --memory {memory}: it counts both, and cannot be less"
            )));
        }
        let old = &self.old;
        let without_effect = [
            (old.isolation.is_some(), "--isolation has no effect"),
            (
                !old.security_opt.is_empty(),
                "--security-opt has no effect: a step asks with `RUN --security=insecure`",
            ),
            (old.squash.is_some(), "--squash has no effect: copy the result into a stage of its own"),
        ];
        warnings
            .extend(without_effect.iter().filter(|(given, _)| *given).map(|(_, text)| (*text).to_owned()));
        Ok(())
    }
}

/// `NAME=SOFT[:HARD]`.
pub(crate) fn ulimit(spec: &str) -> Result<Ulimit, Failure> {
    let wrong = || {
        Failure::usage(format!("--ulimit is `{spec}`: expected NAME=SOFT[:HARD], such as nofile=1024:2048"))
    };
    let (name, limits) = spec.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong()),
    };
    Ok(Ulimit { resource: resource(name).ok_or_else(wrong)?, soft: number(soft)?, hard: number(hard)? })
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use wharf_build::ContextSource;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: LimitFlags,
    }

    fn applied(words: &[&str]) -> Result<(BuildRequest, Vec<String>), Failure> {
        let words = std::iter::once("x").chain(words.iter().copied());
        let line = Line::try_parse_from(words).map_err(|error| Failure::usage(error.to_string()))?;
        let mut request = BuildRequest::new(ContextSource::Empty);
        let mut warnings = Vec::new();
        line.flags.apply(&mut request, &mut warnings)?;
        Ok((request, warnings))
    }

    #[test]
    fn limits_are_dockers() {
        let (request, _) =
            applied(&["-m", "1g", "--memory-swap=2g", "-c", "512", "--cpuset-cpus", "0,2"]).unwrap();
        let limits = request.limits;
        assert_eq!((limits.memory, limits.swap), (Some(1 << 30), Swap::Total(2 << 30)));
        assert_eq!((limits.cpu_shares, limits.cpus.as_deref()), (Some(512), Some("0,2")));
        let unlimited = applied(&["-m", "1g", "--memory-swap", "-1"]).unwrap().0;
        assert_eq!(unlimited.limits.swap, Swap::Unlimited);
        assert!(applied(&["-m", "2g", "--memory-swap", "1g"]).is_err());
        assert!(applied(&["--memory-swap", "1g"]).is_err());
    }

    #[test]
    fn what_has_no_effect_is_taken_and_told_where_docker_tells() {
        let words = [
            "--rm=false",
            "--force-rm",
            "--compress",
            "--isolation",
            "default",
            "--security-opt",
            "a=b",
            "--squash",
        ];
        let (_, warnings) = applied(&words).unwrap();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }
}
