//! Maven versions: nested lists of numbers and qualifiers, as `ComparableVersion` orders them.
//!
//! A hyphen and every change between digits and letters open a list; `1-1` is newer than `1-sp`, and older
//! than `1.1`. Trailing parts that mean nothing (`0`, `final`, `ga`) are dropped.

use std::cmp::Ordering;

use super::compare_digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    lists(&parse(a), &parse(b))
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Number(String),
    /// A qualifier in its canonical spelling.
    Word(String),
    List(Vec<Item>),
}

/// Deeper lists than any real version has are read as one level, so that hostile versions cost no stack.
const MAX_DEPTH: usize = 32;

fn parse(version: &str) -> Vec<Item> {
    let version = version.to_lowercase();
    let mut open: Vec<Vec<Item>> = vec![Vec::new()];
    let mut token = String::new();
    for c in version.chars() {
        let digit = c.is_ascii_digit();
        if c == '.' || c == '-' {
            push(&mut open, &std::mem::take(&mut token), false);
            if c == '-' {
                nest(&mut open);
            }
            continue;
        }
        if !token.is_empty() && token.starts_with(|t: char| t.is_ascii_digit()) != digit {
            push(&mut open, &std::mem::take(&mut token), digit);
            nest(&mut open);
        }
        token.push(c);
    }
    if !token.is_empty() {
        push(&mut open, &token, false);
    }
    while open.len() > 1 {
        if let (Some(inner), Some(outer)) = (open.pop(), open.last_mut()) {
            outer.push(Item::List(normalized(inner)));
        }
    }
    normalized(open.pop().unwrap_or_default())
}

fn nest(open: &mut Vec<Vec<Item>>) {
    if open.len() < MAX_DEPTH {
        open.push(Vec::new());
    }
}

fn push(open: &mut [Vec<Item>], token: &str, before_digit: bool) {
    let item = if token.is_empty() || token.starts_with(|c: char| c.is_ascii_digit()) {
        Item::Number(token.trim_start_matches('0').to_owned())
    } else {
        Item::Word(qualifier(token, before_digit).to_owned())
    };
    if let Some(list) = open.last_mut() {
        list.push(item);
    }
}

fn qualifier(word: &str, before_digit: bool) -> &str {
    match word {
        "a" if before_digit => "alpha",
        "b" if before_digit => "beta",
        "m" if before_digit => "milestone",
        "ga" | "final" | "release" => "",
        "cr" => "rc",
        other => other,
    }
}

/// Drops what means nothing at the end, and before the lists at the end.
fn normalized(mut list: Vec<Item>) -> Vec<Item> {
    for index in (0..list.len()).rev() {
        if against_nothing(&list[index]).is_eq() {
            list.remove(index);
        } else if !matches!(list[index], Item::List(_)) {
            break;
        }
    }
    list
}

/// How an item stands to its absence.
fn against_nothing(item: &Item) -> Ordering {
    match item {
        Item::Number(digits) => digits.len().min(1).cmp(&0),
        Item::Word(word) => rank(word).cmp(&rank("")),
        Item::List(items) => items.iter().map(against_nothing).find(|o| o.is_ne()).unwrap_or(Ordering::Equal),
    }
}

/// Known qualifiers in their order, all others after them by text.
fn rank(word: &str) -> (usize, &str) {
    const KNOWN: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
    match KNOWN.iter().position(|known| *known == word) {
        Some(index) => (index, ""),
        None => (KNOWN.len(), word),
    }
}

fn lists(a: &[Item], b: &[Item]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|i| match (a.get(i), b.get(i)) {
            (Some(x), Some(y)) => items(x, y),
            (Some(x), None) => against_nothing(x),
            (None, Some(y)) => against_nothing(y).reverse(),
            (None, None) => Ordering::Equal,
        })
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn items(a: &Item, b: &Item) -> Ordering {
    match (a, b) {
        (Item::Number(x), Item::Number(y)) => compare_digits(x, y),
        (Item::Word(x), Item::Word(y)) => rank(x).cmp(&rank(y)),
        (Item::List(x), Item::List(y)) => lists(x, y),
        (Item::Number(_), _) | (Item::List(_), Item::Word(_)) => Ordering::Greater,
        (_, Item::Number(_)) | (Item::Word(_), Item::List(_)) => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions_ascend() {
        let ascending = [
            "1-alpha2snapshot",
            "1-alpha2",
            "1-alpha-123",
            "1-beta-2",
            "1-beta123",
            "1-m2",
            "1-m11",
            "1-rc",
            "1-cr2",
            "1-rc123",
            "1-snapshot",
            "1",
            "1-sp",
            "1-sp2",
            "1-sp123",
            "1-abc",
            "1-def",
            "1-pom-1",
            "1-1-snapshot",
            "1-1",
            "1-2",
            "1-123",
            "1.1",
            "1.10",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for (a, b) in [
            ("1", "1.0.0"),
            ("1.0-final", "1"),
            ("1-ga", "1"),
            ("1a1", "1-alpha-1"),
            ("1x", "1-x"),
            ("1.0.RELEASE", "1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn hostile_versions_cost_no_stack() {
        assert_eq!(compare(&"1-".repeat(100_000), &"1-".repeat(100_000)), Ordering::Equal);
    }
}
