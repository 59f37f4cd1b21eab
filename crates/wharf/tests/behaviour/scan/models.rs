//! Model files, each judged by the exit code that a gate sees.

use std::fs;

use serde_json::Value;

use crate::world::World;

/// The exit code of a scan of one file, and the worst severity that it told.
fn judged(world: &World, name: &str, content: &[u8]) -> (i32, String) {
    fs::write(world.path(&format!("project/{name}")), content).unwrap();
    let ran = world.wharf(&["scan", name, "--only", "pickle", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let findings = report["findings"].as_array().unwrap();
    let severities = findings.iter().map(|finding| finding["severity"].as_str().unwrap());
    let order = ["critical", "high", "medium", "low", "info"];
    let worst = order.iter().find(|severity| severities.clone().any(|said| said == **severity));
    (ran.code, worst.map_or_else(String::new, |worst| (*worst).to_owned()))
}

/// What Keras saves, or a reader would take for it: a zip archive with a configuration.
fn keras(layer: &str) -> Vec<u8> {
    let config = format!(
        r#"{{"module":"keras","class_name":"Sequential","config":{{"layers":[{{"module":"keras.layers","class_name":"{layer}","config":{{}}}}]}}}}"#
    );
    // The local header alone: no directory, no checksum, nothing compressed.
    let length = (config.len() as u32).to_le_bytes();
    let header =
        [b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(), &length, &length, b"\x0b\0\0\0"].concat();
    [header.as_slice(), b"config.json", config.as_bytes()].concat()
}

/// How Keras pickles a model: `_unpickle_model(BytesIO(archive))`, a method of its class.
fn pickled(archive: &[u8]) -> Vec<u8> {
    let method = b"cbuiltins\ngetattr\n(ckeras.src.models.sequential\nSequential\n\x8c\x0f_unpickle_modeltR";
    let length = (archive.len() as u32).to_le_bytes();
    let file = [b"c_io\nBytesIO\n)\x81(B".as_slice(), &length, archive, b"K\0Ntb"].concat();
    [b"\x80\x04".as_slice(), method, &file, b"\x85R."].concat()
}

#[test]
fn a_pickled_keras_model_is_what_its_configuration_says() {
    let world = World::new();
    assert_eq!(judged(&world, "dense.pkl", &pickled(&keras("Dense"))), (0, String::new()));
    assert_eq!(judged(&world, "lambda.pkl", &pickled(&keras("Lambda"))), (1, "critical".into()));
    assert_eq!(judged(&world, "lambda.keras", &keras("Lambda")), (1, "critical".into()));
}

#[test]
fn a_cache_is_restored_and_not_made() {
    let world = World::new();
    let memory = b"\x80\x04cjoblib.memory\nMemory\n)\x81}(\x8c\x08location\x8c\x06/cacheub.";
    assert_eq!(judged(&world, "memory.pkl", memory), (0, String::new()));
    let made = b"\x80\x04cjoblib.memory\nMemory\n\x8c\x05cache\x85R.";
    assert_eq!(judged(&world, "made.pkl", made), (1, "high".into()));
}

#[test]
fn an_iterator_is_what_it_calls() {
    let world = World::new();
    let map = |function: &str| format!("cbuiltins\nmap\n({function}(lp0\nI1\natR.");
    assert_eq!(judged(&world, "map.pkl", map("cnumpy\nsqrt\n").as_bytes()), (0, String::new()));
    assert_eq!(judged(&world, "run.pkl", map("cos\nsystem\n").as_bytes()), (1, "critical".into()));
    // `max(…, key=…)` would call a method of a path, which no name in the file tells.
    let method = "cbuiltins\ngetattr\n(cpathlib\nPosixPath\n(S'x'\ntRS'unlink'\ntR";
    let key = format!(
        "cfunctools\npartial\n(cbuiltins\nmax\ntR(cbuiltins\nmax\n(t(dS'key'\n{method}sNtb((lp0\nI1\natR."
    );
    assert_eq!(judged(&world, "key.pkl", key.as_bytes()), (1, "critical".into()));
}
