//! What a registry asks for: the `WWW-Authenticate` header (RFC 9110, section 11.6.1).

/// One way to authenticate that the registry offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// An account and its password with every request.
    Basic,
    /// A token from a token server (distribution's token specification).
    Bearer {
        /// The URL of the token server.
        realm: String,
        /// The name that the token server knows the registry by.
        service: Option<String>,
        /// What the token must allow, in the registry's own words.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenges of a header that wharf can answer, in the order given. What does not parse ends the list.
    pub fn parse(header: &str) -> Vec<Self> {
        let mut rest = Scanner { rest: header };
        let mut challenges = Vec::new();
        while let Some(scheme) = rest.scheme() {
            let parameters = rest.parameters();
            let value = |name: &str| {
                parameters
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            match scheme.to_ascii_lowercase().as_str() {
                "basic" => challenges.push(Self::Basic),
                "bearer" => {
                    if let Some(realm) = value("realm") {
                        challenges.push(Self::Bearer {
                            realm,
                            service: value("service"),
                            scope: value("scope"),
                        });
                    }
                }
                _ => {}
            }
        }
        challenges
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }

    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn scheme(&mut self) -> Option<&'a str> {
        self.blank();
        self.token()
    }

    /// `name=value` pairs up to the next scheme, which is a word without an equals sign after it.
    fn parameters(&mut self) -> Vec<(&'a str, String)> {
        let mut parameters = Vec::new();
        loop {
            self.blank();
            let start = self.rest;
            let Some(name) = self.token() else { return parameters };
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            let Some(after) = self.rest.strip_prefix('=') else {
                self.rest = start;
                return parameters;
            };
            self.rest = after.trim_start_matches([' ', '\t']);
            match self.value() {
                Some(value) => parameters.push((name, value)),
                None => return parameters,
            }
        }
    }

    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else { return self.token().map(str::to_owned) };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn headers_of_real_registries() {
        for (header, expected) in [
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                vec![bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )],
            ),
            (
                r#"bearer Realm = "https://r/t" , error="invalid_token""#,
                vec![bearer("https://r/t", None, None)],
            ),
            (
                r#"Negotiate, Basic realm="x", charset=UTF-8, Bearer realm=https"#,
                vec![Challenge::Basic, bearer("https", None, None)],
            ),
            (r#"Bearer realm="a\"b\\c""#, vec![bearer(r#"a"b\c"#, None, None)]),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn what_makes_no_sense_offers_nothing() {
        for header in
            ["", ",,, ", "Bearer", r#"Bearer service="no realm""#, r#"Bearer realm="open"#, "=", "\u{e9}"]
        {
            assert_eq!(Challenge::parse(header), vec![], "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_too_odd(header in "\\PC{0,60}") {
            Challenge::parse(&header);
        }

        #[test]
        fn near_headers_neither(header in "(Basic|Bearer|realm|service|[=\", \\\\a-z]){0,20}") {
            Challenge::parse(&header);
        }
    }
}
