//! Running commands, with errors that say which.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// Where cargo puts what it builds, and xtask what it keeps between runs.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command about to run in the repository's root.
pub(crate) struct Run(Command);

/// A command with its arguments.
pub(crate) fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Run {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    Run(command)
}

/// The cargo that runs this.
pub(crate) fn cargo(args: &[&str]) -> Run {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

impl Run {
    /// With one more argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// With more arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: &[S]) -> Self {
        self.0.args(arguments);
        self
    }

    /// In another directory.
    pub(crate) fn dir(mut self, directory: &Path) -> Self {
        self.0.current_dir(directory);
        self
    }

    /// With a variable set.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it; its output goes to the terminal.
    pub(crate) fn run(mut self) -> Result<()> {
        let status =
            self.0.stdin(Stdio::null()).status().with_context(|| format!("starting {}", self.line()))?;
        if !status.success() {
            bail!("{} ended with {status}", self.line());
        }
        Ok(())
    }

    /// Runs it and gives what it printed; both streams are shown when it fails.
    pub(crate) fn read(self) -> Result<String> {
        let line = self.line();
        let output = self.output()?;
        if !output.status.success() {
            let printed = [output.stdout, output.stderr].concat();
            bail!("{line} ended with {}:\n{}", output.status, String::from_utf8_lossy(&printed));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs it and gives everything about how it ended.
    pub(crate) fn output(mut self) -> Result<Output> {
        let line = self.line();
        self.0.stdin(Stdio::null()).output().with_context(|| format!("starting {line}"))
    }

    /// The command itself, for what the above do not do.
    pub(crate) fn into_inner(self) -> Command {
        self.0
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Builds the binary in `profile` and gives its path.
pub(crate) fn build_wharf(profile: &str) -> Result<PathBuf> {
    let mut args = vec!["build", "--package", "wharf", "--locked"];
    if profile == "release" {
        args.push("--release");
    }
    cargo(&args).run()?;
    Ok(target_dir().join(profile).join("wharf"))
}
