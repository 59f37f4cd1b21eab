//! CVSS 2.0, section 3.2.1.

use super::{metric, metrics};

/// The base score; `None` for a vector without all base metrics.
pub(crate) fn score(vector: &str) -> Option<f64> {
    let metrics = metrics(vector.trim_matches(['(', ')']));
    let weigh = |name: &str, table: &[(&str, f64)]| {
        let value = metric(&metrics, name)?;
        table.iter().find(|(key, _)| *key == value).map(|(_, weight)| *weight)
    };
    let impact_table = [("N", 0.0), ("P", 0.275), ("C", 0.660)];
    let vector = weigh("AV", &[("L", 0.395), ("A", 0.646), ("N", 1.0)])?;
    let complexity = weigh("AC", &[("H", 0.35), ("M", 0.61), ("L", 0.71)])?;
    let authentication = weigh("Au", &[("M", 0.45), ("S", 0.56), ("N", 0.704)])?;
    let open = (1.0 - weigh("C", &impact_table)?)
        * (1.0 - weigh("I", &impact_table)?)
        * (1.0 - weigh("A", &impact_table)?);
    let impact = 10.41 * (1.0 - open);
    let exploitability = 20.0 * vector * complexity * authentication;
    let factor = if impact == 0.0 { 0.0 } else { 1.176 };
    Some((((0.6 * impact + 0.4 * exploitability - 1.5) * factor) * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn the_specifications_examples() {
        assert_eq!(score("AV:N/AC:L/Au:N/C:N/I:N/A:C"), Some(7.8));
        assert_eq!(score("AV:N/AC:L/Au:N/C:C/I:C/A:C"), Some(10.0));
        assert_eq!(score("AV:L/AC:H/Au:N/C:C/I:C/A:C"), Some(6.2));
        assert_eq!(score("AV:N/AC:L/Au:N/C:N/I:N/A:N"), Some(0.0));
        assert_eq!(score("AV:N/AC:L"), None);
    }
}
