//! Any bytes under any model's name: no panic, no hang, bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_scan::{Checks, Options};

const NAMES: [&str; 14] = [
    "m.pt", "m.npz", "m.npy", "m.keras", "m.h5", "m.onnx", "saved_model.pb", "m.gguf", "m.safetensors", "m.skops", "m.yaml",
    "tokenizer_config.json", "m.tflite", "m",
];

fuzz_target!(|data: &[u8]| {
    if let [which, content @ ..] = data {
        let name = NAMES[usize::from(*which) % NAMES.len()];
        let options = Options { checks: Checks { models: true, ..Checks::NONE }, ..Options::default() };
        wharf_scan::bytes(name, content.to_vec(), &options);
    }
});
