//! Whitespace control: `~` removes all white space on its side, and a block tag, comment or partial alone on
//! its line takes the line with it.

use super::syntax::{Block, Content, Program, Statement, Strip};
use crate::javascript::is_space;

/// Applies whitespace control to a whole template.
pub(super) fn strip(program: &mut Program) {
    strip_program(program, true);
}

/// What a statement asks of its neighbours.
#[derive(Default)]
struct Request {
    tilde: Strip,
    /// The opening tag would stand alone if only white space precedes it.
    open_standalone: bool,
    /// The closing tag would stand alone if only white space follows it.
    close_standalone: bool,
    /// The whole statement is one tag that may stand alone.
    inline_standalone: bool,
}

fn strip_program(program: &mut Program, root: bool) {
    for at in 0..program.body.len() {
        let request = match &mut program.body[at] {
            Statement::Content(_) => continue,
            Statement::Mustache(mustache) => Request { tilde: mustache.strip, ..Request::default() },
            Statement::Decorator(strip) => Request { tilde: *strip, ..Request::default() },
            Statement::Comment(strip) => {
                Request { tilde: *strip, inline_standalone: true, ..Request::default() }
            }
            Statement::Partial(partial) => match &mut partial.fallback {
                None => Request { tilde: partial.strip, inline_standalone: true, ..Request::default() },
                Some(fallback) => {
                    strip_program(fallback, false);
                    let (open, close) = (partial.strip, partial.close_strip);
                    strip_branches(
                        &mut Branches { first: fallback, inverse: None },
                        open,
                        Strip::default(),
                        close,
                    )
                }
            },
            Statement::Block(block) => strip_block(block),
        };
        apply(&mut program.body, at, root, &request);
    }
}

fn apply(body: &mut [Statement], at: usize, root: bool, request: &Request) {
    let before = ends_line(body, at, root);
    let after = starts_line(body, at + 1, root);
    if request.tilde.close {
        omit_right(body.get_mut(at + 1), true);
    }
    if request.tilde.open {
        omit_left(at.checked_sub(1).and_then(|i| body.get_mut(i)), true);
    }
    if request.inline_standalone && before && after {
        omit_right(body.get_mut(at + 1), false);
        omit_left(at.checked_sub(1).and_then(|i| body.get_mut(i)), false);
    }
    if request.open_standalone && before {
        if let Some((first, _)) = branches(&mut body[at]) {
            omit_right(first.body.first_mut(), false);
        }
        omit_left(at.checked_sub(1).and_then(|i| body.get_mut(i)), false);
    }
    if request.close_standalone && after {
        omit_right(body.get_mut(at + 1), false);
        if let Some((first, inverse)) = branches(&mut body[at]) {
            omit_left(inverse.unwrap_or(first).body.last_mut(), false);
        }
    }
}

/// The programs of a statement: the one it begins with, and the one it ends with if that is another.
fn branches(statement: &mut Statement) -> Option<(&mut Program, Option<&mut Program>)> {
    match statement {
        Statement::Block(block) => match (&mut block.program, &mut block.inverse) {
            (Some(program), inverse) => Some((program, inverse.as_mut())),
            (None, Some(inverse)) => Some((inverse, None)),
            (None, None) => None,
        },
        Statement::Partial(partial) => partial.fallback.as_mut().map(|fallback| (fallback, None)),
        _ => None,
    }
}

fn strip_block(block: &mut Block) -> Request {
    for program in [&mut block.program, &mut block.inverse].into_iter().flatten() {
        strip_program(program, false);
    }
    let (open, middle, close) = (block.open_strip, block.inverse_strip, block.close_strip);
    match (&mut block.program, &mut block.inverse) {
        (Some(first), inverse) => {
            strip_branches(&mut Branches { first, inverse: inverse.as_mut() }, open, middle, close)
        }
        (None, Some(first)) => strip_branches(&mut Branches { first, inverse: None }, open, middle, close),
        (None, None) => Request::default(),
    }
}

struct Branches<'a> {
    first: &'a mut Program,
    inverse: Option<&'a mut Program>,
}

/// Applies what the tags of a block ask of its inside, and gives what they ask of its outside.
fn strip_branches(branches: &mut Branches<'_>, open: Strip, middle: Strip, close: Strip) -> Request {
    let first = &mut *branches.first;
    let request = Request {
        tilde: Strip { open: open.open, close: close.close },
        open_standalone: starts_line(&first.body, 0, false),
        close_standalone: match &mut branches.inverse {
            Some(inverse) => ends_last_line(behind_else(inverse)),
            None => ends_last_line(first),
        },
        inline_standalone: false,
    };
    if open.close {
        omit_right(first.body.first_mut(), true);
    }
    let Some(inverse) = &mut branches.inverse else {
        if close.open {
            omit_left(first.body.last_mut(), true);
        }
        return request;
    };
    if middle.open {
        omit_left(first.body.last_mut(), true);
    }
    let next = behind_else(inverse);
    if middle.close {
        omit_right(next.body.first_mut(), true);
    }
    if close.open {
        omit_left(next.body.last_mut(), true);
    }
    if ends_last_line(first) && starts_line(&next.body, 0, false) {
        omit_left(first.body.last_mut(), false);
        omit_right(next.body.first_mut(), false);
    }
    request
}

/// The program right behind the first `else` or `else if`.
fn behind_else(inverse: &mut Program) -> &mut Program {
    if !inverse.chained {
        return inverse;
    }
    match inverse.body.first_mut() {
        Some(Statement::Block(block)) => block.program.get_or_insert_default(),
        _ => unreachable!("the parser makes a chained inverse of one block"),
    }
}

/// Whether only white space stands between the start of the line and the statement at `at`.
fn ends_line(body: &[Statement], at: usize, root: bool) -> bool {
    let Some(previous) = at.checked_sub(1) else { return root };
    let Statement::Content(Content { original, .. }) = &body[previous] else { return false };
    let tail = &original[original.trim_end_matches(is_space).len()..];
    tail.contains('\n') || (root && previous == 0 && tail.len() == original.len())
}

/// Whether only white space stands between the start of the last line and the end of the program.
fn ends_last_line(program: &Program) -> bool {
    ends_line(&program.body, program.body.len(), false)
}

/// Whether only white space stands between the statement before `at` and the end of the line.
fn starts_line(body: &[Statement], at: usize, root: bool) -> bool {
    let Some(next) = body.get(at) else { return root };
    let Statement::Content(Content { original, .. }) = next else { return false };
    let head = &original[..original.len() - original.trim_start_matches(is_space).len()];
    head.contains('\n') || (root && at + 1 == body.len() && head.len() == original.len())
}

/// Removes white space at the start of a text: all of it, or the rest of one line.
fn omit_right(statement: Option<&mut Statement>, all: bool) {
    let Some(Statement::Content(content)) = statement else { return };
    if !all && content.right_stripped {
        return;
    }
    let kept = if all {
        content.value.trim_start_matches(is_space)
    } else {
        let line = content.value.trim_start_matches([' ', '\t']);
        let line = line.strip_prefix('\r').unwrap_or(line);
        line.strip_prefix('\n').unwrap_or(line)
    };
    content.right_stripped = kept.len() != content.value.len();
    content.value = kept.to_owned();
}

/// Removes white space at the end of a text: all of it, or what indents the last line.
fn omit_left(statement: Option<&mut Statement>, all: bool) {
    let Some(Statement::Content(content)) = statement else { return };
    if !all && content.left_stripped {
        return;
    }
    let kept = if all {
        content.value.trim_end_matches(is_space)
    } else {
        content.value.trim_end_matches([' ', '\t'])
    };
    content.left_stripped = kept.len() != content.value.len();
    content.value = kept.to_owned();
}
