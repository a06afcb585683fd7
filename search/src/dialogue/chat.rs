//! Prompts for models that follow instructions.
//!
//! | turn | what it says |
//! |---|---|
//! | system | the rules, and the tools where they are called in words |
//! | user | the question, and the plan |
//! | assistant, tool | the path, a step and its observation after the other |
//! | user | what is wanted now, and last of all the budget |
//!
//! All jobs of a node share everything before the last turn, the critic's too. The roles are those
//! of BAVT (section 3 and 4 of the specification); its own prompts were not published.

mod reading;
mod requests;

use super::{
    CriticChoice, Form, Judgement, Prompt, PromptStyle, Speaker, ToolCall, ToolDescription, Turn,
};
use crate::job::{Action, Job, JobKind, State, Step};

const RULES: &str = "\
You answer a question by collecting facts, one small step at a time. A step is one short thought \
and then one action. Build on the observations that you have; do not repeat a call. When the facts \
are enough, end with a line `Answer: ` and the shortest exact answer, without an explanation.";

/// A style for models that follow instructions.
#[derive(Clone, Debug)]
pub struct Chat {
    tools: Vec<ToolDescription>,
    tools_in_words: String,
    critic: Critic,
}

/// What the critic is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critic {
    /// What the last step added, -4 to 4 points of 10.
    Residual,
    /// How good the state is, 1 to 10 points.
    Absolute,
}

impl Chat {
    /// A style with these tools.
    pub fn new(tools: Vec<ToolDescription>, critic: Critic) -> Self {
        Self {
            tools_in_words: in_words(&tools),
            tools,
            critic,
        }
    }
}

/// The text protocol.
fn in_words(tools: &[ToolDescription]) -> String {
    let Some(first) = tools.first() else {
        return String::new();
    };
    let call = ToolCall {
        tool: first.name.clone(),
        input: first.input.clone(),
    };
    let list: String = tools
        .iter()
        .map(|tool| {
            format!(
                "\n- {}[input]: {} Input: {}.",
                tool.name, tool.purpose, tool.input
            )
        })
        .collect();
    format!(
        "To call a tool, end the step with one line such as\n{}\nand stop: the observation follows. Tools:{list}",
        call.in_words()
    )
}

/// Rules, question and plan, and the path: what all jobs of a node share.
fn path(state: &State) -> Vec<Turn> {
    let mut asked = format!("Question: {}", state.question);
    if let Some(plan) = &state.plan {
        asked.push_str("\n\nPlan:\n");
        asked.push_str(plan);
    }
    let mut turns = vec![
        Turn::new(Speaker::System, RULES),
        Turn::new(Speaker::User, asked),
    ];
    for step in &state.steps {
        tell(&mut turns, step);
    }
    turns
}

/// A step as it was said, after the others.
fn tell(turns: &mut Vec<Turn>, step: &Step) {
    let (text, call) = match &step.action {
        Action::Think => (step.thought.clone(), None),
        Action::Answer { text } => (format!("{}\nAnswer: {text}", step.thought), None),
        Action::Call { tool, input } => {
            let call = ToolCall {
                tool: tool.clone(),
                input: input.clone(),
            };
            (step.thought.clone(), Some(call))
        }
    };
    // Templates want turns that alternate: thoughts after each other are one turn.
    match turns.last_mut() {
        Some(last) if last.speaker == Speaker::Assistant && last.call.is_none() => {
            last.text = super::joined(&last.text, "\n", text.trim());
            last.call = call;
        }
        _ => turns.push(Turn {
            speaker: Speaker::Assistant,
            text: text.trim().to_owned(),
            call,
        }),
    }
    let is_call = matches!(step.action, Action::Call { .. });
    match &step.observation {
        Some(observation) => turns.push(Turn::new(Speaker::Tool, observation.as_str())),
        // A call is always answered, since servers refuse a conversation in which one is not.
        None if is_call => turns.push(Turn::new(Speaker::Tool, "no observation")),
        None => {}
    }
}

impl PromptStyle for Chat {
    fn prompt(&self, job: &Job) -> Prompt {
        let mut turns = path(&job.state);
        let asked = requests::last_turn(job, &self.tools, self.critic);
        // Two turns of the user in a row are refused by some templates.
        match turns.last_mut() {
            Some(last) if last.speaker == Speaker::User => {
                last.text = super::joined(&last.text, "\n\n", &asked);
            }
            _ => turns.push(Turn::new(Speaker::User, asked)),
        }
        let may_call = match job.kind {
            JobKind::Step { tools_allowed, .. } => tools_allowed && !self.tools.is_empty(),
            _ => false,
        };
        // Whoever calls in words may go on and make the observation up.
        let stop = match job.kind {
            JobKind::Step { .. } => vec!["\nObservation:".to_owned()],
            _ => Vec::new(),
        };
        Prompt {
            form: Form::Conversation,
            turns,
            stop,
            tools: self.tools.clone(),
            may_call,
            tools_in_words: self.tools_in_words.clone(),
        }
    }

    fn read_step(&self, reply: &str, cut: bool) -> (String, Action) {
        reading::step(reply, cut)
    }

    fn read_judgement(&self, reply: &str) -> Judgement {
        let mut judgement = reading::judgement(reply);
        // A number without a name is of the kind that was asked for.
        if let (Some(points), None, None) = (judgement.unnamed, judgement.delta, judgement.score) {
            match self.critic {
                Critic::Residual => judgement.delta = Some(points).filter(|p| p.abs() <= 4.0),
                Critic::Absolute => {
                    judgement.score = Some(points).filter(|p| (1.0..=10.0).contains(p));
                }
            }
        }
        Judgement {
            delta: judgement.delta,
            score: judgement.score,
            sufficient: judgement.sufficient,
            why: judgement.why,
        }
    }

    fn read_plan(&self, reply: &str) -> String {
        reading::spoken(reply).trim().to_owned()
    }

    fn read_answer(&self, reply: &str) -> String {
        reading::answer(reply)
    }

    fn judged(&self, points: f64) -> Judgement {
        let (delta, score) = match self.critic {
            Critic::Residual => (Some(points), None),
            Critic::Absolute => (None, Some(points)),
        };
        Judgement {
            delta,
            score,
            ..Judgement::default()
        }
    }

    fn critic_choices(&self) -> Vec<CriticChoice> {
        let (name, range) = match self.critic {
            Critic::Residual => ("delta", -4..=4),
            Critic::Absolute => ("score", 1..=10),
        };
        range
            .map(|points| CriticChoice {
                text: format!("{{\"{name}\": {points},"),
                points: f64::from(points),
            })
            .collect()
    }
}
