//! Plans and executes a Dockerfile.

pub mod plan;
