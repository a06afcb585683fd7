//! A backend that makes everything up from the seeds of its jobs, within what they allow.

#![allow(dead_code, reason = "each test uses a part")]

use configs::search::{Method, MethodConfig, SearchConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use search::job::{Action, Job, JobId, JobKind, Outcome, Question, Usage};
use search::log::{Event, LogEvent};
use search::resource::Limits;
use search::serving::Backend;
use search::{Search, Settings};

pub const METHODS: [Method; 16] = [
    Method::Bavt,
    Method::ConstantExponent,
    Method::InvertedExponent,
    Method::Greedy,
    Method::Uniform,
    Method::BgMcts,
    Method::ValueOfInformation,
    Method::SecondOpinion,
    Method::React,
    Method::Parallel,
    Method::BestOfN,
    Method::SelfConsistency,
    Method::Beam,
    Method::TreeOfThoughts,
    Method::Mcts,
    Method::AbMctsA,
];

/// How things go wrong, as shares of jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct MadeUp {
    /// Jobs that fail, at a cost.
    pub failures: f64,
    /// Judgements that cannot be read.
    pub unreadable: f64,
    /// Replies longer than allowed.
    pub lies: f64,
    /// Tool calls that fail.
    pub broken_tools: f64,
}

impl MadeUp {
    pub fn outcome(&self, job: &Job) -> Outcome {
        let mut random = ChaCha8Rng::seed_from_u64(job.seed);
        let most = job.max_tokens.clamp(1, 90);
        let mut output_tokens = random.random_range(1..=most);
        if random.random_bool(self.lies) {
            output_tokens = job.max_tokens + random.random_range(1..400_u64);
        }
        let mut usage = Usage {
            prompt_tokens: 100 + 20 * job.state.steps.len() as u64,
            output_tokens,
            milliseconds: random.random_range(0..5),
            ..Usage::default()
        };
        if random.random_bool(self.failures) {
            let why = "made to fail".to_owned();
            let fatal = false;
            return Outcome::Failed { why, fatal, usage };
        }
        match &job.kind {
            JobKind::Plan => Outcome::Planned {
                text: "look it up".to_owned(),
                usage,
            },
            JobKind::Step { tools_allowed, .. } => {
                let action = match random.random_range(0..10) {
                    0 => Action::Think,
                    1 => Action::Answer {
                        text: answer(&mut random),
                    },
                    2 => Action::Call {
                        tool: "nonsense".to_owned(),
                        input: "x".to_owned(),
                    },
                    _ if *tools_allowed => Action::Call {
                        tool: "search".to_owned(),
                        input: format!("fact number {}", random.random_range(0..40)),
                    },
                    _ => Action::Answer {
                        text: answer(&mut random),
                    },
                };
                Outcome::Stepped {
                    thought: "perhaps".to_owned(),
                    action,
                    cut: random.random_bool(0.03),
                    usage,
                }
            }
            JobKind::Tool { input, .. } => {
                usage.output_tokens = 0;
                usage.prompt_tokens = 0;
                Outcome::Observed {
                    text: format!("about {input}"),
                    failed: random.random_bool(self.broken_tools),
                    usage,
                }
            }
            JobKind::Critic => {
                let delta = f64::from(random.random_range(-3..=4_i32));
                let readable = !random.random_bool(self.unreadable);
                Outcome::Judged {
                    delta: readable.then_some(delta),
                    score: readable.then_some(job.state.value * 10.0 + delta),
                    sufficient: None,
                    why: String::new(),
                    usage,
                }
            }
            JobKind::Answer { .. } => Outcome::Answered {
                text: answer(&mut random),
                usage,
            },
        }
    }
}

impl Backend for MadeUp {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        jobs.iter().map(|job| (job.id, self.outcome(job))).collect()
    }
}

fn answer(random: &mut ChaCha8Rng) -> String {
    ["Graz", "the Graz", "Linz", "Wels"][random.random_range(0..4)].to_owned()
}

pub fn settings(kind: Method) -> Settings {
    let method = MethodConfig {
        kind,
        ..MethodConfig::default()
    };
    let mut config = SearchConfig {
        method,
        ..SearchConfig::default()
    };
    config.tools.lookup = true;
    config.tools.lookup_cost = 2;
    Settings {
        step_tokens: 90,
        fewest_step_tokens: 20,
        critic_tokens: 40,
        plan_tokens: 60,
        answer_tokens: 60,
        ..Settings::of(&config)
    }
}

pub fn limits(tokens: u64, tool_calls: u64) -> Limits {
    Limits {
        tokens: Some(tokens),
        tool_calls: Some(tool_calls),
        ..Limits::default()
    }
}

pub fn question() -> Question {
    Question::new("q1", "Where was the maker born?")
}

pub fn search(settings: &Settings, limits: Limits, seed: u64) -> Search {
    Search::new(settings, question(), limits, seed).unwrap()
}

/// The whole search with one job at a time, and its events.
pub fn run(
    settings: &Settings,
    limits: Limits,
    seed: u64,
    backend: MadeUp,
) -> (Search, Vec<Event>) {
    let mut backend = backend;
    let search = search(settings, limits, seed);
    search::serving::serve(search, Vec::new(), &mut backend, 1).unwrap()
}

/// The log of these events.
pub fn as_text(events: &[Event]) -> String {
    let lines = events.iter().cloned();
    lines
        .map(|event| LogEvent::at(0.0, event).to_line() + "\n")
        .collect()
}
