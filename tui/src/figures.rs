//! Numbers, durations and shares as text. Missing and non-finite values never
//! look like zero.

/// A share clamped to 0..=1; what is not a number counts as nothing done.
/// ratatui's gauge panics outside that range.
#[must_use]
pub fn gauge_ratio(share: f64) -> f64 {
    if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// A value with about four significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e7).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 1e3 {
        count(value)
    } else if size >= 100.0 {
        format!("{value:.1}")
    } else if size >= 10.0 {
        format!("{value:.2}")
    } else if size >= 0.01 {
        format!("{value:.3}")
    } else {
        format!("{value:.5}")
    }
}

/// A count with a unit letter: `950`, `12.5k`, `2.05M`.
#[must_use]
pub fn count(value: f64) -> String {
    let size = value.abs();
    let scaled = |divisor: f64, unit: &str| {
        let scaled = value / divisor;
        let digits = if scaled.abs() >= 100.0 {
            0
        } else if scaled.abs() >= 10.0 {
            1
        } else {
            2
        };
        let text = format!("{scaled:.digits$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text.as_str()
        };
        format!("{text}{unit}")
    };
    if !value.is_finite() {
        number(value)
    } else if size >= 999_500_000.0 {
        scaled(1e9, "G")
    } else if size >= 999_500.0 {
        scaled(1e6, "M")
    } else if size >= 1_000.0 {
        scaled(1e3, "k")
    } else if size.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// A noun behind a number: `node` behind 1, `nodes` behind any other.
#[must_use]
pub fn plural(number: f64, noun: &str) -> String {
    let ending = if number == 1.0 { "" } else { "s" };
    format!("{noun}{ending}")
}

/// A length of time: `45s`, `3m 07s`, `2h 05m`, `4d 3h`.
#[must_use]
pub fn duration(secs: f64) -> String {
    if !secs.is_finite() || secs < 0.0 {
        return "-".to_owned();
    }
    let whole = secs.round() as u64;
    let (days, hours, minutes, rest) = (
        whole / 86_400,
        whole / 3_600 % 24,
        whole / 60 % 60,
        whole % 60,
    );
    if days > 0 {
        format!("{days}d {hours}h")
    } else if hours > 0 {
        format!("{hours}h {minutes:02}m")
    } else if minutes > 0 {
        format!("{minutes}m {rest:02}s")
    } else {
        format!("{rest}s")
    }
}

/// How long ago, in one short unit: `5s`, `12m`, `3h`, `2d`.
#[must_use]
pub fn age(secs: f64) -> String {
    if !secs.is_finite() {
        return "-".to_owned();
    }
    let whole = secs.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => format!("{}m", whole / 60),
        3_600..86_400 => format!("{}h", whole / 3_600),
        _ => format!("{}d", whole / 86_400),
    }
}

/// Text safe to draw or print: control characters (escape sequences from a
/// worker's output among them) and those that turn the direction of writing are dropped,
/// tabs become spaces.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\t' => Some(' '),
            other if other.is_control() || turns_writing(other) => None,
            other => Some(other),
        })
        .collect()
}

/// Marks that make what follows be shown in another order than it is written in.
fn turns_writing(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_finite_and_clamped() {
        let given = [f64::NAN, f64::INFINITY, -0.5, 1.01, 0.25];
        assert_eq!(given.map(gauge_ratio), [0.0, 0.0, 0.0, 1.0, 0.25]);
    }

    #[test]
    fn numbers_are_short_and_honest() {
        let shown: Vec<String> = [
            0.0,
            0.95,
            -12.345,
            0.0003,
            1.5e-9,
            2_050_000.0,
            1234.0,
            f64::NAN,
        ]
        .map(number)
        .into();
        assert_eq!(
            shown,
            [
                "0", "0.950", "-12.35", "0.00030", "1.50e-9", "2.05M", "1.23k", "NaN"
            ]
        );
        assert_eq!(count(999_999.0), "1M");
        assert_eq!(count(50_000.0), "50k");
        assert_eq!(count(100_000.0), "100k");
    }

    #[test]
    fn one_thing_is_not_several() {
        let nouns = [0.0, 1.0, 1.5, 2.0].map(|number| plural(number, "tool call"));
        assert_eq!(
            nouns,
            ["tool calls", "tool call", "tool calls", "tool calls"]
        );
    }

    #[test]
    fn times_have_two_units_at_most() {
        let shown = [45.0, 187.0, 7_500.0, 360_000.0, -1.0].map(duration);
        assert_eq!(shown, ["45s", "3m 07s", "2h 05m", "4d 4h", "-"]);
        assert_eq!(age(200.0), "3m");
    }

    #[test]
    fn escape_sequences_do_not_survive() {
        assert_eq!(printable("a\u{1b}[31mred\tb\r\u{7}"), "a[31mred b");
        assert_eq!(printable("a\u{202e}cod.exe\u{2069}"), "acod.exe");
    }
}
