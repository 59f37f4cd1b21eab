//! Addresses of builders come from settings, the environment and the files of docker buildx: nothing may make their
//! readers panic, and an address that is shown reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_buildkit::Address;
use wharf_buildkit::buildx::Instance;
use wharf_buildkit::fleet::Fleet;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(address) = text.parse::<Address>() {
            assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(&address));
        }
        drop(text.parse::<Fleet>());
    }
    if let Ok(instance) = Instance::parse(bytes) {
        drop(instance.fleet(|context| Ok(context.into())));
    }
});
