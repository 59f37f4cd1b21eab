//! Shells: what runs a script.

use std::path::{Path, PathBuf};

/// A script's file name and the command that runs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) script: String,
    pub(crate) extension: &'static str,
}

/// The first program of that name on a search path.
pub(crate) fn which(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| name.into());
    }
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| {
        file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    })
}

/// How `script` is run in `shell`; with none, by bash, or by sh where there is no bash.
///
/// # Errors
/// The shell is not here, or is none.
pub(crate) fn shell(shell: Option<&str>, script: &str, path: &str) -> Result<Shell, String> {
    let find = |name: &str| which(name, path);
    let missing = |name: &str| format!("the shell `{name}` is not installed on this machine");
    let named = shell.map(str::trim).filter(|shell| !shell.is_empty());
    let make = |program: Option<PathBuf>, args: &[&str], extension| {
        let program = program.ok_or_else(|| missing(named.unwrap_or("sh")))?;
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Ok(Shell { program, args, script: script.to_owned(), extension })
    };
    match named {
        None if find("bash").is_some() => make(find("bash"), &["-e", "{0}"], ".sh"),
        None => make(find("sh"), &["-e", "{0}"], ".sh"),
        Some("bash") => make(find("bash"), &["--noprofile", "--norc", "-eo", "pipefail", "{0}"], ".sh"),
        Some("sh") => make(find("sh"), &["-e", "{0}"], ".sh"),
        Some("python") => make(find("python").or_else(|| find("python3")), &["{0}"], ".py"),
        Some("node") => make(find("node"), &["{0}"], ".js"),
        Some("pwsh") => {
            let whole = format!(
                "$ErrorActionPreference = 'stop'\n{script}\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) {{ exit $LASTEXITCODE }}"
            );
            let made = make(find("pwsh"), &["-command", ". '{0}'"], ".ps1")?;
            Ok(Shell { script: whole, ..made })
        }
        Some(windows @ ("cmd" | "powershell")) => {
            Err(format!("the shell `{windows}` is Windows' own, and this is Linux"))
        }
        Some(custom) => {
            let mut words = custom.split_whitespace();
            let program = words.next().unwrap_or_default();
            let args: Vec<&str> = words.collect();
            if !args.iter().any(|arg| arg.contains("{0}")) {
                return Err(format!(
                    "Invalid shell option `{custom}`. Shell must be a valid built-in (bash, sh, pwsh, python) or a format string containing '{{0}}'"
                ));
            }
            let found = find(program).ok_or_else(|| missing(program))?;
            make(Some(found), &args, "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_githubs() {
        let args = |name: Option<&str>| shell(name, "x", "/usr/bin:/bin").unwrap().args.join(" ");
        assert_eq!(args(None), "-e {0}");
        assert_eq!(args(Some("bash")), "--noprofile --norc -eo pipefail {0}");
        assert_eq!(args(Some("sh")), "-e {0}");
        assert_eq!(args(Some("sh -x {0}")), "-x {0}");
        assert!(shell(Some("cmd"), "", "").unwrap_err().contains("Windows"));
        assert!(shell(Some("bash -x"), "", "/bin").unwrap_err().contains("{0}"));
        assert!(shell(Some("no-such {0}"), "", "/bin").unwrap_err().contains("not installed"));
    }
}
