//! Why an image cannot start, where it can be seen from its files.

use std::path::{Path, PathBuf};

use wharf_sandbox::{Spec, User};

use crate::container::root::View;

/// A cause and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// What is wrong.
    pub(super) sentence: String,
    /// What to do about it.
    pub(super) fix: String,
}

/// The cause of a process that never started or ended by itself.
pub(super) fn of_start(spec: &Spec, view: &View, log: &[String]) -> Option<Cause> {
    let look = |path: &Path| view.metadata(path).map(|m| Node::from(&m));
    unreadable_program(spec, &look).or_else(|| unreadable_packages(spec, log, &look))
}

/// What matters of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl From<&std::fs::Metadata> for Node {
    fn from(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { mode: metadata.mode(), uid: metadata.uid(), gid: metadata.gid() }
    }
}

impl Node {
    /// Whether `user` may pass through (a directory) or run (a file) this.
    fn is_passable_by(self, user: &User) -> bool {
        let bit = if user.uid == 0 {
            0o111
        } else if self.uid == user.uid {
            0o100
        } else if self.gid == user.gid || user.groups.contains(&self.gid) {
            0o010
        } else {
            0o001
        };
        self.mode & bit != 0
    }
}

type Look<'a> = &'a dyn Fn(&Path) -> Option<Node>;

/// The program is in the image and in `PATH`, but behind a directory that the image's user cannot enter.
fn unreadable_program(spec: &Spec, look: Look<'_>) -> Option<Cause> {
    let program = shell_program(&spec.args)?;
    if program.contains('/') {
        return None;
    }
    let path = spec.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str())?;
    let candidates: Vec<PathBuf> =
        path.split(':').map(|directory| Path::new(directory).join(program)).collect();
    if candidates
        .iter()
        .any(|file| look(file).is_some() && closed_directory(file, &spec.user, look).is_none())
    {
        return None;
    }
    let hidden = candidates.into_iter().find(|file| look(file).is_some())?;
    let closed = closed_directory(&hidden, &spec.user, look)?;
    Some(cause(&hidden, &closed, &spec.user, program))
}

/// Python starts, but its packages are under a directory that the image's user cannot enter.
fn unreadable_packages(spec: &Spec, log: &[String], look: Look<'_>) -> Option<Cause> {
    let missing = log.iter().rev().find_map(|line| line.split("No module named ").nth(1))?;
    let site = Path::new("/root/.local/lib");
    look(site)?;
    let closed = closed_directory(site, &spec.user, look)?;
    Some(cause(site, &closed, &spec.user, missing.trim_matches(['\'', '"'])))
}

fn cause(hidden: &Path, closed: &Path, user: &User, what: &str) -> Cause {
    let user_site = hidden.ancestors().find(|directory| directory.ends_with(".local"));
    match user_site {
        Some(site) => Cause {
            sentence: format!("its packages lie in `{}` while it runs as uid {}", site.display(), user.uid),
            fix: "install them where every user can read: `python -m venv /opt/venv`, then copy /opt/venv"
                .into(),
        },
        None => Cause {
            sentence: format!(
                "`{what}` lies behind `{}`, which it cannot enter as uid {}",
                closed.display(),
                user.uid
            ),
            fix: format!(
                "open the directory (`RUN chmod 755 {}`) or install `{what}` elsewhere",
                closed.display()
            ),
        },
    }
}

/// The first directory on the way to `file` that `user` cannot enter.
fn closed_directory(file: &Path, user: &User, look: Look<'_>) -> Option<PathBuf> {
    let mut directories: Vec<&Path> = file.ancestors().skip(1).collect();
    directories.reverse();
    let closed = directories
        .into_iter()
        .find(|directory| look(directory).is_some_and(|node| !node.is_passable_by(user)));
    closed.map(Path::to_owned)
}

/// The program of a command line; of `sh -c "exec uvicorn …"`, the program that the shell starts.
fn shell_program(args: &[String]) -> Option<&str> {
    let program = args.first()?.as_str();
    let is_shell = matches!(program.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"));
    match args {
        [_, flag, script, ..] if is_shell && flag == "-c" => {
            script.split_whitespace().find(|word| *word != "exec" && !word.contains('='))
        }
        _ => Some(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use wharf_sandbox::Root;

    fn spec(args: &[&str], path: &str, uid: u32) -> Spec {
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        let mut spec = Spec::new(Root::Dir("/".into()), args);
        spec.env = vec![("PATH".into(), path.into())];
        spec.user = User { uid, gid: uid, groups: vec![] };
        spec
    }

    fn image(nodes: &[(&str, u32)]) -> HashMap<PathBuf, Node> {
        nodes.iter().map(|(path, mode)| (PathBuf::from(path), Node { mode: *mode, uid: 0, gid: 0 })).collect()
    }

    fn sentence(spec: &Spec, nodes: &[(&str, u32)], log: &[String]) -> Option<String> {
        let nodes = image(nodes);
        let look = |path: &Path| nodes.get(path).copied();
        unreadable_program(spec, &look)
            .or_else(|| unreadable_packages(spec, log, &look))
            .map(|cause| cause.sentence)
    }

    const LECTURE: [(&str, u32); 5] = [
        ("/", 0o755),
        ("/root", 0o700),
        ("/root/.local", 0o755),
        ("/root/.local/bin", 0o755),
        ("/root/.local/bin/uvicorn", 0o755),
    ];

    #[test]
    fn packages_of_root_are_named_as_the_cause() {
        let expected = Some("its packages lie in `/root/.local` while it runs as uid 1000".to_owned());
        let exec = spec(&["uvicorn", "src.api:app"], "/root/.local/bin:/usr/bin", 1000);
        assert_eq!(sentence(&exec, &LECTURE, &[]), expected);
        let shell = spec(&["/bin/sh", "-c", "exec uvicorn src.api:app"], "/root/.local/bin:/usr/bin", 1000);
        assert_eq!(sentence(&shell, &LECTURE, &[]), expected);
    }

    #[test]
    fn python_that_misses_a_module_of_root_has_the_same_cause() {
        let module = spec(&["python", "-m", "uvicorn"], "/usr/bin", 1000);
        let nodes = [("/", 0o755), ("/root", 0o700), ("/root/.local/lib", 0o755), ("/usr/bin/python", 0o755)];
        let log = ["/usr/bin/python: No module named uvicorn".to_owned()];
        assert_eq!(
            sentence(&module, &nodes, &log).as_deref(),
            Some("its packages lie in `/root/.local` while it runs as uid 1000")
        );
    }

    #[test]
    fn nothing_is_claimed_of_what_root_can_read_or_what_is_simply_absent() {
        assert_eq!(sentence(&spec(&["uvicorn"], "/root/.local/bin", 0), &LECTURE, &[]), None);
        assert_eq!(sentence(&spec(&["gunicorn"], "/root/.local/bin", 1000), &LECTURE, &[]), None);
    }

    #[test]
    fn another_closed_directory_is_named() {
        let nodes = [("/", 0o755), ("/opt", 0o700), ("/opt/bin", 0o755), ("/opt/bin/serve", 0o755)];
        assert_eq!(
            sentence(&spec(&["serve"], "/opt/bin", 1000), &nodes, &[]).as_deref(),
            Some("`serve` lies behind `/opt`, which it cannot enter as uid 1000")
        );
    }
}
