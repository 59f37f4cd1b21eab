//! Addresses of repositories and files, as they may be shown.

/// A URL without the user and password that may be in it.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out_of_urls() {
        for (url, shown) in [
            ("https://robin:hunter2@example.com/a.git#main", "https://example.com/a.git#main"),
            ("https://token@example.com/a", "https://example.com/a"),
            ("https://example.com/a@b", "https://example.com/a@b"),
            ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
