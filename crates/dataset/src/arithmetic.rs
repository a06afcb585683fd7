//! Made-up arithmetic and word problems, so that everything can be tried without a download.
//!
//! The same seed gives the same problems on every machine. A problem is held out when a hash of its computation
//! says so, 1 in 10 of them: every wording of `345 + 278`, and of `278 + 345`, is on the same side, and nothing
//! that is held out is ever shown in training, whatever the seed.
//!
//! | kind | share | such as |
//! |---|---|---|
//! | sum | 24 % | `What is 345 + 278?` |
//! | difference | 20 % | `Compute 623 - 78.` |
//! | product | 12 % | `Multiply 23 by 7.` |
//! | steps | 20 % | `What is (7 + 5) * 3?` |
//! | words | 24 % | `Ann buys 4 pens at 12 coins each. How many coins is that?` |

mod computation;
mod questions;
mod random;
mod words;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::row::{Content, Message, Prompt, Record};
use crate::write::WriteRow;
use computation::Computation;
use questions::Kind;
use random::Random;

/// Which part of the problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Nine tenths, to learn from.
    Train,
    /// The others, never learnt from.
    HeldOut,
}

impl Split {
    /// The name in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::HeldOut => "held-out",
        }
    }

    /// What a computation belongs to.
    fn of(computation: &Computation) -> Split {
        if random::hash(&computation.key()).is_multiple_of(10) {
            Split::HeldOut
        } else {
            Split::Train
        }
    }
}

/// A question with its way to the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind and a hash of the question, such as `sum-03fa..`: the same question has the same id,
    /// but for a number behind it where it comes again.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// The way to the answer, such as `20 * 7 = 140, 3 * 7 = 21, 140 + 21 = 161`; it ends with the answer.
    pub steps: String,
    /// A whole number that is not negative.
    pub answer: String,
}

impl Problem {
    /// The kind of problem: `sum`, `difference`, `product`, `steps` or `words`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// The sentence that answers: `The answer is 42.`
    #[must_use]
    pub fn sentence(&self) -> String {
        sentence(&self.answer)
    }

    /// As a prompt of one user turn, with its answer for verifiers.
    #[must_use]
    pub fn prompt(self) -> Prompt {
        Prompt {
            id: self.id,
            content: Content::Messages(vec![Message::new("user", self.question)]),
            answer: Some(self.answer),
            extra: Record::new(),
        }
    }
}

fn sentence(answer: &str) -> String {
    format!("The answer is {answer}.")
}

impl WriteRow for Problem {
    fn record(&self) -> Result<Record, String> {
        let columns = [
            ("id", &self.id),
            ("question", &self.question),
            ("steps", &self.steps),
            ("answer", &self.answer),
        ];
        Ok(columns
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value.clone())))
            .collect())
    }
}

/// How often a kind is tried for a question that is new and of the right split.
const TRIES: usize = 1_000;

/// Problems without end, in the mixture above. No question comes twice before its kind has no others left, which
/// happens to products first: after some 50,000 problems to learn from, or 5,000 that are held out. Then the kind
/// begins anew, and `-2` and so on behind the ids keeps them apart.
pub fn problems(split: Split, seed: u64) -> impl Iterator<Item = Problem> {
    let mut random = Random::new(seed);
    let mut asked: HashMap<Kind, (u32, HashSet<u64>)> = HashMap::new();
    std::iter::repeat_with(move || {
        let kind = Kind::draw(&mut random);
        let (round, asked) = asked.entry(kind).or_insert_with(|| (1, HashSet::new()));
        loop {
            for _ in 0..TRIES {
                let (question, computation) = kind.question(&mut random);
                let hash = random::hash(&question);
                if Split::of(&computation) != split || !asked.insert(hash) {
                    continue;
                }
                let mut id = format!("{}-{hash:016x}", kind.name());
                if *round > 1 {
                    id = format!("{id}-{round}");
                }
                return Problem {
                    id,
                    question,
                    steps: computation.steps(),
                    answer: computation.answer().to_string(),
                };
            }
            *round += 1;
            asked.clear();
        }
    })
}

/// The first `count` problems as prompts of one user turn each.
#[must_use]
pub fn prompts(split: Split, count: usize, seed: u64) -> Vec<Prompt> {
    problems(split, seed)
        .take(count)
        .map(Problem::prompt)
        .collect()
}

/// A conversation to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Demonstration {
    /// The problem's id.
    pub id: String,
    /// A user turn and an assistant turn.
    pub messages: Vec<Message>,
    /// Whether the assistant turn begins with a trace: what `enable_thinking` has to be for the template.
    pub thinking: bool,
    /// The right answer.
    pub answer: String,
    /// Whether the assistant turn gives it.
    pub right: bool,
}

impl WriteRow for Demonstration {
    /// `id`, `messages`, `chat_template_kwargs` (as `transformers` and TRL name what a template is given),
    /// `answer`, `right`.
    fn record(&self) -> Result<Record, String> {
        let messages = serde_json::to_value(&self.messages).map_err(|error| error.to_string())?;
        let mut given = Record::new();
        given.insert("enable_thinking".to_owned(), Value::Bool(self.thinking));
        Ok(Record::from_iter([
            ("id".to_owned(), Value::String(self.id.clone())),
            ("messages".to_owned(), messages),
            ("chat_template_kwargs".to_owned(), Value::Object(given)),
            ("answer".to_owned(), Value::String(self.answer.clone())),
            ("right".to_owned(), Value::Bool(self.right)),
        ]))
    }
}

/// How many demonstrations in 100 are wrong.
const SLIPS: u64 = 10;

/// Solved problems of [`Split::Train`]. Half of them, drawn at random, think first:
/// `<think>\nSTEPS\n</think>\n\nThe answer is 42.`; the others only answer.
///
/// They are imperfect on purpose, so that a model that learnt them has something left to gain: 1 in 10 is wrong
/// by 1, 2, 10 or 100, up or down. A trace is right up to its last number, which is the wrong one.
#[must_use]
pub fn demonstrations(count: usize, seed: u64) -> Vec<Demonstration> {
    // Another stream than that of the problems: these stay the same whatever is drawn here.
    let mut random = Random::new(random::hash("demonstrations") ^ seed);
    problems(Split::Train, seed)
        .take(count)
        .map(|problem| {
            let thinking = random.below(2) == 0;
            let slip = random.below(100) < SLIPS;
            demonstration(problem, thinking, slip, &mut random)
        })
        .collect()
}

fn demonstration(
    problem: Problem,
    thinking: bool,
    slip: bool,
    random: &mut Random,
) -> Demonstration {
    let said = if slip {
        slipped(&problem.answer, random)
    } else {
        problem.answer.clone()
    };
    let answer = if thinking {
        let way = problem
            .steps
            .strip_suffix(&problem.answer)
            .unwrap_or(&problem.steps);
        format!("<think>\n{way}{said}\n</think>\n\n{}", sentence(&said))
    } else {
        sentence(&said)
    };
    Demonstration {
        id: problem.id,
        messages: vec![
            Message::new("user", problem.question),
            Message::new("assistant", answer),
        ],
        thinking,
        right: said == problem.answer,
        answer: problem.answer,
    }
}

/// Another number that is not negative.
fn slipped(answer: &str, random: &mut Random) -> String {
    let right: u64 = answer.parse().unwrap_or_default();
    let steps: &[u64] = match right {
        0..20 => &[1, 2],
        20..200 => &[1, 2, 10],
        _ => &[1, 2, 10, 100],
    };
    let by = *random.one_of(steps);
    if random.below(2) == 0 && right >= by {
        (right - by).to_string()
    } else {
        (right + by).to_string()
    }
}
