//! `Array.prototype.sort` where the comparison is no order.
//!
//! A priority that is not a number compares equal to every other one, so the result depends on the
//! algorithm. This is V8's for short arrays: find the run at the start, then insert the rest by bisection.

use std::cmp::Ordering;

/// Sorts stably by `compare`, which need not be transitive.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let descending = compare(&items[1], &items[0]) == Ordering::Less;
    let mut run = 2;
    while run < items.len() && (compare(&items[run], &items[run - 1]) == Ordering::Less) == descending {
        run += 1;
    }
    if descending {
        items[..run].reverse();
    }
    for next in run..items.len() {
        let (mut left, mut right) = (0, next);
        while left < right {
            let middle = left + (right - left) / 2;
            if compare(&items[next], &items[middle]) == Ordering::Less {
                right = middle;
            } else {
                left = middle + 1;
            }
        }
        items[left..=next].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descending, with `None` equal to everything.
    fn by_priority(a: &Option<i32>, b: &Option<i32>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => b.cmp(a),
            _ => Ordering::Equal,
        }
    }

    #[test]
    fn an_order_sorts_as_ever() {
        let mut items: Vec<Option<i32>> = (0..200).map(|i| Some(i * 7919 % 211)).collect();
        let mut expected = items.clone();
        expected.sort_by(by_priority);
        sort_by(&mut items, by_priority);
        assert_eq!(items, expected);
    }

    #[test]
    fn what_is_no_order_ends_as_in_v8() {
        let mut items = [Some(1), None, Some(3), Some(2), None, Some(5)];
        sort_by(&mut items, by_priority);
        assert_eq!(items, [Some(1), None, Some(3), Some(2), None, Some(5)]);
        let mut items = [Some(1), None, Some(3), Some(4), Some(2)];
        sort_by(&mut items, by_priority);
        assert_eq!(items, [Some(1), None, Some(4), Some(3), Some(2)]);
    }
}
