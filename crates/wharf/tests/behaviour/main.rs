//! What wharf does, seen from outside: the built binary in a world of its own.
//!
//! One test program, so that it is linked once. Tests that need something the machine lacks print
//! `skipped: …` and why; `cargo xtask test` installs what can be installed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bad_input;
mod build;
mod builders;
mod cache;
mod command_line;
mod container;
mod deploying;
mod docker;
mod docker_buildx;
mod docker_containers;
mod fidelity;
mod finding;
mod foreign;
mod git_server;
mod kubernetes;
mod lint;
mod meta;
mod outputs;
mod publishing;
mod recopy;
mod registries;
mod releases;
mod scan;
mod ship;
mod signing;
mod storage;
mod targets;
mod web;
mod workflow;
mod world;
