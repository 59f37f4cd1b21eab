//! NumPy's own format (`numpy.lib.format`): numbers, or a pickle of objects behind the same header.

use crate::blob::Blob;

/// What an array file holds.
pub(super) enum Content {
    Numbers,
    /// A pickle, from this place on.
    Objects(u64),
    Broken,
}

/// Whether a file that begins like this holds numbers only.
pub(super) fn is_numbers(head: &[u8]) -> bool {
    matches!(objects_at(&Blob::from(head.to_vec())), Content::Numbers)
}

/// Where the pickle of an array of objects begins.
pub(super) fn objects_at(blob: &Blob) -> Content {
    let Some((data, length)) = header(&blob.bytes(0, 12).unwrap_or_default()) else { return Content::Broken };
    /// NumPy itself refuses longer ones.
    const MAX_HEADER: u64 = 1 << 20;
    let header = blob.bytes(data, length.min(MAX_HEADER) as usize).unwrap_or_default();
    if (header.len() as u64) < length {
        return Content::Broken;
    }
    let header = String::from_utf8_lossy(&header);
    if has_objects(&header) { Content::Objects(data + length) } else { Content::Numbers }
}

/// Where the header's text begins, and how long it is.
fn header(start: &[u8]) -> Option<(u64, u64)> {
    match start {
        [_, _, _, _, _, _, 1, _, a, b, ..] => Some((10, u64::from(u16::from_le_bytes([*a, *b])))),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d, ..] => {
            Some((12, u64::from(u32::from_le_bytes([*a, *b, *c, *d]))))
        }
        _ => None,
    }
}

/// Where the numbers of an array end, if they are of one of the plain types.
pub(super) fn end(head: &[u8]) -> Option<u64> {
    let (data, length) = header(head)?;
    let start = usize::try_from(data + length).ok()?;
    let header = std::str::from_utf8(head.get(data as usize..start)?).ok()?;
    let (_, rest) = header.split_once("'descr'")?;
    let descr = rest.split('\'').nth(1)?.trim_start_matches(['|', '<', '>', '=']);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (kind, size) = (descr.chars().next()?, descr.get(1..)?);
    let size: u64 = size[..digits(size)].parse().ok()?;
    let width = if kind == 'U' { 4 } else { 1 };
    let (_, shape) = header.split_once("'shape'")?;
    let shape = shape.split_once('(')?.1.split_once(')')?.0;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    let count = sides
        .map(|side| side.trim_end_matches('L').parse::<u64>().ok())
        .try_fold(1u64, |count, side| count.checked_mul(side?))?;
    count.checked_mul(size)?.checked_mul(width)?.checked_add(data + length)
}

/// Whether the element type has objects in it: a type code `O`, alone or in a field.
fn has_objects(header: &str) -> bool {
    // NumPy's own headers escape nothing; one that does hides what it says.
    if header.contains('\\') {
        return true;
    }
    let types = header.split(['\'', '"']).skip(1).step_by(2);
    types.into_iter().any(|text| {
        let code = text.trim_start_matches(['|', '<', '>', '=']);
        code.strip_prefix('O').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
            || code.split(',').any(|part| part.trim().trim_start_matches(['|', '<', '>', '=']) == "O")
            || code == "object"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_types_are_found_in_fields_too() {
        assert!(has_objects("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"));
        assert!(has_objects("{'descr': [('a', '<f8'), ('b', '|O')], 'shape': (1,), }"));
        assert!(has_objects("{\"descr\": \"O8\", 'shape': (1,), }"));
        assert!(has_objects("{'descr': '\\x7cO', 'fortran_order': False, 'shape': (1,), }"));
        assert!(!has_objects("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"));
        assert!(!has_objects("{'descr': [('Other', '<f8')], 'shape': (3,), }"));
    }
}
