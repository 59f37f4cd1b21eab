//! actions/setup-python: an interpreter of this machine that fits, in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::call::Call;
use super::{Input, Native};
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "actions/setup-python",
    inputs: &[
        Input("python-version", "", 1),
        Input("python-version-file", "", 4),
        Input("cache", "", 2),
        Input("architecture", "", 1),
        Input("check-latest", "false", 4),
        Input("token", "", 2),
        Input("cache-dependency-path", "", 2),
        Input("update-environment", "true", 4),
        Input("allow-prereleases", "false", 4),
        Input("freethreaded", "false", 5),
        Input("pip-version", "", 6),
        Input("pip-install", "", 6),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let wanted = wanted(call)?;
    let path = call.variable("PATH").unwrap_or_default();
    let installed = installed(&path);
    let mut chosen = None;
    for version in wanted
        .iter()
        .filter(|version| !version.is_empty())
        .chain(std::iter::once(&"x".to_owned()).filter(|_| wanted.is_empty()))
    {
        let best =
            installed.iter().filter(|(_, have)| fits(version, have)).max_by_key(|(_, have)| numbers(have));
        match best {
            Some(best) => chosen = Some(best.clone()),
            None => {
                let have: Vec<&str> = installed.iter().map(|(_, version)| version.as_str()).collect();
                return Err(Fail::Because(format!(
                    "The version '{version}' with architecture 'x64' was not found on this machine, and wharf installs no \
                     interpreters; there is {}. Install it, for one with `uv python install {version}` or the system's packages",
                    if have.is_empty() { "none".to_owned() } else { have.join(", ") }
                )));
            }
        }
    }
    let Some((interpreter, version)) = chosen else {
        return Err(Fail::Because("no Python is installed on this machine".into()));
    };
    // The machine's own packages stay as they are: the job gets an environment of its own.
    let environment =
        call.leg.tools.join(format!("Python-{version}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]));
    let made = Command::new(&interpreter).args(["-m", "venv"]).arg(&environment).output();
    let made = made.map_err(|error| Fail::Because(format!("starting {}: {error}", interpreter.display())))?;
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Err(Fail::Because(format!("{} -m venv: {why}", interpreter.display())));
    }
    let python = environment.join("bin/python");
    if call.flag("update-environment")? {
        let location = environment.display().to_string();
        for name in ["pythonLocation", "Python_ROOT_DIR", "Python2_ROOT_DIR", "Python3_ROOT_DIR"] {
            call.export(name, &location)?;
        }
        call.export("PKG_CONFIG_PATH", &format!("{location}/lib/pkgconfig"))?;
        call.leg.paths.insert(0, environment.join("bin").display().to_string());
    }
    call.say(&format!(
        "Successfully set up CPython ({version}) from {} in an environment of its own",
        interpreter.display()
    ));
    if !call.text("cache").is_empty() {
        call.say("downloads of pip are kept in the user's own cache on this machine");
    }
    call.output("python-version", version);
    call.output("cache-hit", "");
    call.output("python-path", python.display().to_string());
    Ok(())
}

/// The versions that are asked for.
fn wanted(call: &mut Call<'_, '_>) -> Result<Vec<String>, Fail> {
    let lines = call.lines("python-version");
    if !lines.is_empty() {
        return Ok(lines);
    }
    let file = match call.text("python-version-file") {
        "" => ".python-version".to_owned(),
        file => file.to_owned(),
    };
    match std::fs::read_to_string(call.path(&file)) {
        Ok(text) => {
            let requires = text.lines().find_map(|line| line.trim().strip_prefix("requires-python"));
            if let Some(requires) = requires {
                return Ok(vec![
                    requires.trim_start_matches([' ', '=']).trim_matches(['"', '\'', ' ']).to_owned(),
                ]);
            }
            let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
            Ok(line.map(|line| line.trim_start_matches("python ").to_owned()).into_iter().collect())
        }
        Err(_) if call.text("python-version-file").is_empty() => {
            call.warn("Neither 'python-version' nor 'python-version-file' inputs were supplied. Attempting to find '.python-version' file.");
            Ok(Vec::new())
        }
        Err(_) => Err(Fail::Because(format!("The specified python version file at: {file} doesn't exist."))),
    }
}

/// Interpreters on the search path with their versions, each version once.
fn installed(path: &str) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for folder in std::env::split_paths(path) {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut names: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|file| is_python(file)).collect();
        names.sort();
        for file in names {
            let Ok(output) = Command::new(&file)
                .args(["-c", "import platform; print(platform.python_version())"])
                .env("PATH", path)
                .output()
            else {
                continue;
            };
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success()
                && !version.is_empty()
                && !found.iter().any(|(_, known)| *known == version)
            {
                found.push((file, version));
            }
        }
    }
    found
}

fn is_python(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let rest = name.strip_prefix("python");
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

fn numbers(version: &str) -> Vec<u64> {
    version
        .split('.')
        .map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0))
        .collect()
}

/// Whether a version is one of those that `3.11`, `3.x`, `>=3.9 <3.12`, `~=3.10` mean.
fn fits(wanted: &str, have: &str) -> bool {
    let have = numbers(have);
    wanted.split([' ', ',']).filter(|part| !part.is_empty()).all(|part| {
        let version = part.trim_start_matches(['>', '<', '=', '~', '^', '!']);
        let operator = &part[..part.len() - version.len()];
        let exact: Vec<u64> = version
            .split('.')
            .take_while(|part| part.starts_with(|c: char| c.is_ascii_digit()))
            .map(|part| numbers(part)[0])
            .collect();
        let mut padded = exact.clone();
        padded.resize(3, 0);
        match operator {
            ">=" => have >= padded,
            ">" => have > padded,
            "<" => have < padded,
            "<=" => have <= padded,
            "!=" => !have.starts_with(&exact),
            "~=" | "~" => {
                have >= padded
                    && have.starts_with(&exact[..exact.len().saturating_sub(1).max(1).min(exact.len())])
            }
            "^" => have >= padded && have.starts_with(&exact[..exact.len().min(1)]),
            _ => have.starts_with(&exact),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_write_them() {
        for (wanted, have, expected) in [
            ("3.11", "3.11.9", true),
            ("3.1", "3.11.9", false),
            ("3.x", "3.12.1", true),
            ("x", "3.12.1", true),
            ("3.11.4", "3.11.5", false),
            (">=3.9 <3.12", "3.11.9", true),
            (">=3.9,<3.12", "3.12.0", false),
            ("~=3.10", "3.11.0", true),
        ] {
            assert_eq!(fits(wanted, have), expected, "{wanted} {have}");
        }
    }
}
