//! A logical line split into instruction, flags and arguments.

use std::collections::HashMap;

use crate::error::Problem;
use crate::flags::split_flags;
use crate::source::Source;
use crate::words::{self, is_blank};
use crate::{Heredoc, KeyValue, ParseError, Span};

use super::key_value;

/// A logical line: what the continuations make of one or more lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogicalLine {
    /// The lines joined, comments and continuation characters dropped.
    pub(crate) text: String,
    /// Where each piece begins: in `text`, and in the file.
    pub(crate) pieces: Vec<(usize, usize)>,
    /// Where it stands, here-documents included.
    pub(crate) span: Span,
    /// The comments right above it, without `#`.
    pub(crate) comments: Vec<String>,
    /// Where it ends, if it has an empty line within.
    pub(crate) empty_continuation: Option<Span>,
}

impl LogicalLine {
    /// Where in the file the byte at `offset` of the text stands.
    fn source_offset(&self, offset: usize) -> usize {
        let next = self.pieces.partition_point(|(in_text, _)| *in_text <= offset);
        match next.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some((in_text, in_file)) => in_file + (offset - in_text),
            None => self.span.start,
        }
    }
}

/// A logical line whose parts are known, and whose arguments have the form that the instruction asks for.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: LogicalLine,
    /// The instruction's name as it is written.
    pub(crate) keyword: String,
    pub(crate) flags: Vec<String>,
    pub(crate) arguments: Arguments,
    pub(crate) heredocs: Vec<Heredoc>,
}

/// The arguments of an instruction, by the form it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Words, or one text in one of them.
    Words(Vec<String>),
    /// A JSON array.
    Json(Vec<String>),
    /// `ENV` and `LABEL`.
    Pairs(Vec<KeyValue>),
}

impl Arguments {
    /// The words, or the strings of the array.
    pub(crate) fn words(&self) -> &[String] {
        match self {
            Self::Words(words) | Self::Json(words) => words,
            Self::Pairs(_) => &[],
        }
    }
}

/// What a here-document may follow.
const TAKES_HEREDOCS: [&str; 3] = ["ADD", "COPY", "RUN"];

impl Node {
    pub(crate) fn parse(line: LogicalLine, escape: char, source: &Source) -> Result<Self, ParseError> {
        let parts = Head::split(&line.text, escape).with_arguments();
        let (keyword, flags, arguments) = parts.map_err(|problem| locate(&line, source, problem))?;
        Ok(Self { line, keyword, flags, arguments, heredocs: Vec::new() })
    }

    /// The here-documents that the line announces. An `ONBUILD` announces those of its trigger.
    pub(crate) fn announced_heredocs(&self, escape: char) -> Result<Vec<Heredoc>, Problem> {
        let exec_form = matches!(self.arguments, Arguments::Json(_));
        let takes = match self.name().as_str() {
            "ONBUILD" => takes_heredocs_in(self.arguments.words().first(), escape),
            name => TAKES_HEREDOCS.contains(&name) && !exec_form,
        };
        if takes { Heredoc::announced(&self.line.text) } else { Ok(Vec::new()) }
    }

    /// The instruction's name in upper case.
    pub(crate) fn name(&self) -> String {
        self.keyword.to_ascii_uppercase()
    }

    /// The logical line as BuildKit prints it.
    pub(crate) fn text(&self) -> String {
        self.line.text.trim().to_string()
    }

    /// What the comments above say, by the name of what they describe: `# name what it says`.
    pub(crate) fn descriptions(&self) -> HashMap<&str, &str> {
        // The first comment for a name counts.
        self.line.comments.iter().rev().filter_map(|comment| comment.split_once(' ')).collect()
    }

    pub(crate) fn locate(&self, source: &Source, problem: Problem) -> ParseError {
        locate(&self.line, source, problem)
    }
}

/// Gives a problem its place: the word that it names, or the start of the instruction.
fn locate(line: &LogicalLine, source: &Source, problem: Problem) -> ParseError {
    let word = problem.word.as_deref().filter(|word| !word.is_empty());
    let offset = word.and_then(|word| line.text.find(word)).map(|at| line.source_offset(at));
    source.error(offset.unwrap_or(line.span.start), problem.message, problem.suggestion)
}

/// A trigger takes here-documents if its own instruction does and is not in exec form.
fn takes_heredocs_in(trigger: Option<&String>, escape: char) -> bool {
    let Some(trigger) = trigger else { return false };
    let head = Head::split(trigger, escape);
    let name = head.keyword.to_ascii_uppercase();
    let exec_form = || matches!(words::json_strings(head.rest), Ok(Some(_)));
    TAKES_HEREDOCS.contains(&name.as_str()) && !exec_form()
}

/// A line cut into name, flags and the rest.
struct Head<'a> {
    keyword: &'a str,
    flags: Vec<String>,
    rest: &'a str,
    escape: char,
}

impl<'a> Head<'a> {
    fn split(line: &'a str, escape: char) -> Self {
        let line = line.trim();
        let (keyword, rest) = line.split_once(is_blank).unwrap_or((line, ""));
        let (flags, rest) = split_flags(rest, escape);
        Self { keyword, flags, rest: rest.trim(), escape }
    }

    fn with_arguments(self) -> Result<(String, Vec<String>, Arguments), Problem> {
        let (rest, escape) = (self.rest, self.escape);
        let arguments = match self.keyword.to_ascii_uppercase().as_str() {
            "ENV" => Arguments::Pairs(key_value::parse_pairs(rest, "ENV", escape)?),
            "LABEL" => Arguments::Pairs(key_value::parse_pairs(rest, "LABEL", escape)?),
            "ARG" => Arguments::Words(words::quoted(rest, escape)),
            "EXPOSE" | "FROM" => Arguments::Words(words::blank_separated(rest)),
            "ADD" | "COPY" | "VOLUME" => match words::json_strings(rest)? {
                Some(strings) => Arguments::Json(strings),
                None => Arguments::Words(words::blank_separated(rest)),
            },
            "CMD" | "ENTRYPOINT" | "RUN" | "SHELL" => json_or_text(rest)?,
            "HEALTHCHECK" => type_and_command(rest)?,
            "ONBUILD" => {
                check_trigger(rest, escape)?;
                text(rest)
            }
            // Also an instruction that does not exist, which is noticed when it is typed.
            _ => text(rest),
        };
        Ok((self.keyword.to_string(), self.flags, arguments))
    }
}

/// The form of a trigger's line must be right when it is recorded; what it says is not looked at.
fn check_trigger(trigger: &str, escape: char) -> Result<(), Problem> {
    let head = Head::split(trigger, escape);
    if head.keyword.eq_ignore_ascii_case("ONBUILD") {
        return Ok(());
    }
    head.with_arguments().map(|_| ())
}

/// The whole rest as one argument; none where there is nothing.
fn text(rest: &str) -> Arguments {
    Arguments::Words(if rest.is_empty() { Vec::new() } else { vec![rest.to_string()] })
}

fn json_or_text(rest: &str) -> Result<Arguments, Problem> {
    Ok(words::json_strings(rest)?.map_or_else(|| text(rest), Arguments::Json))
}

/// `HEALTHCHECK`: its type, then a command in one of the two forms.
fn type_and_command(rest: &str) -> Result<Arguments, Problem> {
    if rest.is_empty() {
        return Ok(Arguments::Words(Vec::new()));
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim_start();
    let kind = std::iter::once(kind.to_string());
    Ok(match words::json_strings(command)? {
        Some(strings) => Arguments::Json(kind.chain(strings).collect()),
        None if command.is_empty() => Arguments::Words(kind.collect()),
        None => Arguments::Words(kind.chain([command.to_string()]).collect()),
    })
}
