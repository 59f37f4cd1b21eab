//! The client against registries: wharf's own, Debian's, and one that fails on command.

#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod clouds;
mod faults;
mod pulls;
mod support;
mod tls;
mod transfer;
