//! Layers that travel while the build, the smoke test and the scan still go on. Nothing names them: that is for the
//! gates to allow, and what a red gate leaves behind the registry's garbage collection takes away.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;
use wharf_oci::{Descriptor, Digest, MediaType, Reference};
use wharf_registry::Outcome;

use super::plan::Plan;
use crate::local;
use crate::world::World;

/// The uploads under way.
pub(crate) struct Early<'a> {
    world: &'a World,
    targets: Vec<Reference>,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    sent: HashSet<Digest>,
    uploads: Vec<JoinHandle<Sent>>,
}

/// What went where.
struct Sent {
    target: String,
    bytes: u64,
}

impl<'a> Early<'a> {
    /// Nothing yet; to all targets of the plan, or to none where it wants nothing to go early.
    pub(crate) fn new(world: &'a World, plan: &Plan) -> Self {
        let targets = plan.push.iter().filter(|_| plan.push_early).map(|target| target.repository.clone());
        Self { world, targets: targets.collect(), under_way: Mutex::default() }
    }

    /// Starts to send a layer that is in the store.
    pub(crate) fn send(&self, digest: &Digest, size: u64) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if !under_way.sent.insert(digest.clone()) {
            return;
        }
        for target in &self.targets {
            let (store, client, target) =
                (self.world.store.clone(), self.world.client.clone(), target.clone());
            let blob = Descriptor::new(MediaType::ImageLayer, digest.clone(), size);
            under_way.uploads.push(self.world.runtime.spawn(async move {
                let outcome = wharf_registry::push_blob(&store, &blob, &client, &target, &|_| {}).await;
                // What fails here is sent again when the image is pushed, and fails there with its reason.
                let bytes = if matches!(outcome, Ok(Outcome::Transferred)) { blob.size } else { 0 };
                Sent { target: target.to_string(), bytes }
            }));
        }
    }

    /// Starts to send the layers of the finished image that are not on their way yet.
    pub(crate) fn send_all(&self, image: &local::Image) {
        image.manifest.layers.iter().for_each(|layer| self.send(&layer.digest, layer.size));
    }

    /// Waits for what is under way; gives the bytes that went to each target.
    pub(crate) fn finish(self) -> HashMap<String, u64> {
        let uploads = self.take();
        let mut bytes = HashMap::new();
        for sent in self.world.runtime.block_on(futures_util::future::join_all(uploads)).into_iter().flatten()
        {
            *bytes.entry(sent.target).or_default() += sent.bytes;
        }
        bytes
    }

    fn take(&self) -> Vec<JoinHandle<Sent>> {
        std::mem::take(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner).uploads)
    }
}

/// A gate said no: what is under way stops.
impl Drop for Early<'_> {
    fn drop(&mut self) {
        self.take().iter().for_each(JoinHandle::abort);
    }
}
