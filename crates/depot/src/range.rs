//! The `Range` header of a read (RFC 9110, section 14.2), one range only.

use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, StatusCode};

use crate::blobs::set;
use crate::problem::Problem;

/// What a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Everything: there is no range, or none that is understood, which is to be ignored.
    All,
    /// The bytes from `start` up to, not including, `end`.
    Part { start: u64, end: u64 },
    /// Nothing that exists.
    Beyond,
}

/// The range that `header` asks of content with `size` bytes.
fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
        return Asked::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim(), last.trim()) {
        ("", length) => match number(length) {
            Some(0) => Asked::Beyond,
            Some(length) if size > 0 => Asked::Part { start: size.saturating_sub(length), end: size },
            Some(_) => Asked::Beyond,
            None => Asked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), _) if start >= size => Asked::Beyond,
            (Some(start), None) if last.is_empty() => Asked::Part { start, end: size },
            (Some(start), Some(last)) if last >= start => {
                Asked::Part { start, end: size.min(last.saturating_add(1)) }
            }
            // It ends before it begins. To refuse that is a choice which section 14.2 leaves, and the one that
            // tells the sender.
            (Some(_), Some(_)) => Asked::Beyond,
            _ => Asked::All,
        },
    }
}

/// Says in `response` which bytes of a blob of `size` follow, and gives them as `(start, end)`; `None` where none
/// do, as the request's headers ask for what does not exist.
pub(crate) fn describe(
    response: &mut Response,
    headers: &HeaderMap,
    size: u64,
) -> Result<Option<(u64, u64)>, Problem> {
    let (start, end) = match asked(headers.get(RANGE).and_then(|value| value.to_str().ok()), size) {
        Asked::All => (0, size),
        Asked::Part { start, end } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1))?;
            (start, end)
        }
        Asked::Beyond => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(response, CONTENT_RANGE, &format!("bytes */{size}"))?;
            return Ok(None);
        }
    };
    response.headers_mut().insert(CONTENT_LENGTH, (end - start).into());
    Ok(Some((start, end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        let part = |start, end| Asked::Part { start, end };
        for (header, size, expected) in [
            ("bytes=0-", 10, part(0, 10)),
            ("bytes=3-5", 10, part(3, 6)),
            ("bytes=3-99", 10, part(3, 10)),
            ("bytes=-4", 10, part(6, 10)),
            ("bytes=-40", 10, part(0, 10)),
            ("bytes=10-", 10, Asked::Beyond),
            ("bytes=-0", 10, Asked::Beyond),
            ("bytes=0-", 0, Asked::Beyond),
            ("bytes=-1", 0, Asked::Beyond),
            ("bytes=5-3", 10, Asked::Beyond),
            ("bytes=0-1,3-4", 10, Asked::All),
            ("items=0-1", 10, Asked::All),
            ("bytes=x-", 10, Asked::All),
        ] {
            assert_eq!(asked(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(asked(None, 10), Asked::All);
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_or_outside(header in "bytes=[0-9]{0,20}-[0-9]{0,20}", size: u64) {
            if let Asked::Part { start, end } = asked(Some(&header), size) {
                prop_assert!(start < end && end <= size);
            }
        }
    }
}
