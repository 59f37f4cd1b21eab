//! The client against registries: wharf's own, Debian's, and one that fails on command.

mod faults;
mod support;
mod transfer;
