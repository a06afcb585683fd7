//! A made-up policy and critic of known error rates, for statistics of search methods.
//!
//! A question is a chain of two or three hops. A policy asks for the right hop,
//! leaves the path without noticing, or repeats itself; at a trap it collapses onto one wrong
//! step. A critic tells gain from no gain, with errors. Nothing but the search method
//! then decides how many questions are answered, at thousands of questions a second.
//!
//! What happens at a state is drawn from a stream of the question, the path and the
//! number of times that was drawn there before, so that methods meet the same luck and can be
//! compared question by question.

use configs::search::ScriptedConfig;

use crate::job::{Action, Job, JobId, JobKind, Outcome, Question, Usage};
use crate::serving::Backend;

pub mod chain;
mod critic;
pub mod draws;
mod policy;
pub mod table;

use chain::{Chain, Place};
use draws::{Draws, Purpose, Stream};

/// The right answer to every question.
pub const RIGHT: &str = "right";

/// Wrong answers that there are for each question. Wrong paths agree by chance, as they do with
/// short answers; the specification names no number, and with six the parallel baseline gives the
/// shares that it does name.
const WRONG_ANSWERS: u64 = 6;

/// Tokens of an answer.
const ANSWER_TOKENS: u64 = 20;

/// Tokens of a plan.
const PLAN_TOKENS: u64 = 30;

/// Who decides that a trajectory is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The critic: the policy only asks.
    Critic,
    /// The policy, which sees when it is done, gives up when it is lost, and sometimes stops too
    /// early: trajectories without a critic.
    Policy,
}

/// What decides the random stream of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coupling {
    /// The question and the path: two methods that do the same meet the same luck. For comparing
    /// methods; who serves the jobs must remember how often it was asked.
    Path,
    /// The job's own seed: a search that is resumed goes on as if it never had stopped.
    Job,
}

/// The policy, the tool and the critic.
#[derive(Clone, Debug)]
pub struct Scripted {
    config: ScriptedConfig,
    seed: u64,
    ending: Ending,
    draws: Draws,
    judged: critic::Judged,
}

impl Scripted {
    /// `seed` decides the chains and, with [`Coupling::Path`], all that happens on them.
    pub fn new(config: &ScriptedConfig, seed: u64, ending: Ending, coupling: Coupling) -> Self {
        Self {
            config: config.clone(),
            seed,
            ending,
            draws: Draws::new(seed, coupling),
            judged: critic::Judged::default(),
        }
    }

    /// The chain of a question.
    pub fn chain(&self, question: &str) -> Chain {
        Chain::of(&self.config, self.seed, question)
    }

    fn outcome(&mut self, job: &Job) -> Outcome {
        let chain = self.chain(&job.state.question_id);
        let place = Place::after(&chain, &job.state.steps);
        match &job.kind {
            JobKind::Plan => Outcome::Planned {
                text: "Resolve one hop after the other.".into(),
                usage: output(PLAN_TOKENS.min(job.max_tokens)),
            },
            JobKind::Step {
                tried,
                tools_allowed,
                ..
            } => {
                let mut stream = self.draws.stream(job, Purpose::Step);
                let begun = !job.state.steps.is_empty();
                let over = !tools_allowed
                    || (self.ending == Ending::Policy
                        && policy::ends(&chain, place, begun, &mut stream));
                if over {
                    return Outcome::Stepped {
                        thought: "The answer is at hand.".into(),
                        action: Action::Answer {
                            text: answer(&self.config, &chain, place, &mut stream),
                        },
                        cut: false,
                        usage: output(ANSWER_TOKENS.min(job.max_tokens)),
                    };
                }
                policy::step(
                    &self.config,
                    &chain,
                    place,
                    tried,
                    job.max_tokens,
                    &mut stream,
                )
            }
            JobKind::Tool { .. } => Outcome::Observed {
                text: place.text(&chain),
                failed: false,
                usage: Usage::default(),
            },
            JobKind::Critic => {
                let mut stream = self.draws.stream(job, Purpose::Critic);
                let before =
                    Place::after(&chain, job.state.steps.split_last().map_or(&[], |s| s.1));
                self.judged
                    .judge(&self.config, &chain, (before, place), job, &mut stream)
            }
            JobKind::Answer { .. } => {
                let mut stream = self.draws.stream(job, Purpose::Answer);
                Outcome::Answered {
                    text: answer(&self.config, &chain, place, &mut stream),
                    usage: output(ANSWER_TOKENS.min(job.max_tokens)),
                }
            }
        }
    }
}

impl Backend for Scripted {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        jobs.iter().map(|job| (job.id, self.outcome(job))).collect()
    }
}

/// The questions numbered from `first`. All of them have the right answer [`RIGHT`].
pub fn questions(first: u64, count: u64) -> impl Iterator<Item = Question> {
    (first..first.saturating_add(count)).map(|number| {
        Question::new(
            &format!("chain-{number:06}"),
            &format!("Where does chain {number} end?"),
        )
    })
}

/// The answer that a path supports.
fn answer(config: &ScriptedConfig, chain: &Chain, place: Place, stream: &mut Stream) -> String {
    let right = if place.is_done(chain) {
        config.answer_correct
    } else {
        config.guess_correct
    };
    if stream.uniform() < right {
        return RIGHT.into();
    }
    let which = (stream.uniform() * WRONG_ANSWERS as f64) as u64 + 1;
    format!("wrong {which}")
}

fn output(tokens: u64) -> Usage {
    Usage {
        output_tokens: tokens,
        ..Usage::default()
    }
}
