//! The names that a template asks of its context.

use super::render::HELPERS;
use super::syntax::{Block, CallExpression, Expression, Program, Statement};

/// Names that `program` looks up in the context it is given. Blocks that enter another context are left out.
pub(super) fn names(program: &Program) -> Vec<String> {
    let mut names = Vec::new();
    in_program(program, &mut names);
    names
}

fn in_program(program: &Program, names: &mut Vec<String>) {
    for statement in &program.body {
        match statement {
            Statement::Mustache(mustache) => in_call(&mustache.call, names),
            Statement::Block(block) => in_block(block, names),
            Statement::Partial(partial) => in_arguments(&partial.call, names),
            Statement::Content(_) | Statement::Comment(_) | Statement::Decorator(_) => {}
        }
    }
}

fn in_block(block: &Block, names: &mut Vec<String>) {
    in_call(&block.call, names);
    let stays = matches!(&block.call.callee, Expression::Path(path) if matches!(path.original.as_str(), "if" | "unless"));
    if stays {
        block.program.iter().chain(&block.inverse).for_each(|program| in_program(program, names));
    }
}

fn in_call(call: &CallExpression, names: &mut Vec<String>) {
    in_expression(&Expression::Path(call.callee.to_path()), names);
    in_arguments(call, names);
}

fn in_arguments(call: &CallExpression, names: &mut Vec<String>) {
    let named = call.hash.iter().map(|(_, value)| value);
    call.params.iter().chain(named).for_each(|value| in_expression(value, names));
}

fn in_expression(expression: &Expression, names: &mut Vec<String>) {
    match expression {
        Expression::Path(path) if !path.data && path.depth == 0 => {
            names.extend(path.parts.first().filter(|name| !HELPERS.contains(&name.as_str())).cloned());
        }
        Expression::Call(call) => in_call(call, names),
        _ => {}
    }
}
