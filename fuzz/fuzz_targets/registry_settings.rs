//! How a registry is reached, as anybody may have written it: a location, a mirror, certificates, proxies, a repository.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_registry::{Client, HostTls, Settings};

fuzz_target!(|input: (&str, &str, &str, &[u8], &[u8], &str)| {
    let (host, location, mirror, certificate, key, proxy) = input;
    let mut settings = Settings::default();
    settings.locations.insert(host.into(), location.into());
    settings.mirrors.insert(host.into(), vec![mirror.into()]);
    settings.proxies.none_for = proxy.into();
    let identity = Some((certificate.to_vec(), key.to_vec().into()));
    settings.tls.insert(host.into(), HostTls { authorities: vec![certificate.to_vec()], identity });
    let Ok(client) = Client::new(settings) else { return };
    if let Ok(reference) = format!("{host}/a/b").parse() {
        let _ = client.mirrored(&reference);
    }
});
