//! Brings what was built to the registries that the flags name.

use wharf_build::BuildResult;
use wharf_oci::Reference;

use super::Push;
use crate::commands::registry_failure;
use crate::exit::Failure;
use crate::local;
use crate::output::transfer::Transfers;
use crate::world::World;

/// Pushes each image under each of its names.
pub(crate) fn push_all(world: &World, pushes: &[Push], result: &BuildResult) -> Result<(), Failure> {
    for push in pushes {
        let image = match push.output {
            Some(place) => &result.outputs[place],
            None => &result.image,
        };
        for name in &push.names {
            let transfers = Transfers::new(&world.progress, format!("pushing {name}"));
            let news = |event| transfers.tell(event);
            let tags = match push.by_digest {
                true => Vec::new(),
                false => vec![name.tag_or_latest().unwrap_or("latest").to_owned()],
            };
            let pushed = wharf_registry::push(&world.store, image, &world.client, name, &tags, &news);
            world.runtime.block_on(pushed).map_err(registry_failure)?;
            transfers.done();
        }
    }
    tell_what_is_not_here(world, pushes, result)
}

/// An image that is only pushed may have layers that never came here.
fn tell_what_is_not_here(world: &World, pushes: &[Push], result: &BuildResult) -> Result<(), Failure> {
    let is_here = |name: &&Reference| {
        let known = world.store.resolve(&local::key(name)).ok().flatten();
        known.is_some_and(|known| known.digest == result.image.digest)
    };
    let tagged = pushes.iter().filter(|push| !push.by_digest).flat_map(|push| &push.names);
    if let Some(name) = tagged.clone().find(|name| !is_here(name)) {
        world.progress.note(&format!(
            "{name} is at the registry, and not all of its layers are here, as no step needed them; \
             `wharf pull {name}` brings it, and `--load` keeps it next time"
        ));
    }
    Ok(())
}
