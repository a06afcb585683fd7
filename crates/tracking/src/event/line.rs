//! Lines of `events.jsonl`, the commonest kind read by hand.
//!
//! Nearly all lines of a long log are scalars, and our writer gives their keys in one
//! order. Such a line is read in one pass over its bytes, without allocating. Any other
//! line (another kind, other or reordered keys, escapes, unusual numbers) goes through
//! serde, so that both ways accept the same lines and give the same events.

use std::str::from_utf8;

use super::{Axis, Event, EventKind};

/// One point of a curve, its name still in the buffer that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalarLine<'line> {
    /// [`Event::version`].
    pub version: u32,
    /// [`Event::sequence`].
    pub sequence: u64,
    /// [`Event::time`].
    pub time: f64,
    /// Curve.
    pub name: &'line str,
    /// May be non-finite.
    pub value: f64,
    /// What `step` counts.
    pub axis: Axis,
    /// Position.
    pub step: u64,
}

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'line> {
    /// A point of a curve.
    Scalar(ScalarLine<'line>),
    /// Anything else; also a scalar that our writer would have written otherwise.
    Other(Box<Event>),
}

impl Line<'_> {
    /// Number of the event.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Scalar(scalar) => scalar.sequence,
            Self::Other(event) => event.sequence,
        }
    }

    /// The event, with a name of its own.
    pub fn into_event(self) -> Event {
        match self {
            Self::Other(event) => *event,
            Self::Scalar(scalar) => Event {
                version: scalar.version,
                sequence: scalar.sequence,
                time: scalar.time,
                kind: EventKind::Scalar {
                    name: scalar.name.to_owned(),
                    value: scalar.value,
                    axis: scalar.axis,
                    step: scalar.step,
                },
            },
        }
    }
}

/// Reads a line, with or without its line feed; `None` when it is no event.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    if let Some((scalar, length)) = scalar_at(line)
        && length == line.len()
    {
        return Some(Line::Scalar(scalar));
    }
    let event = serde_json::from_slice(line).ok()?;
    Some(Line::Other(Box::new(event)))
}

/// The scalar at the start of a buffer and the bytes it takes with its line feed;
/// `None` when serde has to look.
pub(crate) fn scalar_at(bytes: &[u8]) -> Option<(ScalarLine<'_>, usize)> {
    let mut scan = Scan { bytes, at: 0 };
    scan.literal(b"{\"v\":")?;
    let version = u32::try_from(scan.whole_number()?).ok()?;
    scan.literal(b",\"seq\":")?;
    let sequence = scan.whole_number()?;
    scan.literal(b",\"time\":")?;
    let time = scan.number()?;
    scan.literal(b",\"kind\":\"scalar\",\"name\":\"")?;
    let name = scan.plain_text()?;
    scan.literal(b",\"value\":")?;
    let value = scan.number_or_name()?;
    scan.literal(b",\"axis\":\"")?;
    let axis = scan.axis()?;
    scan.literal(b",\"step\":")?;
    let step = scan.whole_number()?;
    scan.literal(b"}")?;
    match scan.bytes.get(scan.at) {
        Some(b'\n') => scan.at += 1,
        None => {}
        Some(_) => return None,
    }
    let scalar = ScalarLine {
        version,
        sequence,
        time,
        name,
        value,
        axis,
        step,
    };
    Some((scalar, scan.at))
}

struct Scan<'line> {
    bytes: &'line [u8],
    at: usize,
}

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Up to here every whole number is a double.
const EXACT_WHOLE: u64 = 1 << 53;

impl<'line> Scan<'line> {
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.starts_with(expected);
        self.at += expected.len();
        found.then_some(())
    }

    /// The digits from here on; `None` for none, for a leading zero before another
    /// digit, and for more than a `u64` holds.
    fn whole_number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value = 0_u64;
        while let Some(digit) = self.digit() {
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
            self.at += 1;
        }
        let length = self.at - start;
        (length == 1 || (length > 1 && self.bytes[start] != b'0')).then_some(value)
    }

    fn digit(&self) -> Option<u8> {
        let digit = self.bytes.get(self.at)?.wrapping_sub(b'0');
        (digit <= 9).then_some(digit)
    }

    /// A finite number by the grammar of JSON, rounded as serde rounds it.
    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let negative = self.bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let mut mantissa = self.whole_number()?;
        let mut exact = mantissa < EXACT_WHOLE;
        let mut decimals = 0;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            while let Some(digit) = self.digit() {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
                exact &= mantissa < EXACT_WHOLE && decimals < 17;
                decimals += 1;
                self.at += 1;
            }
            if decimals == 0 {
                return None;
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            exact = false;
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digit()?;
            while self.digit().is_some() {
                self.at += 1;
            }
        }
        if exact {
            // One division of two exact numbers is rounded once, hence correctly.
            let value = mantissa as f64 / EXACT_POWERS[decimals];
            return Some(if negative { -value } else { value });
        }
        let text = from_utf8(&self.bytes[start..self.at]).ok()?;
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }

    fn number_or_name(&mut self) -> Option<f64> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.number();
        }
        self.at += 1;
        match self.plain_text()? {
            "NaN" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        }
    }

    /// A text up to its closing quote, which is passed; `None` where it holds an escape
    /// or a control character.
    fn plain_text(&mut self) -> Option<&'line str> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest
            .iter()
            .position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20)?;
        if rest[length] != b'"' {
            return None;
        }
        self.at += length + 1;
        from_utf8(&rest[..length]).ok()
    }

    fn axis(&mut self) -> Option<Axis> {
        match self.plain_text()? {
            "env_steps" => Some(Axis::EnvSteps),
            "learner_updates" => Some(Axis::LearnerUpdates),
            "tokens" => Some(Axis::Tokens),
            "seconds" => Some(Axis::Seconds),
            _ => None,
        }
    }
}

/// Hands over the whole lines at the start of a buffer (`None` for one that is no event)
/// and tells how many bytes they take; a line without its line feed is left.
pub(crate) fn each_line(bytes: &[u8], take: &mut dyn FnMut(Option<Line<'_>>)) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        // Without its line feed a line may go on: the length decides.
        if let Some((scalar, length)) = scalar_at(rest)
            && rest[length - 1] == b'\n'
        {
            take(Some(Line::Scalar(scalar)));
            at += length;
            continue;
        }
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            break;
        };
        take(parse(&rest[..=end]));
        at += end + 1;
    }
    at
}

#[cfg(test)]
mod tests;
