//! What is computed, apart from how it is asked.

/// Whole numbers that are not negative, in every step too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Computation {
    /// `a + b`
    Sum(u64, u64),
    /// `a - b`
    Difference(u64, u64),
    /// `a * b`
    Product(u64, u64),
    /// `a / b`, without a remainder
    Quotient(u64, u64),
    /// `a + b + c`
    Three(u64, u64, u64),
    /// `a + b - c`
    SumLess(u64, u64, u64),
    /// `a - b + c`
    LessPlus(u64, u64, u64),
    /// `a * b + c`
    ProductPlus(u64, u64, u64),
    /// `c - a * b`
    LessProduct(u64, u64, u64),
    /// `(a + b) * c`
    SumTimes(u64, u64, u64),
}

impl Computation {
    pub(super) fn answer(self) -> u64 {
        match self {
            Computation::Sum(a, b) => a + b,
            Computation::Difference(a, b) => a - b,
            Computation::Product(a, b) => a * b,
            Computation::Quotient(a, b) => a / b,
            Computation::Three(a, b, c) => a + b + c,
            Computation::SumLess(a, b, c) => a + b - c,
            Computation::LessPlus(a, b, c) => a - b + c,
            Computation::ProductPlus(a, b, c) => a * b + c,
            Computation::LessProduct(a, b, c) => c - a * b,
            Computation::SumTimes(a, b, c) => (a + b) * c,
        }
    }

    /// As it is written.
    pub(super) fn text(self) -> String {
        match self {
            Computation::Sum(a, b) => format!("{a} + {b}"),
            Computation::Difference(a, b) => format!("{a} - {b}"),
            Computation::Product(a, b) => format!("{a} * {b}"),
            Computation::Quotient(a, b) => format!("{a} / {b}"),
            Computation::Three(a, b, c) => format!("{a} + {b} + {c}"),
            Computation::SumLess(a, b, c) => format!("{a} + {b} - {c}"),
            Computation::LessPlus(a, b, c) => format!("{a} - {b} + {c}"),
            Computation::ProductPlus(a, b, c) => format!("{a} * {b} + {c}"),
            Computation::LessProduct(a, b, c) => format!("{c} - {a} * {b}"),
            Computation::SumTimes(a, b, c) => format!("({a} + {b}) * {c}"),
        }
    }

    /// The same text for computations that are the same but for the order of two numbers.
    pub(super) fn key(self) -> String {
        let ordered = |a: u64, b: u64| (a.min(b), a.max(b));
        match self {
            Computation::Sum(a, b) => {
                let (a, b) = ordered(a, b);
                Computation::Sum(a, b)
            }
            Computation::Product(a, b) => {
                let (a, b) = ordered(a, b);
                Computation::Product(a, b)
            }
            Computation::Three(a, b, c) => {
                let mut all = [a, b, c];
                all.sort_unstable();
                Computation::Three(all[0], all[1], all[2])
            }
            Computation::SumLess(a, b, c) => {
                let (a, b) = ordered(a, b);
                Computation::SumLess(a, b, c)
            }
            Computation::ProductPlus(a, b, c) => {
                let (a, b) = ordered(a, b);
                Computation::ProductPlus(a, b, c)
            }
            Computation::LessProduct(a, b, c) => {
                let (a, b) = ordered(a, b);
                Computation::LessProduct(a, b, c)
            }
            Computation::SumTimes(a, b, c) => {
                let (a, b) = ordered(a, b);
                Computation::SumTimes(a, b, c)
            }
            other @ (Computation::Difference(..)
            | Computation::Quotient(..)
            | Computation::LessPlus(..)) => other,
        }
        .text()
    }

    /// The way to the answer, which is its last number. One operation is taken apart into tens and
    /// ones; of two, each is one step.
    pub(super) fn steps(self) -> String {
        let answer = self.answer();
        let steps = match self {
            Computation::Sum(a, b) => running(a, b, '+'),
            Computation::Difference(a, b) => running(a, b, '-'),
            Computation::Product(a, b) => product(a, b),
            Computation::Quotient(a, b) => {
                vec![step(answer, '*', b, a), step(a, '/', b, answer)]
            }
            Computation::Three(a, b, c) => {
                vec![step(a, '+', b, a + b), step(a + b, '+', c, answer)]
            }
            Computation::SumLess(a, b, c) => {
                vec![step(a, '+', b, a + b), step(a + b, '-', c, answer)]
            }
            Computation::LessPlus(a, b, c) => {
                vec![step(a, '-', b, a - b), step(a - b, '+', c, answer)]
            }
            Computation::ProductPlus(a, b, c) => {
                vec![step(a, '*', b, a * b), step(a * b, '+', c, answer)]
            }
            Computation::LessProduct(a, b, c) => {
                vec![step(a, '*', b, a * b), step(c, '-', a * b, answer)]
            }
            Computation::SumTimes(a, b, c) => {
                vec![step(a, '+', b, a + b), step(a + b, '*', c, answer)]
            }
        };
        steps.join(", ")
    }
}

fn step(a: u64, sign: char, b: u64, result: u64) -> String {
    format!("{a} {sign} {b} = {result}")
}

/// `278` as `270` and `8`, without what is zero.
fn parts(number: u64) -> Vec<u64> {
    let ones = number % 10;
    let mut parts = vec![number - ones, ones];
    parts.retain(|part| *part > 0);
    if parts.is_empty() {
        parts.push(0);
    }
    parts
}

/// Adds or takes away the ones last: `345 + 270 = 615, 615 + 8 = 623`.
fn running(a: u64, b: u64, sign: char) -> Vec<String> {
    let mut now = a;
    parts(b)
        .into_iter()
        .map(|part| {
            let next = if sign == '+' { now + part } else { now - part };
            let written = step(now, sign, part, next);
            now = next;
            written
        })
        .collect()
}

/// Multiplies tens and ones of the first: `20 * 7 = 140, 3 * 7 = 21, 140 + 21 = 161`.
fn product(a: u64, b: u64) -> Vec<String> {
    let parts = parts(a);
    let mut steps: Vec<String> = parts
        .iter()
        .map(|part| step(*part, '*', b, part * b))
        .collect();
    if let [tens, ones] = parts[..] {
        steps.push(step(tens * b, '+', ones * b, a * b));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::Computation;

    #[test]
    fn the_way_is_shown_in_two_steps_or_three() {
        assert_eq!(
            Computation::Sum(345, 278).steps(),
            "345 + 270 = 615, 615 + 8 = 623"
        );
        assert_eq!(
            Computation::Difference(623, 208).steps(),
            "623 - 200 = 423, 423 - 8 = 415"
        );
        assert_eq!(
            Computation::Product(23, 7).steps(),
            "20 * 7 = 140, 3 * 7 = 21, 140 + 21 = 161"
        );
        assert_eq!(
            Computation::Quotient(42, 6).steps(),
            "7 * 6 = 42, 42 / 6 = 7"
        );
        assert_eq!(
            Computation::LessProduct(4, 12, 100).steps(),
            "4 * 12 = 48, 100 - 48 = 52"
        );
    }

    #[test]
    fn the_order_of_a_sum_is_not_another_computation() {
        assert_eq!(
            Computation::Sum(345, 278).key(),
            Computation::Sum(278, 345).key()
        );
        assert_eq!(
            Computation::Three(3, 1, 2).key(),
            Computation::Three(2, 3, 1).key()
        );
        assert_ne!(
            Computation::Difference(9, 5).key(),
            Computation::Difference(9, 4).key()
        );
    }
}
