//! The layers of an image as directories, for whoever needs its files.

use std::path::PathBuf;

use crate::exit::Failure;
use crate::world::World;
use crate::{building, local};

/// Unpacks what is not unpacked yet; the directories, the base first.
pub(crate) fn unpack(world: &World, image: &local::Image) -> Result<Vec<PathBuf>, Failure> {
    let engine = building::engine(world)?;
    let _ = (engine, image);
    Err(Failure::usage("soon"))
}
