//! Docker's verbs for the machine, its volumes and its networks.

pub(crate) mod df;
pub(crate) mod info;
pub(crate) mod network;
pub(crate) mod prune;
pub(crate) mod version;
pub(crate) mod volume;
