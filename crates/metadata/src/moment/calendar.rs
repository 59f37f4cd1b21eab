//! The fields of an instant at an offset from UTC: date, time, weeks.

use crate::javascript::days_from_civil;

/// An instant's fields on a clock that is `offset` minutes ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) year: i64,
    /// From zero.
    pub(super) month: i64,
    pub(super) day: i64,
    /// From one.
    pub(super) day_of_year: i64,
    /// From zero, Sunday.
    pub(super) weekday: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: i64,
}

/// A week and the year that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Week {
    pub(super) year: i64,
    pub(super) week: i64,
}

/// Which day weeks begin on, and which week is a year's first.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeekRule {
    first_weekday: i64,
    /// 7 + first weekday − the day of January that is always in the first week.
    reference: i64,
}

/// English weeks: from Sunday, the first holds 1 January.
pub(super) const LOCALE_WEEKS: WeekRule = WeekRule { first_weekday: 0, reference: 6 };
/// ISO 8601 weeks: from Monday, the first holds 4 January.
pub(super) const ISO_WEEKS: WeekRule = WeekRule { first_weekday: 1, reference: 4 };

impl Local {
    pub(super) fn new(instant: i64, offset: i64) -> Self {
        let shifted = instant + offset * 60_000;
        let (days, in_day) = (shifted.div_euclid(86_400_000), shifted.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month: month - 1,
            day,
            day_of_year: days - days_from_civil(year, 1, 1) + 1,
            weekday: (days + 4).rem_euclid(7),
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1000 % 60,
            millisecond: in_day % 1000,
        }
    }

    pub(super) fn week(&self, rule: WeekRule) -> Week {
        let offset = first_week_offset(self.year, rule);
        let week = (self.day_of_year - offset - 1).div_euclid(7) + 1;
        let weeks = weeks_in_year(self.year, rule);
        if week < 1 {
            Week { year: self.year - 1, week: week + weeks_in_year(self.year - 1, rule) }
        } else if week > weeks {
            Week { year: self.year + 1, week: week - weeks }
        } else {
            Week { year: self.year, week }
        }
    }
}

/// Days between the start of the first week and 1 January.
fn first_week_offset(year: i64, rule: WeekRule) -> i64 {
    let always_in = 7 + rule.first_weekday - rule.reference;
    let weekday = (days_from_civil(year, 1, always_in) + 4).rem_euclid(7);
    always_in - 1 - (7 + weekday - rule.first_weekday).rem_euclid(7)
}

fn weeks_in_year(year: i64, rule: WeekRule) -> i64 {
    let days = days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1);
    (days - first_week_offset(year, rule) + first_week_offset(year + 1, rule)) / 7
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}
