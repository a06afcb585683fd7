//! Questions in numbers and signs, and which kinds come how often.

use super::computation::Computation;
use super::random::Random;
use super::words;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Sum,
    Difference,
    Product,
    Steps,
    Words,
}

impl Kind {
    pub(super) fn draw(random: &mut Random) -> Kind {
        match random.below(100) {
            0..24 => Kind::Sum,
            24..44 => Kind::Difference,
            44..56 => Kind::Product,
            56..76 => Kind::Steps,
            _ => Kind::Words,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Sum => "sum",
            Kind::Difference => "difference",
            Kind::Product => "product",
            Kind::Steps => "steps",
            Kind::Words => "words",
        }
    }

    /// A question and what it computes.
    pub(super) fn question(self, random: &mut Random) -> (String, Computation) {
        match self {
            Kind::Sum => sum(random),
            Kind::Difference => difference(random),
            Kind::Product => product(random),
            Kind::Steps => steps(random),
            Kind::Words => words::draw(random),
        }
    }
}

/// One to three digits, each as likely.
fn number(random: &mut Random) -> u64 {
    match random.below(3) {
        0 => random.from(1, 9),
        1 => random.from(10, 99),
        _ => random.from(100, 999),
    }
}

fn sum(random: &mut Random) -> (String, Computation) {
    let (a, b) = (number(random), number(random));
    let computation = Computation::Sum(a, b);
    let question = match random.below(4) {
        0 => format!("Add {a} and {b}."),
        _ => asked(random, computation),
    };
    (question, computation)
}

fn difference(random: &mut Random) -> (String, Computation) {
    let (a, b) = (number(random), number(random));
    let (a, b) = (a.max(b), a.min(b));
    let computation = Computation::Difference(a, b);
    let question = match random.below(4) {
        0 => format!("Subtract {b} from {a}."),
        _ => asked(random, computation),
    };
    (question, computation)
}

fn product(random: &mut Random) -> (String, Computation) {
    let (a, b) = (random.from(2, 99), random.from(2, 9));
    let computation = Computation::Product(a, b);
    // The way is that of the first by the second in either order.
    let (first, second) = if random.below(2) == 0 { (a, b) } else { (b, a) };
    let question = match random.below(5) {
        0 => format!("Multiply {first} by {second}."),
        1 => format!("What is {first} times {second}?"),
        _ => asked(random, Computation::Product(first, second)),
    };
    (question, computation)
}

fn steps(random: &mut Random) -> (String, Computation) {
    let (a, b, c) = (random.from(2, 40), random.from(2, 40), random.from(2, 40));
    let computation = match random.below(6) {
        0 => Computation::Three(a, b, c),
        1 => Computation::SumLess(a.max(c), b, a.min(c)),
        2 => Computation::LessPlus(a.max(b), a.min(b), c),
        3 => Computation::ProductPlus(random.from(2, 9), random.from(2, 12), c),
        4 => {
            let (a, b) = (random.from(2, 9), random.from(2, 12));
            Computation::LessProduct(a, b, a * b + c)
        }
        _ => Computation::SumTimes(random.from(2, 12), random.from(2, 12), random.from(2, 9)),
    };
    (asked(random, computation), computation)
}

fn asked(random: &mut Random, computation: Computation) -> String {
    let text = computation.text();
    match random.below(3) {
        0 => format!("What is {text}?"),
        1 => format!("Compute {text}."),
        _ => format!("{text} = ?"),
    }
}
