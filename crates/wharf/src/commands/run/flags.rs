//! The flags of `docker run` and `docker create`, with docker's meaning.

use std::collections::BTreeMap;

use wharf_oci::{ContainerConfig, Empty, Healthcheck, Platform};

use super::duration;
use crate::building::bytes;
use crate::container::forward::{self, Publish};
use crate::container::record::{Host, Mode, Restart};
use crate::container::volume::{self, MountPoint};
use crate::container::{name, signal};
use crate::exit::{Failure, OrFail};

/// What a container is made of.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    /// Forget it when it has ended
    #[arg(long)]
    pub(crate) rm: bool,
    /// Keep standard input open and pass it on
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Its name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Let connections to a port of the host through: `8000:8000`
    #[arg(short, long, value_name = "[ADDR:]HOST:PORT")]
    publish: Vec<String>,
    /// Publish every port that the image exposes, at ports that the host chooses
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Say that it listens on a port
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Set a variable; without a value, the one that wharf was started with
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Set the variables of a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Instead of the image's user
    #[arg(short, long, value_name = "NAME[:GROUP]")]
    user: Option<String>,
    /// Instead of the image's working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Instead of the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Show a directory of the host or a named volume inside: `/host/dir:/dir[:ro]`, `name:/dir`
    #[arg(short, long, value_name = "SOURCE:DIR[:ro]")]
    volume: Vec<String>,
    /// The same in more words: `type=bind,source=/host/dir,target=/dir`
    #[arg(long, value_name = "SPEC")]
    mount: Vec<String>,
    /// A directory in memory
    #[arg(long, value_name = "DIR[:size=BYTES]")]
    tmpfs: Vec<String>,
    /// `bridge` (its own), `host` or `none`
    #[arg(long, visible_alias = "net", default_value = "bridge", value_name = "MODE")]
    network: String,
    /// A name and its address inside
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// A name server
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// The host name inside
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Set a label
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Set the labels of a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<String>,
    /// The command that says whether it is well
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Between two checks
    #[arg(long, value_name = "DURATION")]
    health_interval: Option<String>,
    /// Until one check counts as failed
    #[arg(long, value_name = "DURATION")]
    health_timeout: Option<String>,
    /// Failures in a row until it counts as unhealthy
    #[arg(long, value_name = "COUNT")]
    health_retries: Option<i64>,
    /// In which failures do not count
    #[arg(long, value_name = "DURATION")]
    health_start_period: Option<String>,
    /// Between two checks while it starts
    #[arg(long, value_name = "DURATION")]
    health_start_interval: Option<String>,
    /// No checks, whatever the image says
    #[arg(long)]
    no_healthcheck: bool,
    /// Memory in bytes: `512m`
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory and swap; swap is never allowed beyond the memory
    #[arg(long, value_name = "BYTES")]
    memory_swap: Option<String>,
    /// Processors: `1.5`
    #[arg(long, value_name = "COUNT")]
    cpus: Option<f64>,
    /// The number of processes
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// The size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// A limit per process: `nofile=1024:2048`
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// The image refuses writes
    #[arg(long)]
    read_only: bool,
    /// Start it again: `no`, `always`, `unless-stopped` or `on-failure[:COUNT]`
    #[arg(long, default_value = "no", value_name = "POLICY")]
    restart: String,
    /// Process 1 is a small init that reaps orphans and passes signals on
    #[arg(long)]
    pub(crate) init: bool,
    /// Give it a capability
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    cap_add: Vec<String>,
    /// Take a capability away
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    cap_drop: Vec<String>,
    /// Everything that wharf itself may
    #[arg(long)]
    privileged: bool,
    /// `seccomp=unconfined` is the same as `--privileged` here; labels are not used
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// The signal that asks it to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Seconds until it is killed after that
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// Write its ID into a file
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<String>,
    /// Pull the image `always`, when it is `missing`, or `never`
    #[arg(long, default_value = "missing", value_parser = ["always", "missing", "never"], value_name = "WHEN")]
    pub(crate) pull: String,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<Platform>,
    /// Print the ID of a missing image's pull only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl Flags {
    /// The image's config with what was typed over it.
    pub(crate) fn config(
        &self,
        image: &ContainerConfig,
        command: &[String],
    ) -> Result<ContainerConfig, Failure> {
        let mut config = image.clone();
        match self.entrypoint.as_deref() {
            // A typed entry point drops the image's command; an empty one is none.
            Some("") => (config.entrypoint, config.cmd) = (None, None),
            Some(program) => (config.entrypoint, config.cmd) = (Some(vec![program.to_owned()]), None),
            None => {}
        }
        if !command.is_empty() {
            config.cmd = Some(command.to_vec());
        }
        config.env = Some(self.environment(image)?);
        config.user = self.user.clone().unwrap_or(config.user);
        config.working_dir = self.workdir.clone().unwrap_or(config.working_dir);
        config.labels.extend(self.labels()?);
        config.healthcheck = self.healthcheck(config.healthcheck)?;
        config.stop_signal = self.stop_signal.clone().or(config.stop_signal);
        if let Some(signal) = config.stop_signal.as_deref().filter(|text| signal::number(text).is_none()) {
            return Err(Failure::usage(format!("`{signal}` is not a signal")));
        }
        let exposed = self.expose.iter().map(|port| with_protocol(port));
        let published = self.published(&config)?.into_iter().map(|port| format!("{}/tcp", port.inside));
        config.exposed_ports.extend(exposed.chain(published).map(|port| (port, Empty {})));
        Ok(config)
    }

    /// What the host gives, to a container with this config.
    pub(crate) fn host(&self, config: &ContainerConfig) -> Result<Host, Failure> {
        let network = match self.network.as_str() {
            "bridge" | "default" | "private" => Mode::Bridge,
            "host" => Mode::Host,
            "none" => Mode::None,
            other => {
                return Err(Failure::usage(format!("network {other} not found")).hint(
                    "wharf has the networks bridge, host and none; containers meet on published ports",
                ));
            }
        };
        let unconfined = self.security_opt.iter().any(|option| option.ends_with("=unconfined"));
        Ok(Host {
            network,
            publish: if network == Mode::Bridge { self.published(config)? } else { Vec::new() },
            mounts: self.mounts(config)?,
            hostname: self.hostname.clone(),
            tty: self.tty,
            open_stdin: self.interactive,
            auto_remove: self.rm,
            restart: restart(&self.restart)?,
            init: self.init,
            privileged: self.privileged || unconfined,
            read_only: self.read_only,
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            memory: self.memory.as_deref().map(|text| bytes(text, "--memory")).transpose()?,
            nano_cpus: self.cpus.filter(|count| *count > 0.0).map(|count| (count * 1e9) as u64),
            pids_limit: self
                .pids_limit
                .and_then(|count| u64::try_from(count).ok())
                .filter(|count| *count > 0),
            shm_size: self.shm_size.as_deref().map(|text| bytes(text, "--shm-size")).transpose()?,
            ulimits: self.ulimit.clone(),
            extra_hosts: self.add_host.clone(),
            dns: self.dns.clone(),
            stop_timeout: self.stop_timeout,
            cidfile: self.cidfile.clone(),
        })
    }

    fn published(&self, config: &ContainerConfig) -> Result<Vec<Publish>, Failure> {
        let mut ports = Vec::new();
        for text in &self.publish {
            ports.extend(forward::parse(text).or_usage()?);
        }
        if self.publish_all {
            let exposed = config.exposed_ports.keys().cloned().chain(self.expose.iter().cloned());
            for port in exposed {
                let inside = port.trim_end_matches("/tcp").parse::<u16>();
                let Ok(inside) = inside else { continue };
                if ports.iter().all(|publish| publish.inside != inside) {
                    ports.push(Publish { address: None, outside: 0, inside });
                }
            }
        }
        Ok(ports)
    }

    /// What was typed, and the image's volumes where nothing was mounted by hand.
    fn mounts(&self, config: &ContainerConfig) -> Result<Vec<MountPoint>, Failure> {
        let typed = self.volume.iter().map(|text| volume::parse_volume(text));
        let typed = typed.chain(self.mount.iter().map(|text| volume::parse_mount(text)));
        let mut mounts = typed
            .chain(self.tmpfs.iter().map(|text| volume::parse_tmpfs(text)))
            .collect::<Result<Vec<_>, _>>()?;
        for target in config.volumes.keys() {
            if mounts.iter().all(|mount| mount.target != *target) {
                mounts.push(MountPoint::anonymous(target));
            }
        }
        Ok(mounts)
    }

    fn environment(&self, image: &ContainerConfig) -> Result<Vec<String>, Failure> {
        let mut variables: Vec<String> = image.env.clone().unwrap_or_default();
        let mut set = |setting: &str| {
            let name = setting.split('=').next().unwrap_or_default();
            let setting = match (setting.contains('='), std::env::var(setting)) {
                (true, _) => setting.to_owned(),
                (false, Ok(value)) => format!("{setting}={value}"),
                // A variable that nobody has set is unset inside, too.
                (false, Err(_)) => {
                    variables.retain(|known| known.split('=').next() != Some(name));
                    return;
                }
            };
            match variables.iter_mut().find(|known| known.split('=').next() == Some(name)) {
                Some(known) => *known = setting,
                None => variables.push(setting),
            }
        };
        for file in &self.env_file {
            settings(file)?.iter().for_each(|line| set(line));
        }
        self.env.iter().for_each(|setting| set(setting));
        Ok(variables)
    }

    fn labels(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut labels = BTreeMap::new();
        let mut add = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            labels.insert(name.to_owned(), value.to_owned());
        };
        for file in &self.label_file {
            settings(file)?.iter().for_each(|line| add(line));
        }
        self.label.iter().for_each(|label| add(label));
        Ok(labels)
    }

    fn healthcheck(&self, image: Option<Healthcheck>) -> Result<Option<Healthcheck>, Failure> {
        if self.no_healthcheck {
            return Ok(Some(Healthcheck { test: Some(vec!["NONE".into()]), ..Healthcheck::default() }));
        }
        let mut check = image.clone().unwrap_or_default();
        if let Some(command) = &self.health_cmd {
            check.test = Some(vec!["CMD-SHELL".into(), command.clone()]);
        }
        let set = |text: &Option<String>, to: &mut i64, flag: &str| -> Result<(), Failure> {
            if let Some(text) = text {
                let time = duration(text)
                    .ok_or_else(|| Failure::usage(format!("{flag} is `{text}`: expected such as 1m30s")))?;
                *to = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
            }
            Ok(())
        };
        set(&self.health_interval, &mut check.interval, "--health-interval")?;
        set(&self.health_timeout, &mut check.timeout, "--health-timeout")?;
        set(&self.health_start_period, &mut check.start_period, "--health-start-period")?;
        set(&self.health_start_interval, &mut check.start_interval, "--health-start-interval")?;
        check.retries = self.health_retries.unwrap_or(check.retries);
        Ok((check.test.is_some() || image.is_some()).then_some(check))
    }

    /// The name that was asked for, if it can be one.
    pub(crate) fn name(&self) -> Result<Option<String>, Failure> {
        match self.name.as_deref().map(|name| name.trim_start_matches('/')) {
            Some(name) if !name::is_valid(name) => Err(Failure::usage(format!(
                "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            ))),
            name => Ok(name.map(str::to_owned)),
        }
    }
}

/// The lines of a file of settings, without comments.
pub(crate) fn settings(file: &str) -> Result<Vec<String>, Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("open {file}: {error}")))?;
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

fn restart(text: &str) -> Result<Restart, Failure> {
    let (policy, count) = text.split_once(':').unwrap_or((text, ""));
    let wrong = || {
        Failure::usage(format!(
            "--restart is `{text}`: expected no, always, unless-stopped or on-failure[:COUNT]"
        ))
    };
    Ok(match policy {
        "no" | "" => Restart::No,
        "always" => Restart::Always,
        "unless-stopped" => Restart::UnlessStopped,
        "on-failure" if count.is_empty() => Restart::OnFailure(0),
        "on-failure" => Restart::OnFailure(count.parse().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Typed {
        #[command(flatten)]
        flags: Flags,
    }

    fn flags(words: &[&str]) -> Flags {
        Typed::try_parse_from([&["run"], words].concat()).unwrap().flags
    }

    fn image() -> ContainerConfig {
        ContainerConfig {
            entrypoint: Some(vec!["serve".into()]),
            cmd: Some(vec!["--fast".into()]),
            env: Some(vec!["A=1".into(), "B=2".into()]),
            healthcheck: Some(Healthcheck {
                test: Some(vec!["CMD".into(), "ok".into()]),
                ..Default::default()
            }),
            volumes: [("/data".to_owned(), Empty {})].into(),
            exposed_ports: [("8000/tcp".to_owned(), Empty {})].into(),
            ..ContainerConfig::default()
        }
    }

    #[test]
    fn typed_arguments_replace_cmd_and_a_typed_entrypoint_drops_it() {
        let line = |words: &[&str], command: &[&str]| {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            let config = flags(words).config(&image(), &command).unwrap();
            [config.entrypoint.unwrap_or_default(), config.cmd.unwrap_or_default()].concat().join(" ")
        };
        assert_eq!(line(&[], &[]), "serve --fast");
        assert_eq!(line(&[], &["-v"]), "serve -v");
        assert_eq!(line(&["--entrypoint", "sh"], &[]), "sh");
        assert_eq!(line(&["--entrypoint", ""], &["a"]), "a");
    }

    #[test]
    fn variables_are_set_in_place_and_unset_ones_go() {
        let config = flags(&["-e", "A=x", "-eC=3", "-e", "B"]).config(&image(), &[]).unwrap();
        assert_eq!(config.env.unwrap(), ["A=x", "C=3"]);
    }

    #[test]
    fn health_flags_go_over_the_image_s() {
        let check = flags(&["--health-interval", "500ms", "--health-retries", "1"]).config(&image(), &[]);
        let check = check.unwrap().healthcheck.unwrap();
        assert_eq!((check.interval, check.retries, check.test.unwrap().len()), (500_000_000, 1, 2));
        let none = flags(&["--no-healthcheck"]).config(&image(), &[]).unwrap().healthcheck.unwrap();
        assert_eq!(none.test.unwrap(), ["NONE"]);
    }

    #[test]
    fn volumes_and_ports_of_the_image_are_used() {
        let host = flags(&["-P", "-p", "80:80"]).host(&image()).unwrap();
        assert_eq!(host.publish.iter().map(|port| port.inside).collect::<Vec<_>>(), [80, 8000]);
        assert!(host.mounts[0].anonymous && host.mounts[0].target == "/data");
        assert_eq!(flags(&["--tmpfs", "/data"]).host(&image()).unwrap().mounts.len(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [&["--network", "mine"][..], &["--restart", "often"], &["--memory", "x"], &["-p", "x"]] {
            assert!(flags(bad).host(&image()).is_err(), "{bad:?}");
        }
        assert!(flags(&["--name", "a b"]).name().is_err());
        assert!(flags(&["--stop-signal", "NOPE"]).config(&image(), &[]).is_err());
    }
}
