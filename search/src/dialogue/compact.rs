//! The grammar of the small searcher in `assets/searcher`: tags and words, separated by single spaces, so that a
//! tokenizer of words gives back what it was given.
//!
//! | job | prompt behind `<q> question <plan> plan` and the path | reply |
//! |---|---|---|
//! | plan | `<left> 5 <plan>` | `director then birthplace` |
//! | step | `<left> 5 <tried> director Silent Harvest <widen>` | `<think> nothing <search> directed Silent Harvest` |
//! | answer | `<left> 5 <answer>` | `<think> birthplace Ada Frost is Port Velda <ans> Port Velda` |
//! | critic | `<critic> <delta>` | `+2` |
//!
//! A step of the path is `<think> thought <search> query`, and only the last one shows its `<obs> observation`: each
//! thought begins by noting what the observation before it said, so that the path stays short. A child's prompt begins with
//! its parent's up to the parent's observation; step, answer and critic of one node differ behind its observation only.

use std::fmt::Write as _;

use super::{CriticChoice, Form, Judgement, Prompt, PromptStyle, Speaker, Turn};
use crate::job::{Action, Instruction, Job, JobKind, Remaining, State, Step};

/// The tag that ends a reply: the model's end-of-text token, and a stop string for others.
pub const END: &str = "<end>";

/// Every tag, in the order of the tokenizer's ids.
#[rustfmt::skip]
pub const TAGS: [&str; 16] = [
    "<q>", "<plan>", "<think>", "<search>", "<lookup>", "<calculate>", "<obs>", "<ans>", "<critic>", "<delta>",
    "<left>", "<tried>", "<deepen>", "<widen>", "<answer>", END,
];

/// What a critic may reply.
pub const DELTAS: [&str; 9] = ["-4", "-3", "-2", "-1", "+0", "+1", "+2", "+3", "+4"];

/// Of the tried actions only the last ones are shown.
const TRIED_SHOWN: usize = 3;

/// The tools that have a tag.
const TOOLS: [(&str, &str); 3] = [
    ("search", "<search>"),
    ("lookup", "<lookup>"),
    ("calculator", "<calculate>"),
];

/// The style of the small searcher: one text, no conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compact;

impl PromptStyle for Compact {
    fn prompt(&self, job: &Job) -> Prompt {
        let text = prompt(&job.state, &job.kind, &job.remaining);
        Prompt {
            form: Form::Text,
            turns: text
                .map(|text| Turn::new(Speaker::User, text))
                .into_iter()
                .collect(),
            stop: vec![END.to_owned()],
            tools: Vec::new(),
            may_call: false,
            tools_in_words: String::new(),
        }
    }

    fn read_step(&self, reply: &str, cut: bool) -> (String, Action) {
        read_step(reply, cut)
    }

    fn read_judgement(&self, reply: &str) -> Judgement {
        Judgement {
            delta: read_delta(reply),
            ..Judgement::default()
        }
    }

    fn read_plan(&self, reply: &str) -> String {
        read_plan(reply)
    }

    fn read_answer(&self, reply: &str) -> String {
        read_answer(reply)
    }

    fn critic_choices(&self) -> Vec<CriticChoice> {
        let choice = |text: &&str| {
            let points = read_delta(text)?;
            let text = format!(" {text}");
            Some(CriticChoice { text, points })
        };
        DELTAS.iter().filter_map(choice).collect()
    }
}

/// Question, plan and path: what all jobs of a node share.
pub fn path(state: &State) -> String {
    let mut text = format!("<q> {}", spaced(&state.question));
    if let Some(plan) = &state.plan {
        let _ = write!(text, " <plan> {}", spaced(plan));
    }
    for (index, step) in state.steps.iter().enumerate() {
        let last = index + 1 == state.steps.len();
        write_step(&mut text, step, last);
    }
    text
}

/// What is asked of the model; none where the job is a tool's.
pub fn prompt(state: &State, kind: &JobKind, remaining: &Remaining) -> Option<String> {
    let mut text = path(state);
    match kind {
        JobKind::Tool { .. } => return None,
        JobKind::Critic => text.push_str(" <critic> <delta>"),
        JobKind::Plan => {
            write_left(&mut text, remaining, true);
            text.push_str(" <plan>");
        }
        JobKind::Answer { .. } => {
            write_left(&mut text, remaining, true);
            text.push_str(" <answer>");
        }
        JobKind::Step {
            instruction,
            tried,
            tools_allowed,
        } => {
            write_left(&mut text, remaining, *tools_allowed);
            for action in &tried[tried.len().saturating_sub(TRIED_SHOWN)..] {
                if let Some(words) = words_of(action) {
                    let _ = write!(text, " <tried> {words}");
                }
            }
            text.push(' ');
            text.push_str(match instruction {
                _ if !tools_allowed => "<answer>",
                Instruction::Deepen => "<deepen>",
                Instruction::Widen => "<widen>",
                Instruction::Answer => "<answer>",
            });
        }
    }
    Some(text)
}

/// Thought and action of a reply. Without an action it is a thought; so is one that was cut before its end.
pub fn read_step(reply: &str, cut: bool) -> (String, Action) {
    let mut thought = String::new();
    for (tag, words) in parts(reply) {
        if cut && (tag == "<ans>" || tool_of(&tag).is_some()) {
            break;
        }
        if tag == "<ans>" {
            return (thought, Action::Answer { text: words });
        }
        if let Some(tool) = tool_of(&tag) {
            let tool = tool.to_owned();
            return (thought, Action::Call { tool, input: words });
        }
        if tag == "<think>" || tag.is_empty() {
            thought = words;
        }
    }
    (thought, Action::Think)
}

/// The answer of a reply: behind `<ans>`, or all of a reply without tags.
pub fn read_answer(reply: &str) -> String {
    let parts = parts(reply);
    let tagged = parts.iter().find(|(tag, _)| tag == "<ans>");
    let (_, words) = tagged.or(parts.last()).cloned().unwrap_or_default();
    words
}

/// The first signed whole number of a critic's reply, within -4 and 4.
pub fn read_delta(reply: &str) -> Option<f64> {
    let number = |word: &str| {
        let parsed = word.parse::<i32>().ok();
        parsed.filter(|delta| (-4..=4).contains(delta))
    };
    reply.split_whitespace().find_map(number).map(f64::from)
}

/// The plan of a reply.
pub fn read_plan(reply: &str) -> String {
    let (_, words) = parts(reply).into_iter().next().unwrap_or_default();
    words
}

/// Single spaces between words, signs that end a word on their own, and no tags but our own.
pub fn spaced(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.replace(['<', '>'], " ").split_whitespace() {
        let signs = word.trim_end_matches(['.', ',', '?', '!', ';', ':']).len();
        if signs > 0 {
            words.push(word[..signs].to_owned());
        }
        words.extend(word[signs..].chars().map(String::from));
    }
    words.join(" ")
}

fn tool_of(tag: &str) -> Option<&'static str> {
    let known = TOOLS.iter().find(|(_, known)| *known == tag);
    known.map(|(tool, _)| *tool)
}

fn write_step(text: &mut String, step: &Step, last: bool) {
    let _ = write!(text, " <think> {}", spaced(&step.thought));
    match &step.action {
        Action::Think => {}
        Action::Answer { text: answer } => {
            let _ = write!(text, " <ans> {}", spaced(answer));
        }
        Action::Call { tool, input } => {
            let known = TOOLS.iter().find(|(name, _)| name == tool);
            let tag = known.map_or("<search>", |(_, tag)| tag);
            let _ = write!(text, " {tag} {}", spaced(input));
        }
    }
    if let Some(observation) = step.observation.as_ref().filter(|_| last) {
        let _ = write!(text, " <obs> {}", spaced(observation));
    }
}

/// ` <left> 5`: units of tool calls that are left, `many` above nine and without a limit.
fn write_left(text: &mut String, remaining: &Remaining, tools_allowed: bool) {
    let left = remaining.tool_calls.filter(|left| *left <= 9);
    let _ = match left {
        _ if !tools_allowed => write!(text, " <left> 0"),
        Some(left) => write!(text, " <left> {left}"),
        None => write!(text, " <left> many"),
    };
}

fn words_of(action: &Action) -> Option<String> {
    match action {
        Action::Think => None,
        Action::Call { input, .. } => Some(spaced(input)),
        Action::Answer { text } => Some(spaced(text)),
    }
}

/// A reply cut at its tags, up to [`END`]: each tag with the words behind it. The first has no tag where words come
/// before any.
fn parts(reply: &str) -> Vec<(String, String)> {
    let mut parts: Vec<(String, Vec<&str>)> = Vec::new();
    for word in reply.split_whitespace() {
        if word == END {
            break;
        }
        match parts.last_mut() {
            _ if TAGS.contains(&word) => parts.push((word.to_owned(), Vec::new())),
            Some((_, words)) => words.push(word),
            None => parts.push((String::new(), vec![word])),
        }
    }
    let joined = |(tag, words): (String, Vec<&str>)| (tag, words.join(" "));
    parts.into_iter().map(joined).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn state() -> State {
        let step = |thought: &str, input: &str, observation: &str| {
            Arc::new(Step {
                thought: thought.into(),
                action: Action::Call {
                    tool: "search".into(),
                    input: input.into(),
                },
                observation: Some(observation.into()),
            })
        };
        State {
            question: "Where was the director of Silent Harvest born?".into(),
            question_id: "1".into(),
            plan: Some("director then birthplace".into()),
            steps: vec![
                step(
                    "begin",
                    "director Silent Harvest",
                    "the director of Silent Harvest is Ada Frost .",
                ),
                step(
                    "director Silent Harvest is Ada Frost",
                    "born Ada Frost",
                    "Ada Frost <ans> lives.",
                ),
            ],
            value: 0.5,
        }
    }

    const LEFT: Remaining = Remaining {
        tokens: None,
        tool_calls: Some(3),
        fraction: 0.5,
    };

    fn call(input: &str) -> Action {
        Action::Call {
            tool: "search".into(),
            input: input.into(),
        }
    }

    #[test]
    fn a_step_shows_the_path_and_the_last_observation_and_ends_with_what_changes() {
        let kind = JobKind::Step {
            instruction: Instruction::Widen,
            tried: vec![call("a"), call("b"), call("c"), call("d")],
            tools_allowed: true,
        };
        let begin = "<q> Where was the director of Silent Harvest born ? <plan> director then birthplace \
             <think> begin <search> director Silent Harvest \
             <think> director Silent Harvest is Ada Frost <search> born Ada Frost \
             <obs> Ada Frost ans lives .";
        assert_eq!(path(&state()), begin);
        let text = prompt(&state(), &kind, &LEFT).unwrap();
        let end = "<left> 3 <tried> b <tried> c <tried> d <widen>";
        assert_eq!(text, format!("{begin} {end}"));
        let critic = prompt(&state(), &JobKind::Critic, &LEFT).unwrap();
        assert_eq!(critic, format!("{begin} <critic> <delta>"));
        let many = Remaining {
            tool_calls: None,
            ..LEFT
        };
        let answer = prompt(&state(), &JobKind::Answer { forced: true }, &many).unwrap();
        assert_eq!(answer, format!("{begin} <left> many <answer>"));
        let tool = JobKind::Tool {
            tool: "search".into(),
            input: "a".into(),
        };
        assert_eq!(prompt(&state(), &tool, &LEFT), None);
    }

    #[test]
    fn a_job_is_one_text_and_the_critic_has_nine_answers() {
        let job = Job {
            id: crate::job::JobId(1),
            node: crate::tree::NodeId(0),
            kind: JobKind::Critic,
            state: Arc::new(state()),
            remaining: LEFT,
            max_tokens: 4,
            seed: 1,
        };
        let prompt = Compact.prompt(&job);
        assert_eq!((prompt.form, prompt.turns.len()), (Form::Text, 1));
        assert!(prompt.turns[0].text.ends_with("<critic> <delta>"));
        let choices = Compact.critic_choices();
        let points: Vec<f64> = choices.iter().map(|choice| choice.points).collect();
        assert_eq!(points, [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(Compact.read_judgement(&choices[8].text).delta, Some(4.0));
    }

    #[test]
    fn replies_are_read_whole_or_broken() {
        let step = "<think> nothing <search> born Ada Frost <end> <ans> no";
        let read = read_step(step, false);
        assert_eq!(read, ("nothing".into(), call("born Ada Frost")));
        assert_eq!(read_step(step, true), ("nothing".into(), Action::Think));
        let text = "Port Velda".to_owned();
        let read = read_step("<think> a b <ans> Port Velda", false);
        assert_eq!(read, ("a b".into(), Action::Answer { text }));
        let read = read_step("so it goes", false);
        assert_eq!(read, ("so it goes".into(), Action::Think));
        assert_eq!(read_step("", false), (String::new(), Action::Think));
        assert_eq!(read_step("<search>", false), (String::new(), call("")));
        assert_eq!(
            read_answer("<think> a <ans> Port Velda <end>"),
            "Port Velda"
        );
        assert_eq!(read_answer("Port Velda"), "Port Velda");
        assert_eq!(read_answer(""), "");
        assert_eq!(
            read_plan("director then mayor <end>"),
            "director then mayor"
        );
        assert_eq!(read_delta("+2"), Some(2.0));
        assert_eq!(read_delta("<delta> -1 <end>"), Some(-1.0));
        assert_eq!(read_delta("+9"), None);
        assert_eq!(read_delta("good"), None);
    }
}
