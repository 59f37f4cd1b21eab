//! Docker's `config.json` of any text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_registry::DockerConfig;

fuzz_target!(|input: (&[u8], &str, &str)| {
    let (text, registry, repository) = input;
    let Ok(config) = DockerConfig::parse(text) else { return };
    let _ = config.helper(registry);
    if let Some(login) = config.login(registry, repository) {
        // A login shows who it is for, at the most.
        assert!(!format!("{login:?}").contains("SecretString"));
    }
});
