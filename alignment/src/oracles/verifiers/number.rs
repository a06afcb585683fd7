//! Numbers as people and models write them.

/// A text that is one number: sign, thousands' commas (`1,234`), decimals, exponent, fractions
/// (`3/4`, `\frac{3}{4}`), mixed numbers (`1 1/2`), percent (`5%` is 0.05), currency signs before it and
/// a unit behind it (`12 apples`, `3.5 km/h`). None for all else.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim().trim_matches('$').trim();
    let text = text.trim_end_matches(['.', '!', '?']).trim_end();
    if let Some(value) = latex_fraction(text) {
        return Some(value);
    }
    let (value, length) = leading_number(text)?;
    let rest = text[length..].trim_start();
    let rest = rest.strip_prefix('\\').unwrap_or(rest);
    if let Some(rest) = rest.strip_prefix('%') {
        return rest.trim().is_empty().then_some(value / 100.0);
    }
    // A unit has letters; digits or signs behind a number make it something else than a number.
    let unit = |letter: char| {
        letter.is_alphabetic() || letter.is_whitespace() || "/{}^°€$£\\.".contains(letter)
    };
    rest.chars().all(unit).then_some(value)
}

/// The last number of a text, `\frac{}{}` and `%` included.
pub fn last_number(text: &str) -> Option<f64> {
    let mut found = None;
    let mut place = 0;
    while let Some(rest) = text.get(place..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        let before = text[..place].chars().next_back();
        // Inside a word or number (x2, 1.5.2) nothing starts; a minus behind one is a difference.
        let inside = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let closing = before.is_some_and(|letter| letter == ')' || letter == '}');
        let starts = match first {
            '-' | '−' | '+' => !inside && !closing,
            '.' | '0'..='9' => !inside,
            '\\' => true,
            _ => false,
        };
        let here = starts
            .then(|| fraction_at(rest).or_else(|| leading_number(rest)))
            .flatten();
        if let Some((value, length)) = here {
            let percent = rest[length..]
                .trim_start_matches([' ', '\\'])
                .starts_with('%');
            found = Some(if percent { value / 100.0 } else { value });
            place += length;
        } else {
            place += first.len_utf8();
        }
    }
    found
}

fn latex_fraction(text: &str) -> Option<f64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest.trim_start()),
        None => (1.0, text),
    };
    let (value, length) = fraction_at(rest)?;
    rest[length..].trim().is_empty().then_some(sign * value)
}

/// `\frac{a}{b}`, also `\dfrac` and `\tfrac`, at the start of a text, with its length in bytes.
fn fraction_at(text: &str) -> Option<(f64, usize)> {
    let rest = [r"\frac", r"\dfrac", r"\tfrac"]
        .iter()
        .find_map(|name| text.strip_prefix(name))?;
    let (top, rest) = rest.strip_prefix('{')?.split_once('}')?;
    let (bottom, rest) = rest.strip_prefix('{')?.split_once('}')?;
    let (top, bottom) = (whole(top)?, whole(bottom)?);
    (bottom != 0.0).then(|| (top / bottom, text.len() - rest.len()))
}

fn whole(text: &str) -> Option<f64> {
    let text = text.trim();
    let (value, length) = leading_number(text)?;
    (length == text.len()).then_some(value)
}

/// A number at the start of a text, with its length in bytes.
fn leading_number(text: &str) -> Option<(f64, usize)> {
    let mut place = 0;
    let mut negative = false;
    let mut signs = true;
    while let Some(letter) = text[place..].chars().next() {
        match letter {
            '-' | '−' if signs => {
                negative = true;
                signs = false;
            }
            '+' if signs => signs = false,
            '$' | '€' | '£' => {}
            _ => break,
        }
        place += letter.len_utf8();
    }
    let (mut value, length) = decimal(&text[place..])?;
    place += length;
    if let Some((bottom, length)) = slash(&text[place..]) {
        value /= bottom;
        place += length;
    } else if let Some((part, length)) = mixed(&text[place..]) {
        value += part;
        place += length;
    }
    Some((if negative { -value } else { value }, place))
}

/// `/ 4` behind a numerator.
fn slash(text: &str) -> Option<(f64, usize)> {
    let after = text.trim_start_matches(' ').strip_prefix('/')?;
    let digits = after.trim_start_matches(' ');
    let (bottom, length) = decimal(digits)?;
    (bottom != 0.0).then(|| (bottom, text.len() - digits.len() + length))
}

/// ` 1/2` behind a whole number.
fn mixed(text: &str) -> Option<(f64, usize)> {
    let digits = text.strip_prefix(' ')?;
    let (top, length) = decimal(digits)?;
    let (bottom, more) = slash(&digits[length..])?;
    Some((top / bottom, 1 + length + more))
}

/// Digits, thousands' commas, decimals and an exponent, without a sign.
fn decimal(text: &str) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let run = bytes[from..].iter();
        run.take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut length = digits(0);
    let leading = length;
    if (1..=3).contains(&leading) {
        // A comma parts thousands where exactly three digits follow.
        while bytes.get(length) == Some(&b',') && digits(length + 1) == 3 {
            length += 4;
        }
    }
    if bytes.get(length) == Some(&b'.') && (leading == 0 || digits(length + 1) > 0) {
        let decimals = digits(length + 1);
        if leading == 0 && decimals == 0 {
            return None;
        }
        length += 1 + decimals;
    } else if leading == 0 {
        return None;
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = bytes
            .get(length + 1 + sign)
            .map_or(0, |_| digits(length + 1 + sign));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let value: f64 = text[..length].replace(',', "").parse().ok()?;
    value.is_finite().then_some((value, length))
}
