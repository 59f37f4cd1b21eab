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
    let start = blob.bytes(0, 12).unwrap_or_default();
    let (length, data) = match start.as_slice() {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (u64::from(u16::from_le_bytes([*a, *b])), 10),
        [_, _, _, _, _, _, 2 | 3, _, a, b, c, d, ..] => (u64::from(u32::from_le_bytes([*a, *b, *c, *d])), 12),
        _ => return Content::Broken,
    };
    /// NumPy itself refuses longer ones.
    const MAX_HEADER: u64 = 1 << 20;
    let header = blob.bytes(data, length.min(MAX_HEADER) as usize).unwrap_or_default();
    if (header.len() as u64) < length {
        return Content::Broken;
    }
    let header = String::from_utf8_lossy(&header);
    if has_objects(&header) { Content::Objects(data + length) } else { Content::Numbers }
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
