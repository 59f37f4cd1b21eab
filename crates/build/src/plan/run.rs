//! `RUN`: what is executed, what it sees, and what is mounted for it.

use wharf_dockerfile::{Instruction, Mount as TypedMount, MountType, Network, Run, RunProgram, Security};

use super::stage::StageBuilder;
use super::{
    BindMount, CacheMount, EnvVar, FileOwner, Mount, Op, Problem, RunOp, Script, SecretMount, Source,
    SshMount, TmpfsMount, path,
};

/// Where a here-document with an interpreter line is mounted.
const SCRIPTS: &str = "/dev/pipes";

impl StageBuilder<'_> {
    /// `RUN`.
    pub(super) fn run(
        &mut self,
        run: &Run,
        instruction: &Instruction,
        sources: &[Option<usize>],
    ) -> Result<(), Problem> {
        let (args, script) = self.program(instruction)?;
        let network = match run.network {
            Network::Default => self.shared.request.network,
            network => network,
        };
        self.require_entitlements(network, run.security)?;
        if let Some(device) = run.devices.iter().find(|device| device.required) {
            return Err(Problem::Instruction(format!("device {} cannot be given to a step", device.name)));
        }
        let mut mounts = self.mounts(run, instruction, sources)?;
        mounts.extend(script.map(Mount::Script));
        let created_by = format!("RUN {} # buildkit", self.with_args(&args));
        let op = RunOp {
            env: self.process_env(&mounts)?,
            args,
            proxy: self.shared.proxy.clone(),
            user: self.state.user.clone(),
            cwd: path::rooted(&self.state.dir),
            mounts,
            network,
            security: run.security,
            hostname: self.hostname(),
        };
        self.operate(instruction.span, &self.run_shown(instruction), created_by, Op::Run(op))
    }

    /// The command line, and the script it runs where a here-document names its interpreter.
    fn program(&mut self, instruction: &Instruction) -> Result<(Vec<String>, Option<Script>), Problem> {
        let empty = || Problem::Instruction("arguments are required".into());
        match instruction.run_program().ok_or_else(empty)? {
            RunProgram::Exec(words) if words.is_empty() => Err(empty()),
            RunProgram::Exec(words) => Ok((words, None)),
            RunProgram::Shell(line) => Ok((self.with_shell(&line), None)),
            RunProgram::Script { name, data } => {
                self.state.take_text(data.len())?;
                let args = self.with_shell(&format!("{SCRIPTS}/{name}"));
                Ok((args, Some(Script { directory: SCRIPTS.into(), name, content: data.into_bytes() })))
            }
        }
    }

    fn require_entitlements(&self, network: Network, security: Security) -> Result<(), Problem> {
        let request = self.shared.request;
        let allowed =
            |entitlement: &str| request.check_only || request.allow.iter().any(|given| given == entitlement);
        // Who asks for the host's network for the whole build has allowed it.
        if network == Network::Host && request.network != Network::Host && !allowed("network.host") {
            return Err(Problem::Entitlement { entitlement: "network.host" });
        }
        if security == Security::Insecure && !allowed("security.insecure") {
            return Err(Problem::Entitlement { entitlement: "security.insecure" });
        }
        Ok(())
    }

    /// The command line as the history shows it: the arguments that were declared come first.
    fn with_args(&self, args: &[String]) -> String {
        let declared = &self.state.args;
        let mut words = Vec::with_capacity(1 + declared.names().len() + args.len());
        if declared.names().len() > 0 {
            words.push(format!("|{}", declared.names().len()));
        }
        for name in declared.names() {
            let value = self.state.env.get(name).or(declared.get(name)).unwrap_or_default();
            words.push(format!("{name}={value}"));
        }
        words.extend_from_slice(args);
        words.join(" ")
    }

    /// The environment of the process. A mounted agent is announced, whether or not there is one.
    fn process_env(&mut self, mounts: &[Mount]) -> Result<Vec<EnvVar>, Problem> {
        let mut env = self.state.process_env()?;
        let socket = mounts.iter().find_map(|mount| match mount {
            Mount::Ssh(ssh) => Some(&ssh.target),
            _ => None,
        });
        if let Some(socket) = socket
            && self.state.env.get("SSH_AUTH_SOCK").is_none()
        {
            env.push(EnvVar { name: "SSH_AUTH_SOCK".into(), value: socket.clone() });
        }
        Ok(env)
    }

    /// The instruction as it is shown, with the first line of a lone here-document.
    fn run_shown(&self, instruction: &Instruction) -> String {
        let text = self.shown(instruction);
        let [heredoc] = instruction.heredocs.as_slice() else { return text };
        let mut lines = heredoc.content.trim().lines();
        let first = lines.next().unwrap_or_default();
        let more = if lines.next().is_some() { "..." } else { "" };
        format!("{text} ({first}{more})")
    }

    fn hostname(&self) -> Option<String> {
        let given = self.shared.build_args.get("BUILDKIT_SANDBOX_HOSTNAME")?;
        (!given.is_empty()).then(|| given.clone())
    }

    fn mounts(
        &self,
        run: &Run,
        instruction: &Instruction,
        sources: &[Option<usize>],
    ) -> Result<Vec<Mount>, Problem> {
        let mut mounts = Vec::with_capacity(run.mounts.len());
        let mut agents = 0;
        for (index, flag) in run.mounts.iter().enumerate() {
            let typed = flag.resolve(|text| -> Result<String, Problem> {
                let expansion = self.shared.lexer.word(text, self.state.env.lookup())?;
                self.shared.checks.undefined(&expansion.unset, &self.state, instruction.span);
                Ok(expansion.text)
            })?;
            let from = sources.get(index).copied().flatten();
            mounts.push(match typed.kind {
                MountType::Bind => self.bind(typed, from)?,
                MountType::Cache => self.cache(typed, from)?,
                MountType::Tmpfs => Mount::Tmpfs(TmpfsMount {
                    target: self.target(&typed)?,
                    size: typed.size_limit.filter(|size| *size > 0),
                    read_only: typed.read_only,
                }),
                MountType::Secret => {
                    let secret = secret(typed, &self.state.dir)?;
                    self.shared.notes.secret(&secret.id, secret.required, instruction.span);
                    Mount::Secret(secret)
                }
                MountType::Ssh => {
                    agents += 1;
                    let agent = ssh(typed, agents - 1, &self.state.dir)?;
                    self.shared.notes.agent(&agent.id, agent.required, instruction.span);
                    Mount::Ssh(agent)
                }
            });
        }
        Ok(mounts)
    }

    fn bind(&self, mount: TypedMount, from: Option<usize>) -> Result<Mount, Problem> {
        Ok(Mount::Bind(BindMount {
            target: self.target(&mount)?,
            from: self.source(from, "mount")?.unwrap_or(Source::Context),
            source: path::rooted(mount.source.as_deref().unwrap_or_default()),
            read_only: mount.read_only,
        }))
    }

    fn cache(&self, mount: TypedMount, from: Option<usize>) -> Result<Mount, Problem> {
        let source = path::rooted(mount.source.as_deref().unwrap_or_default());
        let named = mount.id.clone().filter(|id| !id.is_empty());
        let id = named.unwrap_or_else(|| path::clean(mount.target.as_deref().unwrap_or_default()));
        let namespace = self.shared.build_args.get("BUILDKIT_CACHE_MOUNT_NS").map_or("", String::as_str);
        let says_owner = mount.uid.is_some() || mount.gid.is_some() || mount.mode.is_some();
        Ok(Mount::Cache(CacheMount {
            target: self.target(&mount)?,
            id: format!("{namespace}/{id}"),
            sharing: mount.sharing.unwrap_or_default(),
            from: self.source(from, "mount")?.unwrap_or(Source::Scratch),
            owner: (says_owner && source == "/").then(|| owner(&mount, 0o755)),
            source,
            read_only: mount.read_only,
        }))
    }

    /// Where a mount goes. The root itself cannot be covered.
    fn target(&self, mount: &TypedMount) -> Result<String, Problem> {
        let target = path::resolve(&self.state.dir, mount.target.as_deref().unwrap_or_default());
        if target == "/" {
            return Err(Problem::Instruction(format!("invalid mount target {target:?}")));
        }
        Ok(target)
    }

    /// The files of a draft; `None` stays `None`.
    pub(super) fn source(&self, draft: Option<usize>, verb: &'static str) -> Result<Option<Source>, Problem> {
        let Some(draft) = draft else { return Ok(None) };
        match &self.sources[draft] {
            Some(source) => Ok(Some(source.clone())),
            None => Err(Problem::LaterStage {
                verb,
                from: self.graph.drafts[draft].label.clone(),
                stage: self.label.unwrap_or_default().into(),
            }),
        }
    }
}

fn secret(mount: TypedMount, dir: &str) -> Result<SecretMount, Problem> {
    let target = mount.target.clone().filter(|target| !target.is_empty());
    let named =
        mount.source.clone().filter(|id| !id.is_empty()).or(mount.id.clone().filter(|id| !id.is_empty()));
    let id = match (named, &target) {
        (Some(id), _) => id,
        (None, Some(target)) => path::base(target).to_owned(),
        (None, None) => return Err(Problem::Instruction("one of source, target required".into())),
    };
    let target = match (&mount.env, target) {
        (_, Some(target)) => Some(path::resolve(dir, &target)),
        (None, None) => Some(format!("/run/secrets/{}", path::base(&id))),
        (Some(_), None) => None,
    };
    let env = mount.env.clone().map(|name| if name.is_empty() { id.clone() } else { name });
    Ok(SecretMount { owner: owner(&mount, 0o400), id, target, env, required: mount.required })
}

fn ssh(mount: TypedMount, number: usize, dir: &str) -> Result<SshMount, Problem> {
    if mount.source.as_ref().is_some_and(|source| !source.is_empty()) {
        return Err(Problem::Instruction("ssh does not support source".into()));
    }
    let target = match mount.target.as_deref().filter(|target| !target.is_empty()) {
        Some(target) => path::resolve(dir, target),
        None => format!("/run/buildkit/ssh_agent.{number}"),
    };
    let named = mount.id.clone().filter(|id| !id.is_empty());
    Ok(SshMount {
        owner: owner(&mount, 0o600),
        is_named: named.is_some(),
        id: named.unwrap_or_else(|| "default".into()),
        target,
        required: mount.required,
    })
}

fn owner(mount: &TypedMount, mode: u32) -> FileOwner {
    FileOwner {
        uid: mount.uid.unwrap_or_default(),
        gid: mount.gid.unwrap_or_default(),
        mode: mount.mode.unwrap_or(mode),
    }
}
