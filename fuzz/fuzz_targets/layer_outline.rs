//! Any bytes as an outline, plain and as a layer's: no panic, and what is read reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_layer::Outline;

fuzz_target!(|bytes: &[u8]| {
    let read = Outline::decode(bytes).ok().into_iter();
    let of_layer = Outline::of_layer(bytes, None).ok().and_then(|(outline, _)| outline);
    for outline in read.chain(of_layer) {
        let bytes = outline.encode().expect("zstd takes everything");
        assert_eq!(Outline::decode(&bytes).expect("it was just written"), outline);
    }
});
