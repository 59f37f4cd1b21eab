//! The typed Dockerfile: stages of instructions.

use crate::{ArgDeclaration, Directives, Instruction, Span};

/// A Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// What the comments at its top say about how to read it.
    pub directives: Directives,
    /// The `ARG` instructions before the first `FROM`.
    pub global_args: Vec<GlobalArgs>,
    /// The stages, in order; at least one.
    pub stages: Vec<Stage>,
    /// Lines on which an instruction ends that has an empty line within.
    pub empty_continuations: Vec<Span>,
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
    /// The comments right above it, without `#`.
    pub comments: Vec<String>,
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
    /// `FROM` as it is written.
    pub keyword: String,
    /// `AS` and the name as they are written.
    pub alias: Option<(String, String)>,
    /// The comments right above it, without `#`.
    pub comments: Vec<String>,
}

/// Which stages take nothing from the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NoCache {
    /// None.
    #[default]
    Off,
    /// All.
    All,
    /// The named ones, upper and lower case alike.
    Stages(Vec<String>),
}
