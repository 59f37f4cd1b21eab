//! From text to stages, in two passes as BuildKit has them: first every line becomes a node, then every
//! node is typed. So what is wrong with a line's form is reported before what is wrong with an instruction,
//! wherever the two stand.

mod copy;
mod from;
mod healthcheck;
mod key_value;
mod node;
mod reader;
mod run;
mod typed;

use crate::directive::{self, Key};
use crate::error::Problem;
use crate::source::Source;
use crate::{CheckDirective, Dockerfile, GlobalArgs, Instruction, InstructionKind, ParseError, Stage};
use node::Node;
use reader::Reader;
use typed::Typed;

/// Reads a Dockerfile.
///
/// # Errors
/// The first thing that BuildKit would reject.
pub fn parse(source: &[u8]) -> Result<Dockerfile, ParseError> {
    if source.is_empty() {
        return Err(Source::read(source).error(0, "the Dockerfile cannot be empty".into(), None));
    }
    let source = Source::read(source);
    source.check_lines()?;
    let mut dockerfile = Dockerfile::default();
    read_directives(&source, &mut dockerfile)?;
    let mut reader = Reader::new(&source);
    let mut nodes = Vec::new();
    while let Some(node) = reader.next_node()? {
        dockerfile.empty_continuations.extend(node.line.empty_continuation);
        nodes.push(node);
    }
    dockerfile.directives.escape = reader.escape();
    let end = source.line_count().checked_sub(1).map_or(0, |last| source.line_range(last).start);
    if nodes.is_empty() {
        return Err(source.error(end, "file with no instructions".into(), None));
    }
    for node in nodes {
        add(&mut dockerfile, node, &source)?;
    }
    if dockerfile.stages.is_empty() {
        return Err(source.error(end, "dockerfile contains no stages to build".into(), None));
    }
    Ok(dockerfile)
}

/// Reads one instruction, as an `ONBUILD` trigger is when it is used. The escape character is always a
/// backslash, whatever the file that recorded it used.
///
/// # Errors
/// If the text is not exactly one instruction, or one that a stage cannot hold (`FROM`).
pub fn parse_trigger(text: &str) -> Result<Instruction, ParseError> {
    let source = Source::read(text.as_bytes());
    source.check_lines()?;
    let mut reader = Reader::new(&source);
    let no_instruction = || source.error(0, "file with no instructions".into(), None);
    let node = reader.next_node()?.ok_or_else(no_instruction)?;
    if let Some(second) = reader.next_node()? {
        let message = "onbuild trigger should be a single expression";
        return Err(second.locate(&source, Problem::new(message)));
    }
    match typed::type_node(&node, &source)? {
        Typed::Kind(kind) => Ok(instruction(node, kind)),
        Typed::From(_) => Err(node.locate(&source, Problem::new("FROM isn't allowed as an ONBUILD trigger"))),
    }
}

/// The directives that count wherever the frontend is chosen: `syntax` and `check`.
fn read_directives(source: &Source, dockerfile: &mut Dockerfile) -> Result<(), ParseError> {
    let lines = (0..source.line_count()).map(|index| source.line(index).trim_end_matches(['\r', '\n']));
    for (key, line, value) in directive::prescan(lines) {
        match key {
            Key::Syntax => dockerfile.directives.syntax = Some(value.to_string()),
            Key::Check => {
                let wrong = |error: crate::CheckOptionError| {
                    source.error(source.line_range(line).start, error.to_string(), None)
                };
                dockerfile.directives.check = CheckDirective::parse(value).map_err(wrong)?;
            }
            Key::Escape => {}
        }
    }
    Ok(())
}

/// Types a node and puts it where it belongs.
fn add(dockerfile: &mut Dockerfile, node: Node, source: &Source) -> Result<(), ParseError> {
    match (typed::type_node(&node, source)?, dockerfile.stages.last_mut()) {
        (Typed::From(from), _) => dockerfile.stages.push(stage(node, from)),
        (Typed::Kind(kind), Some(stage)) => stage.instructions.push(instruction(node, kind)),
        (Typed::Kind(InstructionKind::Arg(args)), None) => {
            let (span, text) = (node.line.span, node.text());
            dockerfile.global_args.push(GlobalArgs { args, span, text, comments: node.line.comments });
        }
        (Typed::Kind(_), None) => {
            return Err(node.locate(source, Problem::new("no build stage in current context")));
        }
    }
    Ok(())
}

fn stage(node: Node, from: from::From) -> Stage {
    let name = from.alias.as_ref().map(|(_, name)| name.to_lowercase());
    Stage {
        description: name.as_deref().and_then(|name| Some(node.descriptions().get(name)?.to_string())),
        base: from.base,
        name,
        platform: from.platform,
        instructions: Vec::new(),
        span: node.line.span,
        text: node.text(),
        keyword: node.keyword,
        alias: from.alias,
        comments: node.line.comments,
    }
}

fn instruction(node: Node, kind: InstructionKind) -> Instruction {
    Instruction {
        kind,
        span: node.line.span,
        text: node.text(),
        heredocs: node.heredocs,
        keyword: node.keyword,
        comments: node.line.comments,
    }
}
