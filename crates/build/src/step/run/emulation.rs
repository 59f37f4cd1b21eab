//! Programs of another machine: whether this one runs them, natively or through binfmt_misc.

use std::fs;
use std::path::Path;

use wharf_oci::Platform;

use crate::error::{Cause, StepError};

const BINFMT: &str = "/proc/sys/fs/binfmt_misc";

/// Whether a process for `platform` can run here.
///
/// # Errors
/// Fails with what is missing where it cannot.
pub(super) fn require(platform: &Platform) -> Result<(), StepError> {
    let host = Platform::host();
    let is_native = host.affinity(platform).is_some()
        || (platform.os == host.os && host.architecture == "amd64" && platform.architecture == "386");
    if is_native || registered(platform, Path::new(BINFMT)) {
        return Ok(());
    }
    Err(Cause::Foreign { platform: platform.to_string(), host: host.to_string() }.into())
}

/// Whether the kernel knows an interpreter for the machine's programs.
fn registered(platform: &Platform, directory: &Path) -> bool {
    let Some(machine) = machine(&platform.architecture) else { return false };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.into_iter().any(|text| runs(&text, machine))
}

/// Whether an entry of binfmt_misc is in force and for programs of `machine`.
fn runs(entry: &str, machine: &str) -> bool {
    let is_enabled = entry.lines().next() == Some("enabled");
    let magic = entry.lines().find_map(|line| line.strip_prefix("magic "));
    // The machine is bytes 18 and 19 of an ELF file, in the file's own order.
    is_enabled && magic.and_then(|magic| magic.get(36..40)) == Some(machine)
}

/// `e_machine` as it stands in the file.
fn machine(architecture: &str) -> Option<&'static str> {
    Some(match architecture {
        "amd64" => "3e00",
        "386" => "0300",
        "arm64" => "b700",
        "arm" => "2800",
        "ppc64le" => "1500",
        "s390x" => "0016",
        "riscv64" => "f300",
        "loong64" => "0201",
        "mips64le" | "mipsle" => "0800",
        "mips64" | "mips" => "0008",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel shows what Debian's qemu-user-static registers.
    const AARCH64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\n\
        offset 0\nmagic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn an_interpreter_is_known_by_the_machine_in_its_magic() {
        let temp = tempfile::tempdir().unwrap();
        let known = |platform: &str| registered(&platform.parse().unwrap(), temp.path());
        assert!(!known("linux/arm64"));
        fs::write(temp.path().join("status"), "enabled\n").unwrap();
        fs::write(temp.path().join("qemu-aarch64"), AARCH64).unwrap();
        assert!(known("linux/arm64"));
        assert!(!known("linux/s390x") && !known("linux/nonsense"));
        fs::write(temp.path().join("qemu-aarch64"), AARCH64.replace("enabled", "disabled")).unwrap();
        assert!(!known("linux/arm64"));
    }
}
