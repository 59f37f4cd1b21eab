//! What a pickle would do when loaded, found out without loading it.
//!
//! A pickle is a program for a small stack machine (`pickletools` documents its opcodes). [`machine`] runs the
//! program over symbols: a global is its name, a call is a record of who was called with what. Nothing is
//! imported and nothing executed, so operands that are taken from the memo, duplicated or computed are followed
//! as exactly as a loader would. [`policy`] says of every name whether a model has any business using it: what
//! is not known to be harmless is reported. [`stream`] finds the pickles of a file.

mod calls;
mod decode;
mod handed;
mod joblib;
mod machine;
mod policy;
mod stream;
mod value;

pub(crate) use policy::{Allowed, Judgement, Special, judge};
pub(crate) use stream::{looks_like_pickle, scan, search};
