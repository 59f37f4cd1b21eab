//! What the machine must have: Debian packages, and an ordinary user with sub-ids.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell::command;

/// Command → package: what is looked for, and what brings it.
const PACKAGES: [(&str, &str); 21] = [
    ("/usr/bin/time", "time"),
    ("/usr/bin/mmdebstrap", "mmdebstrap"),
    ("/bin/busybox", "busybox-static"),
    ("/usr/bin/docker-registry", "docker-registry"),
    ("/usr/bin/newuidmap", "uidmap"),
    ("/usr/bin/htpasswd", "apache2-utils"),
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/zstd", "zstd"),
    ("/usr/bin/jq", "jq"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/chromium", "chromium"),
    ("/usr/bin/cc", "gcc"),
    ("/usr/bin/setfattr", "attr"),
    ("/usr/sbin/setcap", "libcap2-bin"),
    ("/usr/bin/python3", "python3"),
    ("/usr/lib/python3.11/ensurepip/__init__.py", "python3-venv"),
    ("/usr/bin/skopeo", "skopeo"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/ssh", "openssh-client"),
    ("/usr/bin/node", "nodejs"),
    ("/usr/bin/qemu-aarch64-static", "qemu-user-static"),
];

/// The ordinary user that the rootless tests run as.
pub(crate) const USER: &str = "wharf-test";

/// Installs what is missing. Only root can, so an ordinary user is told what to ask for.
pub(crate) fn prepare() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(path, _)| !Path::new(path).exists()).map(|(_, package)| *package).collect();
    let root = command("id", &["-u"]).read()? == "0";
    if !missing.is_empty() && !root {
        bail!("these packages are missing; install them as root: apt-get install {}", missing.join(" "));
    }
    if !missing.is_empty() {
        println!("installing {}", missing.join(" "));
        let apt = |args: &[&str]| command("apt-get", args).env("DEBIAN_FRONTEND", "noninteractive").run();
        apt(&["update", "-qq"])?;
        let install = ["install", "-y", "-qq", "--no-install-recommends"];
        apt(&[&install[..], &missing[..]].concat())?;
    }
    if root {
        ensure_user()?;
    }
    Ok(())
}

fn ensure_user() -> Result<()> {
    if !command("id", &[USER]).output()?.status.success() {
        command("useradd", &["--create-home", USER]).run()?;
    }
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if !text.lines().any(|line| line.starts_with(&format!("{USER}:"))) {
            std::fs::write(file, format!("{}{USER}:500000:65536\n", with_newline(&text)))?;
        }
    }
    Ok(())
}

fn with_newline(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}
