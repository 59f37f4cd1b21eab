//! What a health check needs: a program, and modules if it is a line of Python.

use wharf_oci::Healthcheck;

use super::commands;

/// The words of the first command; `None` where nothing is asked.
pub(super) fn words(check: &Healthcheck) -> Option<Vec<String>> {
    match check.test.as_deref()? {
        [form, line] if form == "CMD-SHELL" => {
            let command = commands::parse(line).into_iter().next()?;
            Some(std::iter::once(command.program).chain(command.words).collect())
        }
        [form, words @ ..] if form == "CMD" && !words.is_empty() => Some(words.to_vec()),
        _ => None,
    }
}

/// The top-level modules that a line of Python among the words imports.
pub(super) fn modules(words: &[String]) -> Vec<&str> {
    let program = words.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program));
    if !program.starts_with("python") {
        return Vec::new();
    }
    let after_flag = words.iter().skip_while(|word| *word != "-c").nth(1);
    after_flag.map_or_else(Vec::new, |code| imports(code))
}

/// The top-level modules that a line of Python imports.
fn imports(code: &str) -> Vec<&str> {
    let mut modules = Vec::new();
    for statement in code.split([';', '\n']) {
        let statement = statement.trim();
        let names = match (statement.strip_prefix("import "), statement.strip_prefix("from ")) {
            (Some(names), _) => names.split(',').collect(),
            (_, Some(rest)) => rest.split(' ').take(1).collect(),
            _ => Vec::new(),
        };
        let plain = |name: &'_ str| name.trim().split([' ', '.']).next().unwrap_or_default().to_owned();
        modules.extend(names.into_iter().filter(|name| !plain(name).is_empty()).map(|name| {
            let name = name.trim();
            &name[..name.find([' ', '.']).unwrap_or(name.len())]
        }));
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test: &[&str]) -> Healthcheck {
        let test = Some(test.iter().map(|word| (*word).to_owned()).collect());
        Healthcheck { test, ..Healthcheck::default() }
    }

    #[test]
    fn both_forms_are_read() {
        let shell = words(&check(&["CMD-SHELL", "curl -f http://localhost/ || exit 1"])).unwrap();
        assert_eq!(shell, ["curl", "-f", "http://localhost/"]);
        let exec = words(&check(&["CMD", "python3", "-c", "import requests"])).unwrap();
        assert_eq!(modules(&exec), ["requests"]);
        assert_eq!((words(&check(&["NONE"])), words(&check(&["CMD"]))), (None, None));
    }

    #[test]
    fn imports_are_found() {
        assert_eq!(imports("import requests; requests.get('x')"), ["requests"]);
        assert_eq!(
            imports("import urllib.request as r, os\nfrom http.client import X"),
            ["urllib", "os", "http"]
        );
        assert_eq!(imports("exit(0)"), [""; 0]);
    }
}
