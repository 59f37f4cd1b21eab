//! From an image's config and what was typed to what the sandbox runs. Pure but for reading the image's
//! `/etc/passwd` and `/etc/group`.

use wharf_oci::ContainerConfig;
use wharf_sandbox::{Account, Mount, Root, Spec, resolve_user};

use super::root::View;
use super::signal;
use crate::exit::{Failure, OrFail};

/// The search path of an image that sets none, as docker has it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command line that a config stands for.
fn command_line(config: &ContainerConfig) -> Vec<String> {
    let part = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    [part(&config.entrypoint), part(&config.cmd)].concat()
}

/// `NAME=value` settings as pairs, the later of two of one name winning in the earlier one's place.
pub(crate) fn environment<'a>(settings: impl IntoIterator<Item = &'a String>) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = vec![("PATH".into(), DEFAULT_PATH.into())];
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => env.push((name.to_owned(), value.to_owned())),
        }
    }
    env
}

/// Sets a variable that nobody has set.
pub(crate) fn default_variable(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    if env.iter().all(|(known, _)| known != name) {
        env.push((name.to_owned(), value.to_owned()));
    }
}

/// Who `user` is in these files.
pub(crate) fn account(user: &str, view: &View) -> Result<Account, Failure> {
    resolve_user(user, &view.read("/etc/passwd"), &view.read("/etc/group")).or_usage()
}

/// What the sandbox runs: the config's command on `root`, as its user, with docker's usual surroundings.
pub(crate) fn spec(
    config: &ContainerConfig,
    account: &Account,
    root: Root,
    hostname: &str,
) -> Result<Spec, Failure> {
    let args = command_line(config);
    if args.is_empty() {
        return Err(Failure::usage("no command specified: the image has neither ENTRYPOINT nor CMD")
            .hint("say what to run after the image's name"));
    }
    let mut spec = Spec::new(root, args);
    spec.env = environment(config.env.iter().flatten());
    default_variable(&mut spec.env, "HOSTNAME", hostname);
    default_variable(&mut spec.env, "HOME", &account.home);
    spec.user = account.user.clone();
    let workdir = &config.working_dir;
    spec.cwd = if workdir.is_empty() { "/".into() } else { workdir.into() };
    spec.hostname = hostname.to_owned();
    spec.stop_signal = config.stop_signal.as_deref().and_then(signal::number).unwrap_or(signal::TERM);
    Ok(spec)
}

/// The files that tell a process of its name and of the network, for a network where names are resolved by
/// `resolvers`, or as the host does it.
pub(crate) fn network_files(hostname: &str, extra_hosts: &[String], resolvers: &[String]) -> Vec<Mount> {
    let mut resolv = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if !resolvers.is_empty() {
        let kept = resolv.lines().filter(|line| !line.trim_start().starts_with("nameserver"));
        let ours = resolvers.iter().map(|address| format!("nameserver {address}"));
        resolv = ours.chain(kept.map(str::to_owned)).map(|line| line + "\n").collect();
    }
    vec![
        text_file("/etc/hosts", hosts(hostname, extra_hosts)),
        text_file("/etc/hostname", format!("{hostname}\n")),
        text_file("/etc/resolv.conf", resolv),
    ]
}

/// The names of this machine, and `name:address` or `name=address` as they were typed.
fn hosts(hostname: &str, extra: &[String]) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for entry in extra {
        if let Some((name, address)) = entry.split_once(['=', ':']) {
            text.push_str(&format!("{}\t{name}\n", address.trim_matches(['[', ']'])));
        }
    }
    text
}

fn text_file(target: &str, text: String) -> Mount {
    Mount::File {
        target: target.into(),
        contents: text.into_bytes(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        readonly: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_setting_wins_in_the_earlier_ones_place() {
        let settings = ["A=1", "PATH=/opt/bin", "A=2", "B=x=y"].map(str::to_owned);
        let mut env = environment(&settings);
        default_variable(&mut env, "HOME", "/home/m");
        default_variable(&mut env, "A", "3");
        let pairs: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["PATH=/opt/bin", "A=2", "B=x=y", "HOME=/home/m"]);
    }

    #[test]
    fn names_are_told_to_the_container() {
        let text = hosts("web", &["db:10.0.0.1".into(), "v6=[::1]".into()]);
        assert!(text.ends_with("10.0.0.1\tdb\n::1\tv6\n"), "{text}");
    }
}
