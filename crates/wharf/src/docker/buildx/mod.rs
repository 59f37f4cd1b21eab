//! `docker buildx` beyond `build`: bake files, builders, and manifests in registries.

pub(crate) mod bake;
pub(crate) mod builders;
pub(crate) mod imagetools;
