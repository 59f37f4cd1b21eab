//! Formats of moment.js, as the action writes them.

use super::*;

fn at(format_text: &str, zone: &str) -> String {
    let instant = crate::javascript::parse_date("2024-05-06T07:08:09.123+02:00");
    format(instant, format_text, &Zone::named(zone))
}

#[test]
fn formats_print_as_in_moment() {
    let cases = [
        ("YYYYMMDD-HHmmss", "20240506-050809"),
        ("dddd, MMMM Do YYYY, h:mm:ss a", "Monday, May 6th 2024, 5:08:09 am"),
        ("L LL LLL", "05/06/2024 May 6, 2024 May 6, 2024 5:08 AM"),
        ("l ll llll", "5/6/2024 May 6, 2024 Mon, May 6, 2024 5:08 AM"),
        ("[literal] YYYY [at] HH", "literal 2024 at 05"),
        ("[a[b]c]", "[amb]c"),
        ("\\Y\\MMMM", "YMMMM"),
        ("\\LT", "LT"),
        ("\\[YYYY]", "[2024]"),
        ("[", "["),
        ("YYY ggg o", "242024 24g o"),
        ("YYYY\nMM", "202405"),
        ("S SS SSS SSSSSS", "1 12 123 123000"),
        ("X x", "1714972089 1714972089123"),
        ("w| wo WW GGGG", "w| 19th 19 2024"),
        ("Hmm Hmmss kk", "508 50809 05"),
        ("N NNNN y yo", "AD Anno Domini 2024 2024th"),
        ("YYYYYY", "+002024"),
        ("", "2024-05-06T05:08:09Z"),
    ];
    for (format_text, expected) in cases {
        assert_eq!(at(format_text, "UTC"), expected, "{format_text:?}");
    }
}

#[test]
fn zones_are_found_in_any_spelling() {
    let format_text = "YYYY-MM-DD HH:mm Z z";
    assert_eq!(at(format_text, "asia/TOKYO"), "2024-05-06 14:08 +09:00 JST");
    assert_eq!(at(format_text, "Asia_Tokyo"), "2024-05-06 14:08 +09:00 JST");
    assert_eq!(at(format_text, "Europe/Berlin"), "2024-05-06 07:08 +02:00 CEST");
    assert_eq!(at(format_text, "America/Sao_Paulo"), "2024-05-06 02:08 -03:00 -03");
    assert_eq!(at(format_text, "No/Where"), "2024-05-06 05:08 +00:00 ");
    assert_eq!(at("", "Asia/Kathmandu"), "2024-05-06T10:53:09+05:45");
    assert_eq!(at("", "No/Where"), "2024-05-06T05:08:09+00:00");
}

#[test]
fn an_invalid_date_says_so() {
    assert_eq!(format(None, "YYYY", &Zone::named("UTC")), "Invalid date");
}

#[test]
fn iso_instants_carry_milliseconds() {
    assert_eq!(iso(1_714_972_089_123), "2024-05-06T05:08:09.123Z");
    assert_eq!(iso(-62_198_755_200_000), "-000001-01-01T00:00:00.000Z");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_format_and_no_instant_panics(text in "\\PC{0,24}", instant in -8_640_000_000_000_000i64..8_640_000_000_000_000) {
        format(Some(instant), &text, &Zone::named("Europe/Berlin"));
        iso(instant);
    }
}
