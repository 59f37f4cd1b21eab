//! Somebody who looks at the layers of an image while they are written or unpacked, so that they need not be read
//! again for it. Looking never makes the work fail, and hardly ever makes it wait: whoever is too slow sees no more.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use wharf_layer::Shown;
use wharf_oci::Digest;

use crate::bases::Bases;
use crate::error::StepError;
use crate::plan::{Base, Plan};

/// How long a layer's work waits for whoever looks, all in all while it goes on and once more at its end. Whoever is slower has
/// an unusual layer before them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at layers as they pass.
pub trait Witness: std::fmt::Debug + Send + Sync {
    /// Whether the layer with this blob was looked at before.
    fn knows(&self, blob: &Digest) -> bool;

    /// Reads a layer's tar stream, and gives what is to be done once the layer has proved whole and its blob is known.
    /// A stream that breaks is no layer.
    fn look(&self, layer: &mut (dyn Read + Send)) -> Option<Keep>;

    /// Hears that a layer has another blob: the same files, compressed otherwise or with other times.
    fn recognise(&self, blob: &Digest, converted: &Digest);
}

/// Keeps what was learnt about a layer under the digest of its blob.
pub type Keep = Box<dyn FnOnce(&Digest)>;

/// Does `work` with the stream it writes or reads shown to the witness, if there is one. What that learnt is kept when the work
/// has succeeded, under the digest that came of it.
pub(crate) fn shown<T, E>(
    witness: Option<&Arc<dyn Witness>>,
    work: impl FnOnce(Option<Shown>) -> Result<T, E>,
    digest: impl FnOnce(&T) -> Digest,
) -> Result<T, E> {
    let Some(witness) = witness.cloned() else { return work(None) };
    let (shown, mut watched) = wharf_layer::watch(PATIENCE);
    let (proven, proof) = channel();
    let (end, ended) = channel::<()>();
    let look = move || {
        let _end = end;
        if let Some(keep) = witness.look(&mut watched)
            && let Ok(digest) = proof.recv()
        {
            keep(&digest);
        }
    };
    if thread::Builder::new().name("witness".into()).spawn(look).is_err() {
        return work(None);
    }
    let done = work(Some(shown))?;
    // Where nobody is left to hear of it, nothing is kept.
    let _ = proven.send(digest(&done));
    let _ = ended.recv_timeout(PATIENCE);
    Ok(done)
}

/// The blobs of the images that the targets of `plans` start from: of all that is unpacked, what becomes part of the result.
pub(crate) fn published_bases(plans: &[Plan], bases: &Bases<'_>) -> Result<HashSet<Digest>, StepError> {
    let mut blobs = HashSet::new();
    for plan in plans {
        let mut base = &plan.stages[plan.target.0].base;
        while let Base::Stage(stage) = base {
            base = &plan.stages[stage.0].base;
        }
        if let Base::Image(image) = base {
            for layer in bases.chain(image)?.layers {
                blobs.insert(layer.record()?.blob.digest.clone());
            }
        }
    }
    Ok(blobs)
}
