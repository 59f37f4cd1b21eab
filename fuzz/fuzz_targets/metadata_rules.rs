//! Any rules over any ref give tags that registries take, or an error.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use wharf_metadata::{Clock, Event, Fact, Rules, Snapshot, resolve};

fuzz_target!(|input: (&str, &str, &str, Vec<String>, &str, &str)| {
    let (reference, event, flavor, tags, label, image) = input;
    let fact = |value: &str| Some(Fact { value: value.into(), origin: "fuzzer".into() });
    let commit = "e1098f9803926e73d31ef3a7bb37aaf7e614b26e";
    let event = Event {
        system: "fuzzer",
        name: fact(event),
        reference: fact(reference),
        commit: fact(commit),
        ..Event::default()
    };
    let clock = Clock { now: Timestamp::UNIX_EPOCH, source_date_epoch: None };
    let snapshot = Snapshot { git: None, event: Some(event), model: None, clock };
    let rules = Rules {
        images: vec![image.into()],
        tags,
        flavor: vec![flavor.into()],
        labels: vec![label.into()],
        annotations: Vec::new(),
    };
    if let Ok(metadata) = resolve(&snapshot, &rules) {
        assert!(metadata.tags.iter().all(|tag| wharf_oci::is_valid_tag(&tag.name)));
    }
});
