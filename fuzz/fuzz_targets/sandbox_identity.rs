//! A `USER`, `/etc/passwd` and `/etc/group`, divided by zero bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_sandbox::resolve_user;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let spec = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let (passwd, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Ok(account) = resolve_user(&spec, passwd, group) {
        assert!(account.user.uid <= i32::MAX as u32 && account.user.gid <= i32::MAX as u32);
    }
});
