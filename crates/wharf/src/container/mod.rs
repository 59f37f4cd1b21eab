//! Images as running processes: what `wharf run` and the smoke test share.

pub(crate) mod forward;
pub(crate) mod launch;
pub(crate) mod output;
pub(crate) mod root;
pub(crate) mod state;
pub(crate) mod supervise;
