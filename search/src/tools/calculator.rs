//! `calculator`: sums with `+ - * / ^`, parentheses and decimal numbers.

use super::{Tool, ToolError, ToolReply};

/// Parentheses and signs within each other, at most.
const DEEPEST: usize = 64;

/// Works sums out.
pub struct Calculator {
    cost: u64,
}

impl Calculator {
    /// At this cost.
    pub fn new(cost: u64) -> Self {
        Self { cost }
    }
}

impl Tool for Calculator {
    fn name(&self) -> &str {
        "calculator"
    }

    fn purpose(&self) -> &str {
        "Works out a sum with + - * / ^ and parentheses."
    }

    fn input(&self) -> &str {
        "a sum, such as (1987 - 1950) * 2"
    }

    fn cost(&self) -> u64 {
        self.cost
    }

    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        match evaluate(input) {
            // The nearest double, in its shortest decimal form.
            Some(value) if value.is_finite() => Ok(ToolReply::new(value.to_string())),
            Some(_) => Err(ToolError::input(
                input,
                "sums with a finite result",
                "divide by something else than 0",
            )),
            None => Err(ToolError::input(
                input,
                "numbers, + - * / ^ and parentheses",
                "write it as a sum without words or units",
            )),
        }
    }
}

/// The value of a sum; none where it is none.
pub fn evaluate(sum: &str) -> Option<f64> {
    let mut reader = Reader {
        rest: sum.trim_start(),
        depth: 0,
    };
    let value = reader.sum()?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    /// Takes one of these signs.
    fn take(&mut self, signs: &str) -> Option<char> {
        let sign = self
            .rest
            .chars()
            .next()
            .filter(|sign| signs.contains(*sign))?;
        self.rest = self.rest[sign.len_utf8()..].trim_start();
        Some(sign)
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        while let Some(sign) = self.take("+-") {
            let other = self.product()?;
            value = if sign == '+' {
                value + other
            } else {
                value - other
            };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.signed()?;
        while let Some(sign) = self.take("*/") {
            let other = self.signed()?;
            value = if sign == '*' {
                value * other
            } else {
                value / other
            };
        }
        Some(value)
    }

    /// `-2 ^ 2` is -4, as on paper.
    fn signed(&mut self) -> Option<f64> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = match self.take("+-") {
            Some('-') => -self.signed()?,
            Some(_) => self.signed()?,
            None => self.power()?,
        };
        self.depth -= 1;
        Some(value)
    }

    fn power(&mut self) -> Option<f64> {
        let base = self.number()?;
        match self.take("^") {
            Some(_) => Some(base.powf(self.signed()?)),
            None => Some(base),
        }
    }

    fn number(&mut self) -> Option<f64> {
        if self.take("(").is_some() {
            let value = self.sum()?;
            return self.take(")").map(|_| value);
        }
        let end = self
            .rest
            .find(|sign: char| !sign.is_ascii_digit() && sign != '.');
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        number.parse().ok()
    }
}
