//! Somebody who looks at layers while a build writes and unpacks them.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};

use wharf_build::{Keep, Witness};
use wharf_oci::{Digest, digest};

use crate::fixture::{Host, build};
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("witness::layers_of_the_image_are_seen_as_they_are", layers_of_the_image_are_seen_as_they_are),
    ("witness::who_looks_badly_fails_no_build", who_looks_badly_fails_no_build),
];

const DOCKERFILE: &str = "FROM busybox AS builder\nRUN echo x > /x\n\
    FROM busybox\nCOPY --from=builder /x /x\nRUN echo y > /y\nWORKDIR /deep/er\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    ToTheEnd,
    Leaves,
    Panics,
}

#[derive(Debug)]
struct Looking {
    manner: Manner,
    /// By the blob: the digest of the tar stream that was seen.
    seen: Arc<Mutex<BTreeMap<String, Digest>>>,
}

impl Witness for Looking {
    fn knows(&self, blob: &Digest) -> bool {
        self.seen.lock().unwrap().contains_key(blob.as_ref())
    }

    fn look(&self, layer: &mut (dyn Read + Send)) -> Option<Keep> {
        match self.manner {
            Manner::ToTheEnd => {}
            Manner::Leaves => return None,
            Manner::Panics => panic!("a witness that cannot look"),
        }
        let mut stream = Vec::new();
        layer.read_to_end(&mut stream).ok()?;
        let seen = Arc::clone(&self.seen);
        Some(Box::new(move |blob| {
            seen.lock().unwrap().insert(blob.to_string(), digest::sha256(&stream));
        }))
    }

    fn recognise(&self, blob: &Digest, converted: &Digest) {
        let mut seen = self.seen.lock().unwrap();
        let known = seen.get(blob.as_ref()).cloned();
        seen.extend(known.map(|known| (converted.to_string(), known)));
    }
}

fn layers_of_the_image_are_seen_as_they_are(host: &Host) {
    let fixture = host.fixture();
    let seen = Arc::<Mutex<BTreeMap<String, Digest>>>::default();
    let witness = Looking { manner: Manner::ToTheEnd, seen: Arc::clone(&seen) };
    let engine = host.engine(&fixture.data()).watched_by(Arc::new(witness));
    let result = build(&engine, &fixture.request(DOCKERFILE)).ok();
    let layers = result.images[0].layers.iter();
    let expected: BTreeMap<String, Digest> =
        layers.map(|layer| (layer.blob.digest.to_string(), layer.diff_id.clone())).collect();
    assert_eq!(*seen.lock().unwrap(), expected, "all that is published, and nothing of the builder's stage");
}

fn who_looks_badly_fails_no_build(host: &Host) {
    for manner in [Manner::Leaves, Manner::Panics] {
        let fixture = host.fixture();
        let witness = Looking { manner, seen: Arc::default() };
        let engine = host.engine(&fixture.data()).watched_by(Arc::new(witness));
        let result = build(&engine, &fixture.request(DOCKERFILE)).ok();
        assert_eq!(fixture.files(&result)["/y"], "f 644 0:0 y", "{manner:?}");
    }
}
