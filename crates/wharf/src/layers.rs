//! The layers of an image as directories, for whoever needs its files.

use std::path::PathBuf;

use wharf_build::Event;
use wharf_oci::digest;

use crate::exit::Failure;
use crate::world::World;
use crate::{building, local};

/// Unpacks what is not unpacked yet; the directories, the base first.
pub(crate) fn unpack(world: &World, image: &local::Image) -> Result<Vec<PathBuf>, Failure> {
    let engine = building::engine(world)?;
    let task = world.progress.task("unpack");
    let tell = |event| {
        if let Event::Unpacking { diff_id } = event {
            task.log(digest::short(&diff_id, 12));
        }
    };
    let places = engine.unpack(&image.manifest, &image.config, &tell).map_err(building::failed)?;
    task.done(&format!("{} layers", places.len()));
    Ok(places)
}
