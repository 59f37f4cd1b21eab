//! The base images of the example, made from Debian packages where Docker Hub cannot be reached.
//!
//! They live in an OCI layout that `wharf registry serve` offers under their usual names, so Dockerfiles
//! keep saying `FROM python:3.11-slim`. The layout is kept between runs and made anew when its recipe
//! changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::registries::Depot;
use crate::shell::{command, target_dir};

/// What `debian:bookworm-slim` is made with, beside the essential packages.
const DEBIAN_PACKAGES: &str = "ca-certificates,tzdata,netbase";

/// `python:3.11-slim` on top of it. The official image builds Python itself under `/usr/local`; this one
/// uses Debian's, under the same command names.
const PYTHON_DOCKERFILE: &str = r#"FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED \
 && ln -s /usr/bin/python3 /usr/local/bin/python \
 && ln -s /usr/bin/pip3 /usr/local/bin/pip
ENV LANG=C.UTF-8
CMD ["python3"]
"#;

const DEBIAN_DOCKERFILE: &str = "FROM scratch\nADD rootfs.tar /\nCMD [\"bash\"]\n";

const BUSYBOX_DOCKERFILE: &str = "FROM scratch\nADD rootfs.tar /\nCMD [\"sh\"]\n";

/// The registry data directory that holds the base images, made with `wharf` where it is not there yet.
pub(crate) fn ensure(wharf: &Path) -> Result<PathBuf> {
    let directory = target_dir().join("wharf-bases");
    let recipe = ["2", DEBIAN_PACKAGES, PYTHON_DOCKERFILE, DEBIAN_DOCKERFILE, BUSYBOX_DOCKERFILE].join("\n");
    let stamp = directory.join("recipe");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == recipe) {
        return Ok(directory);
    }
    println!("making the base images from Debian packages in {}", directory.display());
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
    }
    let work = directory.join("work");
    fs::create_dir_all(&work)?;
    let depot = Depot::start(wharf, &directory.join("registry"))?;
    let kitchen = Kitchen { wharf, depot: &depot, work: &work };
    kitchen.busybox()?;
    kitchen.debian()?;
    // Debian has one Python; Dockerfiles of others name theirs, and only need one that runs.
    for name in ["python:3.11-slim", "python:3.9-slim"] {
        kitchen.image(name, PYTHON_DOCKERFILE, None)?;
    }
    depot.stop()?;
    fs::remove_dir_all(&work)?;
    fs::write(&stamp, recipe)?;
    Ok(directory)
}

struct Kitchen<'a> {
    wharf: &'a Path,
    depot: &'a Depot,
    work: &'a Path,
}

impl Kitchen<'_> {
    fn busybox(&self) -> Result<()> {
        let root = self.work.join("busybox");
        for directory in ["bin", "etc", "tmp", "root", "var/tmp"] {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::copy("/bin/busybox", root.join("bin/busybox"))
            .context("copying /bin/busybox (package busybox-static)")?;
        for applet in command("/bin/busybox", &["--list"]).read()?.lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
        }
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        )?;
        fs::write(root.join("etc/group"), "root:x:0:\nnobody:x:65534:\n")?;
        command("chmod", &[Path::new("1777"), &root.join("tmp"), &root.join("var/tmp")]).run()?;
        let tar = self.work.join("busybox.tar");
        command("tar", &["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--mtime=@0", "-cf"])
            .arg(&tar)
            .args(&["-C".as_ref(), root.as_os_str(), ".".as_ref()])
            .run()?;
        self.image("busybox:1.35", BUSYBOX_DOCKERFILE, Some(&tar))
    }

    fn debian(&self) -> Result<()> {
        let tar = self.work.join("debian.tar");
        let slim =
            "path-exclude=/usr/share/doc/* path-exclude=/usr/share/man/* path-exclude=/usr/share/locale/*";
        let mut args = vec!["--variant=minbase".to_owned(), format!("--include={DEBIAN_PACKAGES}")];
        args.extend(slim.split(' ').map(|option| format!("--dpkgopt={option}")));
        args.extend(["bookworm".to_owned(), tar.display().to_string()]);
        command("mmdebstrap", &args).run()?;
        self.image("debian:bookworm-slim", DEBIAN_DOCKERFILE, Some(&tar))
    }

    /// Builds one image and pushes it under its usual name.
    fn image(&self, name: &str, dockerfile: &str, rootfs: Option<&Path>) -> Result<()> {
        let context = self.work.join("context");
        fs::create_dir_all(&context)?;
        fs::write(context.join("Dockerfile"), dockerfile)?;
        if let Some(rootfs) = rootfs {
            fs::rename(rootfs, context.join("rootfs.tar"))?;
        }
        let reference = format!("{}/library/{name}", self.depot.address());
        let data = self.work.join("data");
        let wharf = |args: &[&str]| {
            command(self.wharf, args)
                .env("WHARF_DATA_DIR", &data)
                .env("WHARF_CONFIG", self.depot.mirror_config())
        };
        wharf(&["build", "--tag", &reference, &context.display().to_string()]).run()?;
        wharf(&["push", &reference]).run()?;
        Ok(fs::remove_dir_all(context)?)
    }
}
