//! Any bytes as advisories (records, archives of them, the compact file), and any version to be judged by them: no panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_scan::{Database, Inventory, Options, Package, rematch};

const NAMES: [&str; 6] = ["a.json", "a.yaml", "a.md", "a.zip", "a.tar", "a.wvdb"];

fuzz_target!(|data: (u8, String, Vec<u8>)| {
    let (which, version, mut content) = data;
    let name = NAMES[usize::from(which) % NAMES.len()];
    if name == "a.wvdb" {
        content.splice(..0, *b"WVDB0001");
    }
    let Ok(directory) = tempfile::tempdir() else { return };
    let path = directory.path().join(name);
    if std::fs::write(&path, content).is_err() {
        return;
    }
    let Ok(database) = Database::open(&path) else { return };
    // The package that the seeds speak of, in every ecosystem that the records name.
    let packages = database.ecosystems().keys().map(|ecosystem| Package {
        ecosystem: ecosystem.clone(),
        name: "a".into(),
        version: version.clone(),
        source: None,
        purl: String::new(),
        path: String::new(),
        layer: None,
        licences: Vec::new(),
    });
    let inventory = Inventory { packages: packages.collect(), ..Inventory::default() };
    rematch("a", "sha256:00", inventory, &Options::default(), &database);
    let _ = database.write(&directory.path().join("b.wvdb"));
});
