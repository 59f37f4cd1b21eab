//! CVSS 3.0 and 3.1, sections 7.1 and 7.4.

use super::{metric, metrics};

/// The base score; `None` for a vector without all base metrics.
pub(crate) fn score(vector: &str) -> Option<f64> {
    let metrics = metrics(vector);
    let weigh = |name: &str, table: &[(&str, f64)]| {
        let value = metric(&metrics, name)?;
        table.iter().find(|(key, _)| *key == value).map(|(_, weight)| *weight)
    };
    let changed = match metric(&metrics, "S")? {
        "C" => true,
        "U" => false,
        _ => return None,
    };
    let privileges: &[(&str, f64)] = if changed {
        &[("N", 0.85), ("L", 0.68), ("H", 0.5)]
    } else {
        &[("N", 0.85), ("L", 0.62), ("H", 0.27)]
    };
    let impact_table = [("H", 0.56), ("L", 0.22), ("N", 0.0)];
    let exploitability = 8.22
        * weigh("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * weigh("AC", &[("L", 0.77), ("H", 0.44)])?
        * weigh("PR", privileges)?
        * weigh("UI", &[("N", 0.85), ("R", 0.62)])?;
    let open = (1.0 - weigh("C", &impact_table)?)
        * (1.0 - weigh("I", &impact_table)?)
        * (1.0 - weigh("A", &impact_table)?);
    let base = 1.0 - open;
    let impact = if changed { 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15) } else { 6.42 * base };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let factor = if changed { 1.08 } else { 1.0 };
    Some(round_up((factor * (impact + exploitability)).min(10.0)))
}

/// The smallest number with one decimal that is not less (appendix A: over integers, so that 4.02 rounding
/// errors do not count).
fn round_up(score: f64) -> f64 {
    let hundred_thousandths = (score * 100_000.0).round() as u64;
    let tenths = hundred_thousandths.div_ceil(10_000);
    tenths as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn published_scores() {
        for (vector, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", 3.7),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
        ] {
            assert_eq!(score(vector), Some(expected), "{vector}");
        }
        assert_eq!(score("CVSS:3.1/AV:N/AC:L"), None);
        assert_eq!(score(""), None);
    }
}
