//! The next value of a setting up or down.

use crate::field::{Field, FieldKind};

/// The other truth, the next word, the next number; nothing for text and where there is none.
pub(super) fn step(field: &Field, value: &str, up: bool) -> Option<String> {
    match field.kind {
        FieldKind::Boolean => Some(if value == "true" { "false" } else { "true" }.to_owned()),
        FieldKind::Choice { values } | FieldKind::Variant { values } => {
            Some(next_word(values, value, up).to_owned())
        }
        FieldKind::Device => Some(next_word(&["auto", "cpu", "cuda"], value, up).to_owned()),
        FieldKind::Integer { min, max } => {
            let number = whole(value).unwrap_or(min);
            let step = i64_step(number, up);
            let next = if up {
                number.saturating_add(step)
            } else {
                number.saturating_sub(step)
            };
            moved(number, next.clamp(min, max))
        }
        FieldKind::Number {
            min,
            max,
            min_excluded,
        } => {
            let number = number(value).unwrap_or(min.max(0.0));
            let is_share = min == 0.0 && max == 1.0 && !min_excluded;
            let next = if is_share {
                let hundredths = number * 100.0;
                tidy(
                    if up {
                        hundredths + 1.0
                    } else {
                        hundredths - 1.0
                    } / 100.0,
                )
            } else {
                on_scale(number, up)
            };
            within(number, next, min, max, min_excluded)
        }
        FieldKind::Text | FieldKind::Model | FieldKind::Data => None,
    }
}

/// Twice or half of a number.
pub(super) fn scale(field: &Field, value: &str, up: bool) -> Option<String> {
    match field.kind {
        FieldKind::Integer { min, max } => {
            let number = whole(value).unwrap_or(min);
            let next = match (up, number) {
                (true, 0) => 1,
                (true, _) => number.saturating_mul(2),
                (false, _) => number / 2,
            };
            moved(number, next.clamp(min, max))
        }
        FieldKind::Number {
            min,
            max,
            min_excluded,
        } => {
            let number = number(value).unwrap_or(min.max(0.0));
            let next = tidy(if up { number * 2.0 } else { number / 2.0 });
            within(number, next, min, max, min_excluded)
        }
        _ => None,
    }
}

fn next_word(words: &[&'static str], value: &str, up: bool) -> &'static str {
    let count = words.len();
    let position = words.iter().position(|word| *word == value);
    let next = match (position, up) {
        (Some(position), true) => (position + 1) % count.max(1),
        (Some(position), false) => (position + count - 1) % count.max(1),
        (None, _) => 0,
    };
    words.get(next).copied().unwrap_or_default()
}

/// One in the second digit: 32 to 33, 150 to 160, 2_050_000 to 2_150_000.
fn i64_step(number: i64, up: bool) -> i64 {
    // Going down from 100 is going down among the numbers below it.
    let size = number
        .unsigned_abs()
        .saturating_sub(u64::from(!up && number > 0));
    let mut step = 1;
    while size / 100 >= step {
        step *= 10;
    }
    i64::try_from(step).unwrap_or(1)
}

/// The next of 1, 2, 5, 10, 20, 50 and so on, on either side of 0.
fn on_scale(number: f64, up: bool) -> f64 {
    if number == 0.0 {
        return if up { 0.01 } else { -0.01 };
    }
    if number < 0.0 {
        return -on_scale(-number, !up);
    }
    let exponent = number.log10().floor();
    let rungs = (-1..=2).flat_map(|shift| {
        [1.0, 2.0, 5.0].map(|digit| tidy(digit * 10f64.powf(exponent + f64::from(shift))))
    });
    let margin = number * 1e-9;
    let found = if up {
        rungs
            .filter(|rung| *rung > number + margin)
            .reduce(f64::min)
    } else {
        rungs
            .filter(|rung| *rung < number - margin)
            .reduce(f64::max)
    };
    found.unwrap_or(number)
}

/// Without the dust of binary fractions: twelve digits.
fn tidy(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

fn within(before: f64, next: f64, min: f64, max: f64, min_excluded: bool) -> Option<String> {
    let next = next.clamp(min, max);
    let allowed = next.is_finite() && next != before && !(min_excluded && next <= min);
    allowed.then(|| format!("{next:?}"))
}

fn moved(before: i64, next: i64) -> Option<String> {
    (before != next).then(|| next.to_string())
}

fn whole(text: &str) -> Option<i64> {
    text.replace('_', "").parse().ok()
}

fn number(text: &str) -> Option<f64> {
    let number: f64 = text.replace('_', "").parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Field = Field::new(
        "a",
        "a",
        FieldKind::Integer {
            min: 1,
            max: 10_000_000,
        },
        "",
    );
    const RATE: Field = Field::new(
        "a",
        "a",
        FieldKind::Number {
            min: 0.0,
            max: 1.0,
            min_excluded: true,
        },
        "",
    );
    const SHARE: Field = Field::new(
        "a",
        "a",
        FieldKind::Number {
            min: 0.0,
            max: 1.0,
            min_excluded: false,
        },
        "",
    );

    fn up(field: &Field, value: &str) -> String {
        step(field, value, true).unwrap_or_default()
    }

    fn down(field: &Field, value: &str) -> String {
        step(field, value, false).unwrap_or_default()
    }

    #[test]
    fn whole_numbers_move_in_their_second_digit_and_stop_at_their_bounds() {
        assert_eq!([up(&WHOLE, "32"), up(&WHOLE, "150")], ["33", "160"]);
        assert_eq!(up(&WHOLE, "2_050_000"), "2150000");
        assert_eq!([down(&WHOLE, "100"), down(&WHOLE, "1000")], ["99", "990"]);
        assert_eq!([down(&WHOLE, "1"), up(&WHOLE, "10_000_000")], ["", ""]);
        assert_eq!(scale(&WHOLE, "64", true).as_deref(), Some("128"));
        assert_eq!(scale(&WHOLE, "1", false), None);
    }

    #[test]
    fn rates_move_on_a_scale_of_one_two_five_and_shares_by_a_hundredth() {
        assert_eq!(
            [up(&RATE, "0.001"), down(&RATE, "0.001")],
            ["0.002", "0.0005"]
        );
        assert_eq!(
            [up(&RATE, "0.0003"), down(&RATE, "0.0003")],
            ["0.0005", "0.0002"]
        );
        assert_eq!([up(&RATE, "1.0"), up(&SHARE, "0.99")], ["", "1.0"]);
        assert_eq!([up(&SHARE, "0.05"), down(&SHARE, "0.0")], ["0.06", ""]);
        assert_eq!(scale(&RATE, "0.3", false).as_deref(), Some("0.15"));
    }
}
