//! The typed instructions, as far as they are known before variables are.

use wharf_oci::Healthcheck;

use crate::{Heredoc, MountFlag, Span};

/// An instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub kind: InstructionKind,
    /// Where it stands, here-documents included.
    pub span: Span,
    /// The logical line as BuildKit prints it: continuations joined, comments dropped, trimmed; without the
    /// here-documents.
    pub text: String,
    /// Its here-documents, in order.
    pub heredocs: Vec<Heredoc>,
    /// Its name as it is written.
    pub keyword: String,
    /// The comments right above it, without `#`; a `check=` among them speaks to the checks.
    pub comments: Vec<String>,
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `ADD`.
    Add(Add),
    /// `ARG`, with one or several names.
    Arg(Vec<ArgDeclaration>),
    /// `CMD`.
    Cmd(CommandLine),
    /// `COPY`.
    Copy(Copy),
    /// `ENTRYPOINT`.
    Entrypoint(CommandLine),
    /// `ENV`.
    Env(Vec<KeyValue>),
    /// `EXPOSE`: words, sorted as BuildKit sorts them; each may expand to several.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`.
    Label(Vec<KeyValue>),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`: the trigger as text, here-documents included.
    Onbuild(String),
    /// `RUN`.
    Run(Run),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}

/// `ADD [flags] source… destination`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Add {
    /// What goes where.
    pub sources: Sources,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`, in order.
    pub exclude: Vec<String>,
    /// `--checksum` of a remote file or git commit.
    pub checksum: Option<String>,
    /// `--keep-git-dir`; `None` where it is not said.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`; `None` where it is not said, which unpacks local archives and not remote ones.
    pub unpack: Option<bool>,
}

/// `COPY [flags] source… destination`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copy {
    /// What goes where.
    pub sources: Sources,
    /// `--from`: stage, number of a stage, image or named context.
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, in order.
    pub exclude: Vec<String>,
}

/// What a `COPY` or `ADD` brings, and where to. BuildKit brings the paths first, then the inline files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Paths, globs and URLs.
    pub paths: Vec<String>,
    /// Files given as here-documents.
    pub inline: Vec<InlineFile>,
    /// The destination.
    pub destination: String,
}

/// A file whose content stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name.
    pub path: String,
    /// Its content, leading tabs dropped where `<<-` asked for it.
    pub data: String,
    /// Variables in the content are replaced.
    pub expand: bool,
}

/// A name that an `ARG` declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// The name.
    pub name: String,
    /// The default, quotes and variables included.
    pub default: Option<String>,
    /// What the comment above says of it (`# NAME describes it`).
    pub description: Option<String>,
}

/// `name=value` of `ENV` and `LABEL`, quotes and variables included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
    /// Written in the old form without `=`.
    pub legacy: bool,
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// For the shell of the stage.
    Shell(String),
    /// A JSON array: program and arguments.
    Exec(Vec<String>),
}

/// `RUN [flags] command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is run, as it stands on the line; [`Instruction::run_program`] merges the here-documents in.
    pub command: CommandLine,
    /// `--mount`, in order.
    pub mounts: Vec<MountFlag>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// `--device`, in order.
    pub devices: Vec<Device>,
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// The build's.
    #[default]
    Default,
    /// None but loopback.
    None,
    /// The host's.
    Host,
}

/// `RUN --security`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Security {
    /// The usual sandbox.
    #[default]
    Sandbox,
    /// Without it; needs permission.
    Insecure,
}

/// `RUN --device`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The name of the CDI device.
    pub name: String,
    /// Fail where it is missing.
    pub required: bool,
}

/// What a `RUN` instruction executes once its here-documents are merged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunProgram {
    /// Text for the shell of the stage.
    Shell(String),
    /// Program and arguments.
    Exec(Vec<String>),
    /// A here-document with an interpreter line: a file of this name, run directly.
    Script {
        /// The file's name.
        name: String,
        /// The file's content.
        data: String,
    },
}

impl Instruction {
    /// What a `RUN` executes; `None` for every other instruction.
    ///
    /// A here-document that is the whole command is what runs: directly where it names its interpreter, else
    /// in the stage's shell. With more on the line, the shell gets the line and the here-documents as they
    /// stand.
    pub fn run_program(&self) -> Option<RunProgram> {
        let InstructionKind::Run(run) = &self.kind else { return None };
        let line = match &run.command {
            CommandLine::Exec(words) => return Some(RunProgram::Exec(words.clone())),
            CommandLine::Shell(line) => line,
        };
        let Some(first) = self.heredocs.first() else { return Some(RunProgram::Shell(line.clone())) };
        if matches!(Heredoc::parse(line), Ok(Some(_))) {
            let data = first.body();
            return Some(match data.starts_with("#!") {
                true => RunProgram::Script { name: first.name.clone(), data },
                false => RunProgram::Shell(data),
            });
        }
        let mut text = line.clone();
        for heredoc in &self.heredocs {
            text.push('\n');
            text.push_str(&heredoc.content);
            text.push_str(&heredoc.name);
        }
        Some(RunProgram::Shell(text))
    }
}

impl InstructionKind {
    /// The name as the reference writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }

    /// Replaces variables where the instruction allows them: `word` expands one word
    /// ([`crate::Lexer::word`]), `raw` the content of an inline file, in which quotes mean nothing
    /// ([`crate::Lexer::raw`]).
    ///
    /// Left alone are `EXPOSE`, because its words split ([`crate::Lexer::words`]); mounts
    /// ([`MountFlag::resolve`]); the names that `ARG` declares and the defaults that are not used, which is
    /// for the caller to know; `--from` and `--exclude`, which take no variables.
    ///
    /// # Errors
    /// The first that `word` or `raw` returns.
    pub fn expand<E>(
        &mut self,
        mut word: impl FnMut(&str) -> Result<String, E>,
        mut raw: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        let mut expand = |text: &mut String| word(text).map(|expanded| *text = expanded);
        match self {
            Self::Env(pairs) | Self::Label(pairs) => {
                for pair in pairs {
                    expand(&mut pair.key)?;
                    expand(&mut pair.value)?;
                }
            }
            Self::Add(add) => {
                let flags = [&mut add.chown, &mut add.chmod, &mut add.checksum];
                flags.into_iter().flatten().try_for_each(&mut expand)?;
                add.sources.expand(expand, &mut raw)?;
            }
            Self::Copy(copy) => {
                [&mut copy.chown, &mut copy.chmod].into_iter().flatten().try_for_each(&mut expand)?;
                copy.sources.expand(expand, &mut raw)?;
            }
            Self::Volume(paths) => paths.iter_mut().try_for_each(expand)?,
            Self::StopSignal(text) | Self::User(text) | Self::Workdir(text) => expand(text)?,
            Self::Arg(_)
            | Self::Cmd(_)
            | Self::Entrypoint(_)
            | Self::Expose(_)
            | Self::Healthcheck(_)
            | Self::Maintainer(_)
            | Self::Onbuild(_)
            | Self::Run(_)
            | Self::Shell(_) => {}
        }
        Ok(())
    }
}

impl Sources {
    fn expand<E>(
        &mut self,
        mut word: impl FnMut(&mut String) -> Result<(), E>,
        raw: &mut impl FnMut(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        self.paths.iter_mut().try_for_each(&mut word)?;
        word(&mut self.destination)?;
        for file in self.inline.iter_mut().filter(|file| file.expand) {
            file.data = raw(&file.data)?;
        }
        Ok(())
    }
}
