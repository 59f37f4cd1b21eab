//! GitHub's expression language: what stands in `${{ … }}`.
//!
//! [`parse`] makes a tree, [`evaluate`] a value. Both are pure: what an expression sees comes from a [`Scope`].

mod ast;
mod evaluate;
mod lexer;
mod parser;
mod value;

pub use ast::{Expr, ExprKind, Function, Operator};
pub use evaluate::{Scope, Status, evaluate};
pub use parser::parse;
pub use value::{loosely_equal, member, number, text, truthy};

#[cfg(test)]
mod tests;
