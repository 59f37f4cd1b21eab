//! What a step has mounted, and what has to live as long as that.

use std::fs;
use std::path::{Path, PathBuf};

use wharf_dockerfile::LARGEST_SECRET;
use wharf_sandbox::{Account, Mounted, Overlay, Upper};

use super::agent::Agent;
use super::caches::{self, Cache};
use crate::copy::{Attributes, Target, clone_tree, copy};
use crate::error::{Cause, StepError};
use crate::plan::{BindMount, FileOwner, Mount, RunOp, Script, SecretMount, SshMount, TmpfsMount};
use crate::request::Secret;
use crate::session::{Files, Session};
use crate::tree::{Owners, Pick, Query, Tree, pick};

/// The variable that says where the agent is.
const AGENT: &str = "SSH_AUTH_SOCK";

/// The mounts of a step.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// For the sandbox.
    pub(super) list: Vec<wharf_sandbox::Mount>,
    /// Variables that secrets and agents set.
    pub(super) variables: Vec<(String, String)>,
    /// The values of secrets, which must not be shown.
    pub(super) secrets: Vec<Vec<u8>>,
    caches: Vec<Cache>,
    agents: Vec<Agent>,
    // Dropped, they are unmounted.
    overlays: Vec<Mounted>,
}

impl Mounts {
    /// Gathers what the step asks for.
    pub(super) fn prepare(session: &Session<'_>, op: &RunOp, account: &Account) -> Result<Self, StepError> {
        let mut mounts = Self::default();
        let _ = account;
        for mount in &op.mounts {
            match mount {
                Mount::Bind(bind) => mounts.bind(session, bind)?,
                Mount::Cache(cache) => {
                    let opened = caches::open(session, cache)?;
                    mounts.add_path(opened.path.clone(), &cache.target, cache.read_only);
                    mounts.caches.push(opened);
                }
                Mount::Tmpfs(tmpfs) => mounts.tmpfs(tmpfs),
                Mount::Secret(secret) => mounts.secret(session, secret)?,
                Mount::Ssh(ssh) => mounts.ssh(session, ssh)?,
                Mount::Script(script) => mounts.script(session, script)?,
            }
        }
        // What is mounted below something comes after it, whatever the order of the instruction.
        mounts.list.sort_by_key(|mount| mount.target().components().count());
        Ok(mounts)
    }

    fn add_path(&mut self, source: PathBuf, target: &str, readonly: bool) {
        self.list.push(wharf_sandbox::Mount::Bind {
            source,
            target: target.into(),
            readonly,
            recursive: false,
        });
    }

    fn tmpfs(&mut self, tmpfs: &TmpfsMount) {
        self.list.push(wharf_sandbox::Mount::Tmpfs {
            target: (&tmpfs.target).into(),
            size: tmpfs.size,
            mode: 0o1777,
        });
    }

    fn bind(&mut self, session: &Session<'_>, bind: &BindMount) -> Result<(), StepError> {
        let files = session.files(&bind.from)?;
        let query = Query { path: &bind.source, glob: false, parents: None, excludes: &[] };
        let Some(found) = pick(files.tree(), &query)?.into_iter().next() else { return Ok(()) };
        let source = match &files {
            Files::View(view) => view.tree.path().join(&found.path),
            Files::Context(context) => own_copy(session, &context.tree, &found)?,
        };
        if bind.read_only {
            self.add_path(source, &bind.target, true);
            return Ok(());
        }
        let source = self.discarded(session, &source)?;
        self.add_path(source, &bind.target, false);
        Ok(())
    }

    /// A place that looks like `source` and forgets what is written to it.
    fn discarded(&mut self, session: &Session<'_>, source: &Path) -> Result<PathBuf, StepError> {
        let place = session
            .snapshots
            .work
            .directory("bind")
            .map_err(Cause::file("making a directory for", source))?;
        if !source.is_dir() {
            let file = place.join("file");
            fs::copy(source, &file).map_err(Cause::file("copying", source))?;
            return Ok(file);
        }
        if session.engine.is_flat() {
            let tree = Tree::open(source, Owners::Kept).map_err(Cause::file("opening", source))?;
            let root = Tree::open(&place, Owners::Kept).map_err(Cause::file("opening", &place))?;
            let attributes = Attributes { owner: None, mode: None, ownership: session.engine.ownership() };
            clone_tree(&tree, &Target { root: &root, dest: "/", attributes }, false)?;
            return Ok(place);
        }
        let [dir, work, at] = ["upper", "work", "root"].map(|name| place.join(name));
        for directory in [&dir, &work, &at] {
            fs::create_dir(directory).map_err(Cause::file("making directory", directory))?;
        }
        let overlay =
            Overlay { lowers: vec![source.to_owned()], upper: Some(Upper { dir, work }), volatile: true };
        self.overlays.push(session.engine.sandbox.mount_overlay(&overlay, &at)?);
        Ok(at)
    }

    fn secret(&mut self, session: &Session<'_>, mount: &SecretMount) -> Result<(), StepError> {
        let contents = match session.request.secrets.get(&mount.id) {
            Some(Secret::Value(value)) => value.clone(),
            Some(Secret::File(path)) => read_secret(path)?,
            None if mount.required => return Err(Cause::NoSecret { id: mount.id.clone() }.into()),
            None => return Ok(()),
        };
        if let Some(name) = &mount.env {
            self.variables.push((name.clone(), String::from_utf8_lossy(&contents).into_owned()));
        }
        self.secrets.push(contents.clone());
        if let Some(target) = &mount.target {
            let FileOwner { uid, gid, mode } = mount.owner;
            let target = target.into();
            self.list.push(wharf_sandbox::Mount::File { target, contents, mode, uid, gid, readonly: true });
        }
        Ok(())
    }

    fn ssh(&mut self, session: &Session<'_>, mount: &SshMount) -> Result<(), StepError> {
        if !self.variables.iter().any(|(name, _)| name == AGENT) {
            self.variables.push((AGENT.into(), mount.target.clone()));
        }
        let Some(agent) = session.request.ssh.get(&mount.id) else {
            let missing = Cause::NoAgent { id: mount.id.clone() };
            return if mount.required { Err(missing.into()) } else { Ok(()) };
        };
        let agent = Agent::listen(session.snapshots.work.path("agent"), agent, &mount.owner)?;
        self.add_path(agent.socket.clone(), &mount.target, false);
        self.agents.push(agent);
        Ok(())
    }

    fn script(&mut self, session: &Session<'_>, script: &Script) -> Result<(), StepError> {
        let directory = session.snapshots.work.directory("script");
        let directory = directory.map_err(Cause::file("making a directory for", Path::new(&script.name)))?;
        let file = directory.join(&script.name);
        fs::write(&file, &script.content).map_err(Cause::file("writing", &file))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&file, mode).map_err(Cause::file("changing the mode of", &file))?;
        self.add_path(directory, &script.directory, true);
        Ok(())
    }
}

/// The files of a context as an image would have them: without what is ignored, all of it root's.
fn own_copy(session: &Session<'_>, tree: &Tree, found: &Pick) -> Result<PathBuf, StepError> {
    let place = session
        .snapshots
        .work
        .directory("bind")
        .map_err(Cause::file("making a directory for", &found.path))?;
    let root = Tree::open(&place, Owners::Kept).map_err(Cause::file("opening", &place))?;
    let attributes = Attributes { owner: None, mode: None, ownership: session.engine.ownership() };
    copy(tree, found, false, &Target { root: &root, dest: "/files", attributes })?;
    Ok(place.join("files"))
}

fn read_secret(path: &Path) -> Result<Vec<u8>, StepError> {
    let file = fs::File::open(path).map_err(Cause::file("reading the secret", path))?;
    let mut contents = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, LARGEST_SECRET + 1), &mut contents)
        .map_err(Cause::file("reading the secret", path))?;
    if contents.len() as u64 > LARGEST_SECRET {
        let text = format!("the secret in `{}` is larger than {LARGEST_SECRET} bytes", path.display());
        return Err(Cause::Refused(text).into());
    }
    Ok(contents)
}
