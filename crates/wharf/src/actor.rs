//! Who does what is recorded: CI's actor with the address of its run, else whoever is logged in.

use wharf_ledger::Actor;

use crate::settings::host::variable;

/// Whoever runs wharf.
pub(crate) fn current() -> Actor {
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name));
    let name = first(&["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "CIRCLE_USERNAME", "USER", "LOGNAME"]);
    Actor { name: name.or_else(login_name).unwrap_or_else(|| "unknown".into()), run: run() }
}

/// The address of the CI run.
fn run() -> Option<String> {
    let github = |name: &str| variable(&format!("GITHUB_{name}"));
    match (github("SERVER_URL"), github("REPOSITORY"), github("RUN_ID")) {
        (Some(server), Some(repository), Some(run)) => {
            Some(format!("{server}/{repository}/actions/runs/{run}"))
        }
        _ => ["CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL"].iter().find_map(|name| variable(name)),
    }
}

/// The name of the process's user. Containers and services often have no `USER` in their environment.
fn login_name() -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    name_of(rustix::process::getuid().as_raw(), &passwd)
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nrobin:x:1000:1000::/home/robin:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("robin"));
        assert_eq!(name_of(1001, passwd), None);
    }
}
