//! Table: the rules beyond BuildKit's, each with its severity, hadolint's number where it has one, and what to do.

use crate::findings::Severity;

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// hadolint's number for the same; empty where it has none.
    pub(super) hadolint: &'static str,
    /// What to do, and why.
    pub(super) fix: &'static str,
}

impl Rule {
    pub(super) fn help(&self) -> String {
        match self.hadolint {
            "" => self.fix.to_owned(),
            number => format!("{} (hadolint: {number})", self.fix),
        }
    }
}

macro_rules! rules {
    ($($constant:ident = $name:literal, $severity:ident, $hadolint:literal, $fix:literal;)*) => {
        $(pub(super) static $constant: Rule =
            Rule { name: $name, severity: Severity::$severity, hadolint: $hadolint, fix: $fix };)*

        /// Every rule.
        #[cfg(test)]
        pub(super) static ALL: &[&Rule] = &[$(&$constant),*];
    };
}

rules! {
    BASE_LATEST = "base-latest", Medium, "DL3007", "Name a version: what `latest` is changes from day to day, and with it what is built.";
    BASE_UNTAGGED = "base-untagged", Medium, "DL3006", "Name a version: without one, `latest` is meant, which changes from day to day.";
    BASE_NOT_PINNED = "base-not-pinned", Info, "", "Add the digest (`image:tag@sha256:…`), so that the same base is built on until somebody decides otherwise.";
    USER_ROOT = "user-root", Medium, "DL3002", "End with a `USER` that is not root: what breaks into the service is then not root in the container.";
    SUDO = "sudo", Medium, "DL3004", "Do it as root before `USER`, or not at all: sudo behaves differently without a terminal.";
    APT_NO_RECOMMENDS = "apt-recommends", Low, "DL3015", "Add `--no-install-recommends`: what is recommended is often larger than what is wanted.";
    APT_LISTS = "apt-lists", Low, "DL3009", "Remove `/var/lib/apt/lists/*` in the same RUN, or mount a cache there; later RUNs do not make the layer smaller.";
    APT_UPDATE_ALONE = "apt-update-alone", Medium, "", "Install in the same RUN: a cached `apt-get update` makes later installs take old lists.";
    APT_YES = "apt-yes", Medium, "DL3014", "Add `-y`: there is nobody to answer.";
    APT_NOT_GET = "apt-interactive", Low, "DL3027", "Use `apt-get`: `apt` is for people, and its words may change.";
    APT_UNPINNED = "apt-unpinned", Info, "DL3008", "Name versions where a build must be repeatable: `package=version`.";
    APK_CACHE = "apk-cache", Low, "DL3019", "Add `--no-cache`, so that the index does not stay in the layer.";
    APK_UNPINNED = "apk-unpinned", Info, "DL3018", "Name versions where a build must be repeatable: `package=version`.";
    YUM_CACHE = "yum-cache", Low, "DL3032", "Add `&& dnf clean all` (or yum, microdnf) to the same RUN.";
    YUM_YES = "yum-yes", Medium, "DL3030", "Add `-y`: there is nobody to answer.";
    ZYPPER_YES = "zypper-yes", Medium, "DL3034", "Add `-y`: there is nobody to answer.";
    PIP_CACHE = "pip-cache", Low, "DL3042", "Add `--no-cache-dir`, or mount a cache: `RUN --mount=type=cache,target=/root/.cache/pip`.";
    PIP_UNPINNED = "pip-unpinned", Low, "DL3013", "Name versions (`package==1.2.3`), or install from a lock file: a rebuild may be another program.";
    PIP_CUDA = "pip-cuda", Medium, "", "Take the CPU wheels: `--index-url https://download.pytorch.org/whl/cpu` (torch), `tensorflow-cpu`; the default brings about 2 GB of CUDA.";
    NPM_UNPINNED = "npm-unpinned", Low, "DL3016", "Name versions (`package@1.2.3`), or use `npm ci` with a lock file.";
    GEM_UNPINNED = "gem-unpinned", Low, "DL3028", "Name versions: `gem install name:1.2.3`.";
    CARGO_LOCKED = "cargo-locked", Info, "", "Add `--locked`, so that the versions of Cargo.lock are the ones that are built.";
    PIPEFAIL = "pipefail", Low, "DL4006", "Begin with `set -o pipefail` (`SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]`): a pipe succeeds if its last command does.";
    CD = "cd-in-run", Info, "DL3003", "Use `WORKDIR`: the next RUN starts where it did before.";
    ADD_FOR_COPY = "add-for-copy", Low, "DL3020", "Use `COPY`: `ADD` unpacks archives and fetches URLs, which a reader has to keep in mind.";
    ADD_URL = "add-url-unchecked", Medium, "", "Add `--checksum=sha256:…`, so that what is fetched is what was meant.";
    CURL_PIPE = "download-unchecked", Medium, "", "Fetch to a file, compare its sha256, then run it: whoever serves the file otherwise decides what is built.";
    COPY_SECRET = "copy-secret", High, "", "Keep it out of the context (.dockerignore) and mount it: `RUN --mount=type=secret`. What is copied stays in its layer, also when it is deleted later.";
    COPY_ALL = "copy-all", Medium, "", "Put a .dockerignore beside the Dockerfile: `.git`, data, notebooks and credentials otherwise go into the image, and every change of them builds anew.";
    SOURCE_FIRST = "source-before-dependencies", Low, "", "Copy the list of dependencies first and install them, then copy the source: the install is then cached until the list changes.";
    MODEL_FIRST = "model-before-dependencies", Medium, "", "Copy the model after the dependencies: a new model otherwise installs everything again.";
    CHOWN = "chown-doubles-layer", Medium, "", "Use `COPY --chown=…`: a later chown writes every file a second time.";
    BUILD_TOOLS = "build-tools", Low, "", "Build in a stage of its own and copy the result: compilers in the last stage are bytes to move and tools for an intruder.";
    HEALTHCHECK_MISSING = "healthcheck-missing", Info, "", "Add a `HEALTHCHECK`, so that a service that hangs is seen.";
    HEALTHCHECK_TOOL = "healthcheck-tool-missing", High, "", "Install the tool, or ask with what the image has (`python -c \"import urllib.request …\"`): the check always fails, and the container is restarted for ever.";
    HEALTHCHECK_MODULE = "healthcheck-module-unnamed", Low, "", "Name it as a dependency, or ask with what Python brings (`urllib.request`): it is there only as long as something else happens to want it.";
    HEALTHCHECK_PORT = "healthcheck-port", Low, "", "Ask the port that the service listens on and that `EXPOSE` names.";
    USER_SITE = "user-site-unreadable", High, "", "Install into a virtual environment or with `--prefix` outside of /root: the image's user may not enter that directory, and finds no module there.";
    CUDA_IN_CPU = "cuda-in-cpu-image", Medium, "", "Take the CPU wheels (`--index-url https://download.pytorch.org/whl/cpu`), or say that the image wants a GPU (`ENV NVIDIA_VISIBLE_DEVICES=all`).";
    GIT_IN_IMAGE = "git-in-image", Medium, "", "Put `.git` into .dockerignore: the whole history of the source, deleted secrets included, goes with the image.";
    LAYER_REPEATED = "layer-repeats-files", Low, "", "Change owner or mode where the files are written (`COPY --chown --chmod`, or in the same RUN); `wharf inspect --waste` shows all of it.";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn names_are_unique_and_say_what_to_do() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|rule| rule.fix.ends_with('.')));
    }
}
