//! Base scores of CVSS vectors.

mod v2;
mod v3;

pub(super) use v2::score as v2;
pub(super) use v3::score as v3;

/// The metrics of a vector, `AV:N/AC:L/…`, as pairs.
fn metrics(vector: &str) -> Vec<(&str, &str)> {
    vector.split('/').filter_map(|part| part.split_once(':')).collect()
}

/// The value of one metric.
fn metric<'a>(metrics: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    metrics.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
}
