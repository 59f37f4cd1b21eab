//! Images as running processes: what `wharf run`, the `docker` name and the smoke test share.
//!
//! A container is a directory ([`state`]) and, while it runs, a supervisor: a small process of this same
//! binary that owns the sandbox, the log, the ports and the health checks, and answers on a socket in the
//! directory ([`wire`]). Everybody else reads the directory or asks the supervisor; there is no daemon.

pub(crate) mod attach;
pub(crate) mod create;
pub(crate) mod exec;
pub(crate) mod forward;
pub(crate) mod health;
pub(crate) mod launch;
pub(crate) mod log;
pub(crate) mod name;
pub(crate) mod nat;
pub(crate) mod output;
pub(crate) mod record;
pub(crate) mod root;
pub(crate) mod serve;
pub(crate) mod signal;
pub(crate) mod sinks;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod stop;
pub(crate) mod supervise;
pub(crate) mod volume;
pub(crate) mod wire;
