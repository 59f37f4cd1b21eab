//! Rectangles whose areas are what they stand for, as square as they get (Bruls, Huizing, van Wijk: "Squarified
//! Treemaps"). Pure.

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Divides `area` among `sizes`, which must be sorted, largest first.
pub(super) fn divide(sizes: &[u64], area: Area) -> Vec<Area> {
    let total: u64 = sizes.iter().sum();
    if total == 0 {
        return Vec::new();
    }
    let scale = area.width * area.height / total as f64;
    let mut left = area;
    let mut done = Vec::new();
    let mut from = 0;
    while from < sizes.len() {
        let mut to = from + 1;
        while to < sizes.len()
            && worst(&sizes[from..=to], left, scale) <= worst(&sizes[from..to], left, scale)
        {
            to += 1;
        }
        left = lay(&sizes[from..to], left, scale, &mut done);
        from = to;
    }
    done
}

/// The worst ratio of sides in a row along the shorter side.
fn worst(row: &[u64], area: Area, scale: f64) -> f64 {
    let side = area.width.min(area.height);
    let sum = row.iter().sum::<u64>() as f64 * scale;
    let thickness = sum / side;
    row.iter()
        .map(|size| {
            let length = *size as f64 * scale / thickness;
            (length / thickness).max(thickness / length)
        })
        .fold(1.0, f64::max)
}

fn lay(row: &[u64], area: Area, scale: f64, done: &mut Vec<Area>) -> Area {
    let sum = row.iter().sum::<u64>() as f64 * scale;
    let upright = area.width >= area.height;
    let side = if upright { area.height } else { area.width };
    let thickness = if side > 0.0 { sum / side } else { 0.0 };
    let mut at = 0.0;
    for size in row {
        let length = if thickness > 0.0 { *size as f64 * scale / thickness } else { 0.0 };
        done.push(if upright {
            Area { x: area.x, y: area.y + at, width: thickness, height: length }
        } else {
            Area { x: area.x + at, y: area.y, width: length, height: thickness }
        });
        at += length;
    }
    if upright {
        Area { x: area.x + thickness, width: (area.width - thickness).max(0.0), ..area }
    } else {
        Area { y: area.y + thickness, height: (area.height - thickness).max(0.0), ..area }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn areas_are_shares_and_stay_inside(mut sizes in proptest::collection::vec(1u64..1_000_000, 1..20)) {
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            let area = Area { x: 0.0, y: 0.0, width: 600.0, height: 200.0 };
            let cells = divide(&sizes, area);
            prop_assert_eq!(cells.len(), sizes.len());
            let total: u64 = sizes.iter().sum();
            for (cell, size) in cells.iter().zip(&sizes) {
                let share = cell.width * cell.height / (area.width * area.height);
                prop_assert!((share - *size as f64 / total as f64).abs() < 1e-6);
                prop_assert!(cell.x >= -1e-6 && cell.x + cell.width <= 600.0 + 1e-6);
                prop_assert!(cell.y >= -1e-6 && cell.y + cell.height <= 200.0 + 1e-6);
            }
        }
    }

    #[test]
    fn nothing_has_no_area() {
        assert!(divide(&[], Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }).is_empty());
        assert!(divide(&[0], Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }).is_empty());
    }
}
