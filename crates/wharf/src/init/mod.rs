//! `wharf init`: what a model project needs to be shipped, from what is found in it.

mod ci;
mod detect;
mod files;

pub(crate) use ci::Ci;
pub(crate) use detect::{Found, Framework, detect};
pub(crate) use files::files;
