//! Images from anywhere to anywhere: what `wharf copy`, `wharf save` and `wharf load` are made of.

pub(crate) mod packed;
pub(crate) mod place;
pub(crate) mod source;
pub(crate) mod target;
