//! Shell scripts, as far as they can be read without running them: docker's verbs, variables used and set.

use std::collections::BTreeMap;

/// What a script does with images.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Docker {
    pub(super) tags: Vec<String>,
    pub(super) pushes: Vec<String>,
    pub(super) logins: Vec<String>,
}

/// Reads a script whose expressions are filled in; `env` are the variables that are known.
pub(super) fn docker(script: &str, env: &BTreeMap<String, String>) -> Docker {
    let mut found = Docker::default();
    let joined = script.replace("\\\n", " ");
    for command in joined
        .lines()
        .flat_map(|line| line.split("&&"))
        .flat_map(|part| part.split(';'))
        .flat_map(|part| part.split('|'))
    {
        let words: Vec<String> =
            command.split_whitespace().map(|word| filled(word.trim_matches(['"', '\'']), env)).collect();
        let Some(at) = words.iter().position(|word| word == "docker") else { continue };
        let words: Vec<&str> = words[at + 1..].iter().map(String::as_str).collect();
        match words.as_slice() {
            ["build", rest @ ..] | ["buildx", "build", rest @ ..] | ["image", "build", rest @ ..] => {
                let tags = flags(rest, &["-t", "--tag"]);
                if rest.contains(&"--push") {
                    found.pushes.extend(tags.clone());
                }
                found.tags.extend(tags);
            }
            ["tag", rest @ ..] | ["image", "tag", rest @ ..] => {
                found.tags.extend(plain(rest).get(1).cloned())
            }
            ["push", rest @ ..] | ["image", "push", rest @ ..] => {
                found.pushes.extend(plain(rest).first().cloned())
            }
            ["login", rest @ ..] => {
                let skip = ["-u", "--username", "-p", "--password"];
                let mut host = None;
                let mut at = 0;
                while at < rest.len() {
                    if skip.contains(&rest[at]) {
                        at += 1;
                    } else if !rest[at].starts_with('-') {
                        host = Some(rest[at].to_owned());
                    }
                    at += 1;
                }
                found.logins.push(host.unwrap_or_else(|| "docker.io".into()));
            }
            _ => {}
        }
    }
    found
}

fn plain(words: &[&str]) -> Vec<String> {
    words.iter().filter(|word| !word.starts_with('-')).map(|word| (*word).to_owned()).collect()
}

fn flags(words: &[&str], names: &[&str]) -> Vec<String> {
    let mut values = Vec::new();
    for (at, word) in words.iter().enumerate() {
        for name in names {
            if word == name {
                values.extend(words.get(at + 1).map(|value| (*value).to_owned()));
            } else if let Some(value) = word.strip_prefix(&format!("{name}=")) {
                values.push(value.to_owned());
            }
        }
    }
    values
}

/// A word with known variables filled in; others stay as they are written.
fn filled(word: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (name, after) = match tail.strip_prefix('{').and_then(|tail| tail.split_once('}')) {
            Some((name, after)) => (name, after),
            None => tail
                .split_at(tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(tail.len())),
        };
        match env.get(name) {
            Some(value) => out.push_str(value),
            None => out.push_str(&rest[at..rest.len() - after.len()]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Variables that a script uses without a default, with their places in it.
pub(super) fn used(script: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut quoted = false;
    let bytes = script.as_bytes();
    let mut at = 0;
    let mut double = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' if !quoted => double = !double,
            b'\'' if !double => quoted = !quoted,
            b'#' if !quoted && !double && (at == 0 || bytes[at - 1].is_ascii_whitespace()) => {
                at += script[at..].find('\n').unwrap_or(script.len() - at);
            }
            b'$' if !quoted => {
                let rest = &script[at + 1..];
                let (name, after) = match rest.strip_prefix('{') {
                    Some(inner) => {
                        let length = inner
                            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                            .unwrap_or(inner.len());
                        (&inner[..length], &inner[length..])
                    }
                    None => rest.split_at(
                        rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()),
                    ),
                };
                let defaulted = rest.starts_with('{')
                    && (after.starts_with([':', '-', '+', '?', '=']) && !after.starts_with("::"));
                let named = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
                    && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
                if named && !defaulted {
                    found.push((name.to_owned(), at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Names that a script gives values to, for itself or through `GITHUB_ENV`.
pub(super) fn set(script: &str) -> Vec<String> {
    let mut names = Vec::new();
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit()
    };
    for word in script.split(|c: char| c.is_whitespace() || ";&|()\"'`".contains(c)) {
        if let Some((name, _)) = word.split_once(['=', '<']) {
            let name = name.trim_end_matches('+');
            if is_name(name) {
                names.push(name.to_owned());
            }
        }
    }
    let words: Vec<&str> = script.split_whitespace().collect();
    for pair in words.windows(2) {
        if ["for", "read", "export", "local", "declare", "-r", "readarray", "mapfile", "-a"]
            .contains(&pair[0])
            && is_name(pair[1].trim_end_matches(';'))
        {
            names.push(pair[1].trim_end_matches(';').to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_verbs_are_found() {
        let env = [("HOST".to_owned(), "ecr.example".to_owned())].into();
        let script = "set -e\ndocker build -t a:1 . && docker tag a:1 $HOST/a:1\ndocker push \"${HOST}/a:1\"\ndocker buildx build \\\n  --push -t b:2 .\necho x | docker login -u me --password-stdin ghcr.io\ndocker push $NOPE/x";
        let found = docker(script, &env);
        assert_eq!(found.tags, ["a:1", "ecr.example/a:1", "b:2"]);
        assert_eq!(found.pushes, ["ecr.example/a:1", "b:2", "$NOPE/x"]);
        assert_eq!(found.logins, ["ghcr.io"]);
    }

    #[test]
    fn variables_are_found_where_the_shell_sees_them() {
        let names = |script: &str| used(script).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            names("echo $A \"${B}\" '$C' ${D:-x} \\$E # $F\necho \"it's $G\" $lower $1"),
            ["A", "B", "G"]
        );
        assert_eq!(
            set("A=1 export B=2\nfor C in x; do read -r D; done\necho \"E=1\" >> $GITHUB_ENV"),
            ["A", "B", "E", "C", "D"]
        );
    }
}
