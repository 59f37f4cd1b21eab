//! Patterns for paths: `*` and `?` stay within a directory, `**` does not.

/// Whether the pattern covers the whole path, or a directory above it.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let segments = |text: &str| {
        text.split('/').filter(|s| !s.is_empty() && *s != ".").map(str::to_owned).collect::<Vec<_>>()
    };
    let (pattern, path) = (segments(pattern), segments(path));
    !pattern.is_empty() && below(&pattern, &path)
}

fn below(pattern: &[String], path: &[String]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((first, rest)) if first == "**" => {
            rest.is_empty() || (0..path.len()).any(|skipped| below(rest, &path[skipped..]))
        }
        Some((first, rest)) => path
            .split_first()
            .is_some_and(|(segment, others)| segment_matches(first, segment) && below(rest, others)),
    }
}

/// One segment, with a single point to go back to: linear in both for each star.
pub(crate) fn segment_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_and_double_stars_go_on() {
        for (pattern, path, expected) in [
            ("opt/*.pkl", "opt/a.pkl", true),
            ("opt/*.pkl", "opt/b/a.pkl", false),
            ("**/*.pkl", "opt/b/a.pkl", true),
            ("opt/**", "opt/b/a.pkl", true),
            ("/opt", "opt/b", true),
            ("opt", "optional", false),
            ("*", "a", true),
            ("a?c", "abc", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
