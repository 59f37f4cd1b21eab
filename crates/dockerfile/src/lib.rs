//! Text to typed stages, with spans, heredocs, expansion and lint findings.
//!
//! This crate reads Dockerfiles the way BuildKit's frontend does (dockerfile 1.x with the labs features),
//! so that a file which builds there gives the same stages here, and one which fails there fails here with
//! the same words. It is pure: no file, no network, no environment.
//!
//! The way through: [`parse`] cuts the text into logical lines, gives each its here-documents and types it
//! as an [`Instruction`]; the result is a [`Dockerfile`] of [`Stage`]s. Variables are left in place,
//! because their values depend on the base image and the build arguments: [`InstructionKind::expand`] names
//! the fields in which an instruction allows variables, and [`Lexer`] replaces them. [`lint`] holds
//! BuildKit's checks, [`ignore`] the patterns that choose files, [`expose`] the words of `EXPOSE`.
//!
//! Invariants:
//! - any bytes give a [`Dockerfile`] or a [`ParseError`], in time linear in their number, without a panic;
//! - every instruction has a [`Span`], and every error names line, column and the line itself;
//! - nothing is expanded while parsing, and an `ONBUILD` trigger is kept as text until it is used
//!   ([`parse_trigger`]).

mod directive;
mod error;
pub mod expand;
pub mod expose;
mod flags;
mod go;
mod heredoc;
pub mod ignore;
mod instruction;
pub mod lint;
mod mount;
mod parse;
mod source;
mod span;
mod stage;
mod suggest;
mod words;

pub use directive::{CheckDirective, CheckOptionError, Directives};
pub use error::ParseError;
pub use expand::{ExpandError, Expansion, Lexer};
pub use heredoc::Heredoc;
pub use ignore::{IgnorePatterns, PatternError};
pub use instruction::{
    Add, ArgDeclaration, CommandLine, Copy, Device, InlineFile, Instruction, InstructionKind, KeyValue,
    Network, Run, RunProgram, Security, Sources,
};
pub use mount::{LARGEST_SECRET, Mount, MountError, MountFlag, MountType, Sharing};
pub use parse::{parse, parse_trigger};
pub use span::Span;
pub use stage::{Dockerfile, GlobalArgs, NoCache, Stage};
