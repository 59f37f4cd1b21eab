//! `--filter` of pruning: `until=24h`, `type=step`, `id=…`.

use jiff::Timestamp;

use super::{ItemKind, PruneRequest};

/// Why a filter cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It is called something else.
    #[error("there is no such filter")]
    Name,
    /// Its type is called something else.
    #[error("there is no such type")]
    Type,
    /// It is no time.
    #[error("expected a time such as 24h")]
    Time,
}

impl PruneRequest {
    /// Adds a filter, `NAME=VALUE`; ages count from `now`, seconds since 1970.
    ///
    /// # Errors
    /// Fails where it is none that is known.
    pub fn filter(&mut self, filter: &str, now: i64) -> Result<(), FilterError> {
        match filter.split_once('=').ok_or(FilterError::Name)? {
            ("until" | "unused-for", age) => {
                self.before = Some(before(age, now).ok_or(FilterError::Time)?);
            }
            ("type", kind) => self.kinds.push(ItemKind::named(kind).ok_or(FilterError::Type)?),
            ("id", id) => self.ids.push(id.trim_start_matches("sha256:").to_owned()),
            _ => return Err(FilterError::Name),
        }
        Ok(())
    }
}

/// The time that lies `age` back (`24h`, `90m`, `7d`), or the moment that is named, seconds since 1970.
fn before(age: &str, now: i64) -> Option<i64> {
    if let Ok(time) = age.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    let mut seconds: i64 = 0;
    let mut rest = age;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    let at = now.checked_sub(seconds)?;
    (!age.is_empty()).then_some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn ages_are_docker_durations_and_times() {
        assert_eq!(before("1h30m", NOW), Some(NOW - 5400));
        assert_eq!(before("2026-01-02T03:04:05Z", NOW), Some(1_767_323_045));
        for bad in ["", "h", "5", "5y", "-1h", "99999999999999999999h"] {
            assert_eq!(before(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn filters_add_up() {
        let mut request = PruneRequest::default();
        for filter in ["type=regular", "type=cache-mount", "id=sha256:ab", "unused-for=1d"] {
            request.filter(filter, NOW).unwrap();
        }
        assert_eq!(request.kinds, [ItemKind::Step, ItemKind::CacheMount]);
        assert_eq!(
            (request.ids.as_slice(), request.before),
            (["ab".to_owned()].as_slice(), Some(NOW - 86_400))
        );
        assert_eq!(request.filter("type=nothing", NOW), Err(FilterError::Type));
        assert_eq!(request.filter("until=soon", NOW), Err(FilterError::Time));
        assert_eq!(request.filter("x", NOW), Err(FilterError::Name));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in any::<String>(), age in "[0-9a-zé]{0,24}", now in any::<i64>()) {
            for filter in [text.clone(), format!("until={text}"), format!("until={age}"), format!("type={text}")] {
                let _ = PruneRequest::default().filter(&filter, now);
            }
        }
    }
}
