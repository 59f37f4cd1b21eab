//! Where a stream is cut into blocks: by what it holds, so that an edit changes the blocks about it and no others,
//! however many bytes it adds or takes away.
//!
//! A sum over the last 64 bytes, in which each byte stands for a fixed random number, is looked at from byte to
//! byte ("gear" hashing: Xia et al., "FastCDC", USENIX ATC 2016, section 3.2); where its upper bits are zero, a
//! block ends. What lies before [`MIN`] need not be looked at.

/// No block but the last is shorter. Deflate's window starts full in a block, so short ones would do no harm to
/// the ratio; the time each takes to begin would.
const MIN: usize = 192 << 10;
/// No block is longer.
pub(super) const MAX: usize = 512 << 10;
/// One place in 65,536 is a cut: blocks have 256 KiB in the mean.
const MASK: u64 = 0xffff << 48;
/// So many bytes have a part in the sum.
const REACH: usize = 64;

/// Looks for the end of one block.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    sum: u64,
    looked_at: usize,
}

impl Cutter {
    /// Where the block that begins `stream` ends, if that can be told yet. More of the stream may be shown at
    /// each call; once there was an end, the next block is another cutter's.
    pub(super) fn find(&mut self, stream: &[u8]) -> Option<usize> {
        self.looked_at = self.looked_at.max(MIN - REACH);
        let end = stream.len().min(MAX);
        for byte in stream.get(self.looked_at..end).unwrap_or_default() {
            self.sum = (self.sum << 1).wrapping_add(GEAR[usize::from(*byte)]);
            self.looked_at += 1;
            if self.sum & MASK == 0 && self.looked_at >= MIN {
                return Some(self.looked_at);
            }
        }
        (end == MAX).then_some(MAX)
    }
}

/// A random number for each byte (SplitMix64).
static GEAR: [u64; 256] = {
    let mut gear = [0; 256];
    let mut state = 0_u64;
    let mut byte = 0;
    while byte < gear.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        gear[byte] = number ^ (number >> 31);
        byte += 1;
    }
    gear
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::sample::tests::noise;

    fn cuts(stream: &[u8], step: usize) -> Vec<usize> {
        let (mut cuts, mut start, mut shown, mut cutter) = (vec![], 0, 0, Cutter::default());
        while shown < stream.len() {
            shown = (shown + step).min(stream.len());
            while let Some(end) = cutter.find(&stream[start..shown]) {
                start += end;
                cuts.push(start);
                cutter = Cutter::default();
            }
        }
        cuts
    }

    #[test]
    fn cuts_depend_on_the_stream_and_not_on_how_it_comes() {
        let stream = noise(4 << 20);
        let whole = cuts(&stream, stream.len());
        assert!((8..=21).contains(&whole.len()), "{whole:?}");
        for step in [1 << 12, 77_777, 1 << 20] {
            assert_eq!(cuts(&stream, step), whole);
        }
        let lengths = whole.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(lengths.into_iter().all(|length| (MIN..=MAX).contains(&length)));
    }

    #[test]
    fn after_an_insertion_cuts_are_soon_the_same_again() {
        let stream = noise(6 << 20);
        let edited = [&stream[..1_000_000], b"three more bytes", &stream[1_000_000..]].concat();
        let (before, after) = (cuts(&stream, 1 << 16), cuts(&edited, 1 << 16));
        let shifted: Vec<usize> = before.iter().map(|cut| cut + 16).collect();
        let same = after.iter().filter(|cut| before.contains(cut) || shifted.contains(cut)).count();
        assert!(same + 4 >= before.len(), "{same} of {}", before.len());
    }

    #[test]
    fn what_is_the_same_everywhere_is_cut_at_the_most() {
        assert_eq!(cuts(&vec![0; 3 * MAX], 1 << 16), [MAX, 2 * MAX, 3 * MAX]);
    }
}
