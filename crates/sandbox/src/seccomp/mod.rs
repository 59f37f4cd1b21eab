//! The system call filter: docker's default profile, as a small program for the kernel.
//!
//! [`profile`] says which calls are refused and why; [`compile`] turns sorted ranges of numbers into a
//! binary search, so that loading the filter and passing a call through it cost little. The kernel runs
//! the whole program for every call number when it is loaded, which makes a linear list of three
//! hundred comparisons a large part of the time that a sandbox takes to start.

mod compile;
mod profile;

use std::sync::OnceLock;

pub(crate) use compile::Instruction;

/// The filter for a process with docker's default capabilities.
pub(crate) fn default_filter() -> &'static [Instruction] {
    static FILTER: OnceLock<Vec<Instruction>> = OnceLock::new();
    FILTER.get_or_init(|| compile::compile(&profile::architectures(crate::capability::DEFAULT)))
}
