//! From an image's config and what was typed to what the sandbox runs. Pure but for reading the image's
//! `/etc/passwd` and `/etc/group`.

use wharf_oci::ContainerConfig;
use wharf_sandbox::{Account, Mount, Spec, resolve_user};

use super::root::{Scratch, View};
use crate::exit::{Failure, OrFail};

/// The search path of an image that sets none, as docker has it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What was typed over the image's own config.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// Instead of `CMD`.
    pub(crate) args: Vec<String>,
    /// Instead of `ENTRYPOINT`; it also drops the image's `CMD`.
    pub(crate) entrypoint: Option<String>,
    /// `NAME=value` over the image's environment.
    pub(crate) env: Vec<String>,
    /// Instead of `USER`.
    pub(crate) user: Option<String>,
    /// Instead of `WORKDIR`.
    pub(crate) workdir: Option<String>,
}

/// The command line that an image runs, with what was typed over it.
pub(crate) fn command_line(config: &ContainerConfig, typed: &Overrides) -> Vec<String> {
    let (entrypoint, image_cmd) = match &typed.entrypoint {
        Some(program) => (vec![program.clone()], Vec::new()),
        None => (config.entrypoint.clone().unwrap_or_default(), config.cmd.clone().unwrap_or_default()),
    };
    let args = if typed.args.is_empty() { image_cmd } else { typed.args.clone() };
    [entrypoint, args].concat()
}

/// The environment, the later of two settings of one name winning in the earlier one's place.
pub(crate) fn environment(
    config: &ContainerConfig,
    typed: &Overrides,
    account: &Account,
) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = vec![("PATH".into(), DEFAULT_PATH.into())];
    for setting in config.env.iter().flatten().chain(&typed.env) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => env.push((name.to_owned(), value.to_owned())),
        }
    }
    if env.iter().all(|(name, _)| name != "HOME") {
        env.push(("HOME".into(), account.home.clone()));
    }
    env
}

/// Who the image runs as.
pub(crate) fn account(config: &ContainerConfig, typed: &Overrides, view: &View) -> Result<Account, Failure> {
    let user = typed.user.as_deref().unwrap_or(&config.user);
    resolve_user(user, &view.read("/etc/passwd"), &view.read("/etc/group")).or_usage()
}

/// What the sandbox runs: the image on `scratch`, as itself, with docker's usual surroundings.
pub(crate) fn spec(
    config: &ContainerConfig,
    typed: &Overrides,
    account: &Account,
    scratch: &Scratch,
    hostname: &str,
) -> Result<Spec, Failure> {
    let args = command_line(config, typed);
    if args.is_empty() {
        return Err(Failure::usage("no command specified: the image has neither ENTRYPOINT nor CMD")
            .hint("say what to run after the image's name"));
    }
    let mut spec = Spec::new(scratch.root(), args);
    spec.env = environment(config, typed, account);
    spec.env.push(("HOSTNAME".into(), hostname.to_owned()));
    spec.user = account.user.clone();
    let workdir = typed.workdir.as_deref().unwrap_or(&config.working_dir);
    spec.cwd = if workdir.is_empty() { "/".into() } else { workdir.into() };
    spec.hostname = hostname.to_owned();
    spec.init = true;
    spec.stop_signal = config.stop_signal.as_deref().and_then(signal_number).unwrap_or(SIGTERM);
    spec.mounts =
        vec![text_file("/etc/hosts", hosts(hostname)), text_file("/etc/hostname", format!("{hostname}\n"))];
    if let Ok(resolv) = std::fs::read("/etc/resolv.conf") {
        spec.mounts.push(file("/etc/resolv.conf", resolv));
    }
    Ok(spec)
}

fn hosts(hostname: &str) -> String {
    format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n")
}

fn text_file(target: &str, text: String) -> Mount {
    file(target, text.into_bytes())
}

fn file(target: &str, contents: Vec<u8>) -> Mount {
    Mount::File { target: target.into(), contents, mode: 0o644, uid: 0, gid: 0 }
}

const SIGTERM: i32 = 15;

/// A signal by number or by name, with or without `SIG`.
pub(crate) fn signal_number(text: &str) -> Option<i32> {
    const NAMES: [(&str, i32); 14] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("CONT", 18),
        ("STOP", 19),
        ("WINCH", 28),
        ("PWR", 30),
    ];
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let number = || name.parse().ok().filter(|n| (1..=64).contains(n));
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, n)| *n).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ContainerConfig {
        ContainerConfig {
            entrypoint: Some(vec!["serve".into()]),
            cmd: Some(vec!["--fast".into()]),
            env: Some(vec!["A=1".into(), "PATH=/opt/bin".into()]),
            ..ContainerConfig::default()
        }
    }

    #[test]
    fn typed_arguments_replace_cmd_and_a_typed_entrypoint_drops_it() {
        let line = |typed: Overrides| command_line(&config(), &typed).join(" ");
        assert_eq!(line(Overrides::default()), "serve --fast");
        assert_eq!(line(Overrides { args: vec!["-v".into()], ..Overrides::default() }), "serve -v");
        assert_eq!(line(Overrides { entrypoint: Some("sh".into()), ..Overrides::default() }), "sh");
    }

    #[test]
    fn what_is_typed_wins_and_home_is_the_users() {
        let account = Account { user: Default::default(), home: "/home/m".into() };
        let typed = Overrides { env: vec!["A=2".into(), "B=x=y".into()], ..Overrides::default() };
        let env = environment(&config(), &typed, &account);
        let pairs: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["PATH=/opt/bin", "A=2", "B=x=y", "HOME=/home/m"]);
    }

    #[test]
    fn signals_go_by_either_name_or_number() {
        assert_eq!(
            ["SIGINT", "quit", "9", "SIGNOPE", "0"].map(signal_number),
            [Some(2), Some(3), Some(9), None, None]
        );
    }
}
