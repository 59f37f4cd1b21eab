//! Lists in inputs, as docker's toolkit reads them: lines, and in lines values with commas and quotes.

/// One item per line; empty ones are dropped.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// One or more items per line, CSV.
pub(crate) fn values(text: &str) -> Vec<String> {
    lines(text).iter().flat_map(|line| fields(line)).filter(|item| !item.is_empty()).collect()
}

/// The fields of one line of CSV with relaxed quotes.
pub(crate) fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.trim().is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            c => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

/// Items that may hold newlines, in quotes: `secrets`, `labels`.
pub(crate) fn quoted_lines(text: &str) -> Vec<String> {
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                item.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if item.trim().is_empty() => quoted = true,
            '\n' if !quoted => items.push(std::mem::take(&mut item)),
            c => item.push(c),
        }
    }
    items.push(item);
    items
        .into_iter()
        .map(|item| item.trim_end_matches('\r').to_owned())
        .filter(|item| !item.trim().is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_dockers() {
        assert_eq!(lines(" a,b \n\n c"), ["a,b", "c"]);
        assert_eq!(values("a,b\nc, \"d,e\""), ["a", "b", "c", "d,e"]);
        assert_eq!(
            quoted_lines("A=1\n\"KEY=one\ntwo \"\"x\"\"\"\nB=2"),
            ["A=1", "KEY=one\ntwo \"x\"", "B=2"]
        );
        assert_eq!(quoted_lines("k=a \"b\""), ["k=a \"b\""]);
    }
}
