//! Configs from elsewhere: no text makes the rewriter panic, and what it writes it finds right afterwards.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wharf_deploy::{Target, rewrite};

fuzz_target!(|text: &str| {
    let digest = format!("sha256:{}", "a".repeat(64));
    let (Ok(name), Ok(digest)) = ("org/churn".parse(), digest.parse()) else { return };
    let target =
        Target { names: vec![name], tag: "1.4.2".into(), digest, env: "prod".into(), paths: vec!["a.0.b".into()] };
    for path in ["a.yaml", "a.json", "Dockerfile", "a.tf"] {
        if let Ok(found) = rewrite(Path::new(path), text, &target) {
            let again = rewrite(Path::new(path), &found.text, &target);
            assert!(again.is_ok_and(|again| !again.changes()), "{path}");
        }
    }
});
