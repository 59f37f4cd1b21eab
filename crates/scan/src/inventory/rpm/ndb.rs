//! rpm's own format (`Packages.db`): pages of slots, each with the place of a header in blocks of 16 bytes.

use super::{Headers, MAX_HEADER, MAX_PACKAGES, u32_at};
use crate::blob::Blob;

const PAGE: u64 = 4096;
const SLOT: usize = 16;

/// The headers; `None` where the file is something else.
pub(super) fn headers(blob: &Blob) -> Option<Headers> {
    let start = blob.bytes(0, 32).ok().filter(|start| start.starts_with(b"RpmP"))?;
    let pages = u64::from(u32_at(&start, 12, false)?).min(4096);
    let slots = blob.bytes(32, ((pages * PAGE) as usize).saturating_sub(32)).ok()?;
    let mut all = Vec::new();
    let mut whole = slots.len() as u64 == (pages * PAGE).saturating_sub(32);
    for slot in slots.chunks_exact(SLOT).filter(|slot| slot.starts_with(b"Slot")).take(MAX_PACKAGES) {
        // An empty slot belongs to no package.
        let (Some(package @ 1..), Some(block)) = (u32_at(slot, 4, false), u32_at(slot, 8, false)) else {
            continue;
        };
        let at = u64::from(block) * 16;
        let head = blob.bytes(at, 16).ok().filter(|head| head.starts_with(b"BlbS"));
        let Some(head) = head.filter(|head| u32_at(head, 4, false) == Some(package)) else {
            whole = false;
            continue;
        };
        let length = u32_at(&head, 12, false).unwrap_or_default() as usize;
        all.extend(blob.bytes(at + 16, length.min(MAX_HEADER)).ok());
    }
    Some(Headers { all, whole })
}
