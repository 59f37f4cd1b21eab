//! Any bytes as the package databases of distributions and languages: no panic, no hang.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_scan::Options;

const PLACES: [&str; 9] = [
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "opt/conda/conda-meta/a.json",
    "opt/a.cdx.json",
    "app/a.deps.json",
    "usr/lib/python3/dist-packages/a-1.dist-info/METADATA",
];

fuzz_target!(|data: (u8, Vec<u8>)| {
    let (which, content) = data;
    let place = PLACES[usize::from(which) % PLACES.len()];
    let _ = wharf_scan::bytes(place, content, &Options::default());
});
