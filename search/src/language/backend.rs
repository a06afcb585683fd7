//! The backend.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use configs::search::PricesConfig;

use super::{
    Completion, CompletionModel, CompletionRequest, Finish, ModelError, Observation, Sampling,
    Toolbox,
};
use crate::dialogue::{CriticChoice, Judgement, PromptStyle, ToolCall};
use crate::job::{Action, Instruction, Job, JobId, JobKind, Outcome, Usage};
use crate::serving::Backend;

/// Calls of tools that are under way at the same time.
const MOST_CALLS: usize = 16;

/// How replies are drawn, by who speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    /// Of plans, steps and answers.
    pub generator: Sampling,
    /// Of judgements.
    pub critic: Sampling,
    /// Whether the critic's choices are weighed against each other, where style and model can do that, instead
    /// of a judgement being written.
    pub weighs: bool,
}

/// Serves jobs by a model, a style of prompts and tools.
pub struct LanguageBackend<M, T> {
    model: M,
    style: Box<dyn PromptStyle>,
    tools: T,
    names: Vec<String>,
    manner: Manner,
    prices: PricesConfig,
}

impl<M: CompletionModel, T: Toolbox> LanguageBackend<M, T> {
    /// A backend. `prices` turn usage into money.
    pub fn new(
        model: M,
        style: Box<dyn PromptStyle>,
        tools: T,
        manner: Manner,
        prices: PricesConfig,
    ) -> Self {
        let names = tools.descriptions().into_iter().map(|tool| tool.name);
        Self {
            names: names.collect(),
            model,
            style,
            tools,
            manner,
            prices,
        }
    }

    /// The model, for its figures.
    pub fn model(&self) -> &M {
        &self.model
    }

    fn request(&self, job: &Job) -> CompletionRequest {
        let is_critic = job.kind == JobKind::Critic;
        let choices = if is_critic && self.manner.weighs {
            let choices = self.style.critic_choices().into_iter();
            choices.map(|choice| choice.text).collect()
        } else {
            Vec::new()
        };
        CompletionRequest {
            prompt: self.style.prompt(job),
            max_tokens: job.max_tokens,
            sampling: if is_critic {
                self.manner.critic
            } else {
                self.manner.generator
            },
            seed: job.seed,
            choices,
        }
    }

    /// What a reply means for its job.
    fn read(&self, job: &Job, reply: Result<Completion, ModelError>) -> Outcome {
        let reply = match reply {
            Ok(reply) => reply,
            Err(ModelError { why, fatal, usage }) => {
                let usage = priced(&self.prices, usage);
                return Outcome::Failed { why, fatal, usage };
            }
        };
        let usage = priced(&self.prices, reply.usage);
        let cut = reply.finish == Finish::Length;
        match &job.kind {
            JobKind::Plan => Outcome::Planned {
                text: self.style.read_plan(&reply.text),
                usage,
            },
            JobKind::Step {
                instruction,
                tools_allowed,
                ..
            } => {
                let (thought, action) = match reply.call {
                    Some(ToolCall { tool, input }) => {
                        let (thought, _) = self.style.read_step(&reply.text, true);
                        (thought, Action::Call { tool, input })
                    }
                    None => self.style.read_step(&reply.text, cut),
                };
                let (thought, action) = self.known(thought, action, *tools_allowed);
                // Who is asked for nothing but the answer may leave out that it is one.
                let unnamed = action == Action::Think && !cut;
                let action = if unnamed && *instruction == Instruction::Answer {
                    let text = self.style.read_answer(&reply.text);
                    Action::Answer { text }
                } else {
                    action
                };
                Outcome::Stepped {
                    thought,
                    action,
                    cut,
                    usage,
                }
            }
            JobKind::Critic => self.judged(&reply, usage),
            JobKind::Answer { .. } => Outcome::Answered {
                text: self.style.read_answer(&reply.text),
                usage,
            },
            JobKind::Tool { .. } => Outcome::Failed {
                why: "a tool's job was put to the model - please report it".to_owned(),
                fatal: false,
                usage,
            },
        }
    }

    /// The action, when it can be done; what cannot is part of the thought, where the next step sees it.
    fn known(&self, thought: String, action: Action, tools_allowed: bool) -> (String, Action) {
        let Action::Call { tool, input } = action else {
            return (thought, action);
        };
        let name = self
            .names
            .iter()
            .find(|name| name.eq_ignore_ascii_case(&tool));
        match name.filter(|_| tools_allowed) {
            Some(name) => {
                let tool = name.clone();
                (thought, Action::Call { tool, input })
            }
            None => {
                let why = if tools_allowed {
                    format!("there is no tool {tool}, only {}", self.names.join(", "))
                } else {
                    "no tool can be called any more".to_owned()
                };
                (
                    format!("{thought} ({why})").trim().to_owned(),
                    Action::Think,
                )
            }
        }
    }

    fn judged(&self, reply: &Completion, usage: Usage) -> Outcome {
        let weighed = reply.choice_log_probabilities.as_deref();
        let expected = weighed.and_then(|logs| expectation(logs, &self.style.critic_choices()));
        let Judgement {
            delta,
            score,
            sufficient,
            why,
        } = match expected {
            Some(points) => self.style.judged(points),
            None => self.style.read_judgement(&reply.text),
        };
        Outcome::Judged {
            delta,
            score,
            sufficient,
            why,
            usage,
        }
    }
}

/// The expectation of the points under the chances of the choices; none where the model weighed others.
fn expectation(log_probabilities: &[f64], choices: &[CriticChoice]) -> Option<f64> {
    let best = log_probabilities.iter().copied().reduce(f64::max)?;
    if log_probabilities.len() != choices.len() || !best.is_finite() {
        return None;
    }
    let weights = log_probabilities.iter().map(|log| (log - best).exp());
    let (sum, weighted) = weights
        .zip(choices)
        .fold((0.0, 0.0), |(sum, weighted), (weight, choice)| {
            (sum + weight, weighted + weight * choice.points)
        });
    Some(weighted / sum)
}

/// With its price in money, rounded up.
fn priced(prices: &PricesConfig, usage: Usage) -> Usage {
    let cached = usage.cached_tokens.min(usage.prompt_tokens);
    let money = prices.of_model(usage.prompt_tokens, cached, usage.output_tokens)
        + usage.tool_units as f64 * prices.tool_unit * 1e6;
    Usage {
        // Saturates, as casts of floats do.
        micro_dollars: money.ceil() as u64,
        ..usage
    }
}

impl<M: CompletionModel, T: Toolbox> Backend for LanguageBackend<M, T> {
    /// Serves all jobs. Tools work on threads of their own while the model replies.
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        let is_call = |job: &&Job| matches!(job.kind, JobKind::Tool { .. });
        let (calls, asks): (Vec<&Job>, Vec<&Job>) = jobs.iter().partition(is_call);
        let requests: Vec<CompletionRequest> = asks.iter().map(|job| self.request(job)).collect();
        let calling = Calling {
            tools: &self.tools,
            names: &self.names,
            prices: &self.prices,
        };
        let model = &mut self.model;
        let (replies, mut served) = match (requests.is_empty(), calls.as_slice()) {
            (true, []) => return Vec::new(),
            (true, [one]) => (Vec::new(), vec![(one.id, calling.observe(one))]),
            (false, []) => (model.complete(&requests), Vec::new()),
            _ => calling.beside(&calls, || {
                if requests.is_empty() {
                    Vec::new()
                } else {
                    model.complete(&requests)
                }
            }),
        };
        let replies = asks.into_iter().zip(replies);
        served.extend(replies.map(|(job, reply)| (job.id, self.read(job, reply))));
        served
    }

    fn notes(&mut self) -> Vec<String> {
        self.model.notes()
    }
}

/// Tools, and what calling them needs.
struct Calling<'a, T> {
    tools: &'a T,
    names: &'a [String],
    prices: &'a PricesConfig,
}

impl<T: Toolbox> Calling<'_, T> {
    /// Serves calls on other threads while `work` is done on this one.
    fn beside<R>(&self, calls: &[&Job], work: impl FnOnce() -> R) -> (R, Vec<(JobId, Outcome)>) {
        let next = AtomicUsize::new(0);
        let take = || {
            let mut served = Vec::new();
            while let Some(job) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                served.push((job.id, self.observe(job)));
            }
            served
        };
        thread::scope(|scope| {
            let threads = calls.len().min(MOST_CALLS);
            // Where the machine has no thread left, this one takes the calls afterwards.
            let threads: Vec<_> = (0..threads)
                .filter_map(|_| thread::Builder::new().spawn_scoped(scope, take).ok())
                .collect();
            let done = work();
            let mut served = take();
            for thread in threads {
                // A tool that panics is caught where it is called.
                served.extend(thread.join().unwrap_or_default());
            }
            (done, served)
        })
    }

    /// Calls a tool, once; one that panics has failed.
    fn observe(&self, job: &Job) -> Outcome {
        let JobKind::Tool { tool, input } = &job.kind else {
            return Outcome::Failed {
                why: "a model's job was put to the tools - please report it".to_owned(),
                fatal: false,
                usage: Usage::default(),
            };
        };
        let begin = Instant::now();
        let failed = |text: String| Observation {
            text,
            failed: true,
            units: 0,
        };
        let observation = if self.names.contains(tool) {
            catch_unwind(AssertUnwindSafe(|| self.tools.call(tool, input)))
                .unwrap_or_else(|_| failed(format!("{tool} broke down")))
        } else {
            let names = self.names.join(", ");
            failed(format!("there is no tool {tool}, only {names}"))
        };
        let usage = Usage {
            tool_units: observation.units,
            milliseconds: begin.elapsed().as_millis() as u64,
            ..Usage::default()
        };
        Outcome::Observed {
            text: observation.text,
            failed: observation.failed,
            usage: priced(self.prices, usage),
        }
    }
}
