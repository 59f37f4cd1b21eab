//! A request of any kind to the embedded registry: the answer is a good one, or the fault is the sender's.

#![no_main]

use axum::body::Body;
use libfuzzer_sys::fuzz_target;
use wharf_depot::{Depot, Options};

struct Stage {
    runtime: tokio::runtime::Runtime,
    depot: Depot,
    _data: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let depot = Depot::open(data.path(), Options::default()).expect("an empty depot");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, depot, _data: data }
    }
}

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|input: (&str, &str, &str, &str, &[u8])| {
    let (method, path, header, value, body) = input;
    let request = http::Request::builder().method(method).uri(format!("/v2/{path}")).header(header, value);
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    STAGE.with(|stage| {
        let answer = stage.runtime.block_on(stage.depot.handle(request));
        assert!(!answer.status().is_server_error());
    });
});
