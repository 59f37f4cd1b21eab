//! From a node to the instruction it is.

use crate::error::Problem;
use crate::flags::Flags;
use crate::source::Source;
use crate::words::is_blank;
use crate::{CommandLine, InstructionKind, ParseError};

use super::node::{Arguments, Node};
use super::{copy, from, healthcheck, key_value, run};

/// What a node can be.
#[derive(Debug)]
pub(crate) enum Typed {
    /// The start of a stage.
    From(from::From),
    /// An instruction within one.
    Kind(InstructionKind),
}

/// Every instruction there is.
const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

pub(crate) fn type_node(node: &Node, source: &Source) -> Result<Typed, ParseError> {
    if let Some(problem) = refused_bytes(node, source) {
        return Err(node.locate(source, problem));
    }
    typed(node).map_err(|problem| node.locate(source, problem))
}

fn typed(node: &Node) -> Result<Typed, Problem> {
    use InstructionKind as Kind;
    let name = node.name();
    Ok(Typed::Kind(match name.as_str() {
        "FROM" => return from::parse(node).map(Typed::From),
        "ADD" => Kind::Add(copy::parse_add(node)?),
        "ARG" => Kind::Arg(key_value::arg_declarations(node)?),
        "CMD" => Kind::Cmd(plain_command(node)?),
        "COPY" => Kind::Copy(copy::parse_copy(node)?),
        "ENTRYPOINT" => Kind::Entrypoint(plain_command(node)?),
        "ENV" => Kind::Env(pairs(node, "ENV")?),
        "EXPOSE" => Kind::Expose(expose(node)?),
        "HEALTHCHECK" => Kind::Healthcheck(healthcheck::parse(node)?),
        "LABEL" => Kind::Label(pairs(node, "LABEL")?),
        "MAINTAINER" => Kind::Maintainer(one_argument(node, "MAINTAINER")?),
        "ONBUILD" => Kind::Onbuild(trigger(node)?),
        "RUN" => Kind::Run(run::parse(node)?),
        "SHELL" => Kind::Shell(shell(node)?),
        // BuildKit does not look at the flags of STOPSIGNAL.
        "STOPSIGNAL" => Kind::StopSignal(exactly_one(node, "STOPSIGNAL")?),
        "USER" => Kind::User(one_argument(node, "USER")?),
        "VOLUME" => Kind::Volume(volume(node)?),
        "WORKDIR" => Kind::Workdir(one_argument(node, "WORKDIR")?),
        _ => return Err(unknown(node)),
    }))
}

/// The suggestion is cased as the instruction is.
fn unknown(node: &Node) -> Problem {
    let given = &node.keyword;
    let problem = Problem::new(format!("unknown instruction: {given}")).at(given);
    match crate::suggest::nearest(&node.name(), NAMES) {
        Some(name) if *given == given.to_uppercase() => problem.did_you_mean(name.into()),
        Some(name) => problem.did_you_mean(name.to_lowercase()),
        None => problem,
    }
}

/// Bytes that are not UTF-8 cannot be in a command, nor in a file: they would not arrive as they are.
fn refused_bytes(node: &Node, source: &Source) -> Option<Problem> {
    let matters = node.name() == "RUN" || !node.heredocs.is_empty();
    let invalid = matters && source.is_invalid(node.line.span.start..node.line.span.end);
    invalid.then(|| Problem::new(format!("{} contains invalid UTF-8", node.keyword)))
}

fn no_flags(node: &Node) -> Result<(), Problem> {
    Flags::check(&node.flags, &[]).map(|_| ())
}

fn exactly_one(node: &Node, instruction: &str) -> Result<String, Problem> {
    match node.arguments.words() {
        [argument] => Ok(argument.clone()),
        _ => Err(Problem::new(format!("{instruction} requires exactly one argument"))),
    }
}

fn one_argument(node: &Node, instruction: &str) -> Result<String, Problem> {
    let argument = exactly_one(node, instruction)?;
    no_flags(node)?;
    Ok(argument)
}

fn at_least_one<'a>(node: &'a Node, instruction: &str) -> Result<&'a [String], Problem> {
    match node.arguments.words() {
        [] => Err(Problem::new(format!("{instruction} requires at least one argument"))),
        words => Ok(words),
    }
}

fn pairs(node: &Node, instruction: &str) -> Result<Vec<crate::KeyValue>, Problem> {
    no_flags(node)?;
    match &node.arguments {
        Arguments::Pairs(pairs) => key_value::named_pairs(pairs, instruction),
        Arguments::Words(_) | Arguments::Json(_) => key_value::named_pairs(&[], instruction),
    }
}

/// The command in the form it is written in.
pub(crate) fn command_line(arguments: &Arguments) -> CommandLine {
    match arguments {
        Arguments::Json(words) => CommandLine::Exec(words.clone()),
        other => CommandLine::Shell(other.words().join(" ")),
    }
}

fn plain_command(node: &Node) -> Result<CommandLine, Problem> {
    no_flags(node)?;
    Ok(command_line(&node.arguments))
}

fn expose(node: &Node) -> Result<Vec<String>, Problem> {
    let mut ports = at_least_one(node, "EXPOSE")?.to_vec();
    no_flags(node)?;
    ports.sort();
    Ok(ports)
}

fn volume(node: &Node) -> Result<Vec<String>, Problem> {
    let paths = at_least_one(node, "VOLUME")?;
    no_flags(node)?;
    let path = |path: &String| match path.trim() {
        "" => Err(Problem::new("VOLUME specified can not be an empty string")),
        path => Ok(path.to_string()),
    };
    paths.iter().map(path).collect()
}

fn shell(node: &Node) -> Result<Vec<String>, Problem> {
    no_flags(node)?;
    let words = at_least_one(node, "SHELL")?;
    match &node.arguments {
        Arguments::Json(_) => Ok(words.to_vec()),
        _ => Err(Problem::new("SHELL requires the arguments to be in JSON form")),
    }
}

/// The trigger as it stands on the line, with its here-documents.
fn trigger(node: &Node) -> Result<String, Problem> {
    let rest = &at_least_one(node, "ONBUILD")?[0];
    no_flags(node)?;
    let first = rest.split(is_blank).next().unwrap_or_default();
    match first.to_uppercase().as_str() {
        "ONBUILD" => {
            return Err(Problem::new("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed").at(rest));
        }
        name @ ("MAINTAINER" | "FROM") => {
            return Err(Problem::new(format!("{name} isn't allowed as an ONBUILD trigger")).at(rest));
        }
        _ => {}
    }
    let line = node.line.text.trim_start();
    let mut trigger = line.strip_prefix(&node.keyword).unwrap_or(line).trim_start().to_string();
    for heredoc in &node.heredocs {
        trigger.push('\n');
        trigger.push_str(&heredoc.content);
        trigger.push_str(&heredoc.name);
    }
    Ok(trigger)
}
