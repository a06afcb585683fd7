//! What a searcher and its critic learn from: prompts of [`crate::dialogue::compact`] with the right replies, gathered
//! along searches that make mistakes and recover.
//!
//! At every state the reply to learn is the right one, whatever is done next: a wrong or repeated query is never
//! learnt, only how to go on after it, either from the state before (`<widen>`, with what was tried) or with the failed
//! query in the path.

use std::sync::Arc;

use super::World;
use super::graph::Object;
use super::progress::{Progress, judge, judge_answer};
use super::questions::{Form, UNKNOWN, WorldQuestion};
use super::random::Draws;
use super::relations::RELATIONS;
use crate::dialogue::compact;
use crate::job::{Action, Instruction, JobKind, Remaining, State, Step};

/// Queries of one trace, at most.
const LONGEST: usize = 9;

/// What a row teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lesson {
    /// A plan.
    Plan,
    /// The next query, or the answer once everything is found.
    Step,
    /// The answer when it is asked for.
    Answer,
    /// What the last step was worth.
    Critic,
}

impl Lesson {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Step => "step",
            Self::Answer => "answer",
            Self::Critic => "critic",
        }
    }
}

/// A prompt with its right reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it teaches.
    pub lesson: Lesson,
    /// The question's identity.
    pub question: String,
    /// Hops resolved before.
    pub resolved: usize,
    /// Hops in all.
    pub hops: usize,
    /// What the model is given.
    pub prompt: String,
    /// What it should say.
    pub reply: String,
    /// What would be as right: the other word in the query, where it has not failed.
    pub also: Option<String>,
}

/// How much goes wrong in traces, and what is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The share of steps that are repeated, astray or of the wrong relation.
    pub mistakes: f64,
    /// How often a step that gained nothing is taken back; else it stays in the path.
    pub taken_back: f64,
    /// How often there is a plan.
    pub planned: f64,
    /// Weights of 1, 2 and 3 documents in an observation.
    pub results: [f64; 3],
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            mistakes: 0.25,
            taken_back: 0.65,
            planned: 0.8,
            results: [0.15, 0.7, 0.15],
        }
    }
}

/// A search under way, and what it teaches.
struct Trace<'a> {
    world: &'a World,
    question: &'a WorldQuestion,
    settings: &'a TraceSettings,
    draws: &'a mut Draws,
    state: State,
    progress: Progress,
    /// What the last step of the path found, in words.
    note: String,
    /// Queries that were taken back from the present state.
    tried: Vec<Action>,
    /// Of the hop that is looked for: which of its two words failed.
    failed: [bool; 2],
    calls_left: u64,
    results: usize,
    rows: Vec<Row>,
}

/// The rows of one search for one question's evidence. Empty where the documents state a fact but neither of its words
/// finds it.
pub fn trace(
    world: &World,
    question: &WorldQuestion,
    settings: &TraceSettings,
    draws: &mut Draws,
) -> Vec<Row> {
    let plan = draws
        .chance(settings.planned)
        .then(|| question.plan.as_str().into());
    let budget = 1 + draws.below(14) as u64;
    let results = 1 + draws.weighted(&settings.results);
    let mut trace = Trace {
        world,
        question,
        settings,
        draws,
        state: State {
            question: question.text.as_str().into(),
            question_id: question.id.as_str().into(),
            plan: None,
            steps: Vec::new(),
            value: 0.1,
        },
        progress: Progress::new(question),
        note: "begin".to_owned(),
        tried: Vec::new(),
        failed: [false; 2],
        calls_left: budget,
        results,
        rows: Vec::new(),
    };
    if plan.is_some() {
        trace.add(Lesson::Plan, &JobKind::Plan, question.plan.clone());
        trace.state.plan = plan;
    }
    for _ in 0..LONGEST {
        if !trace.advance() {
            break;
        }
    }
    let missed = trace.failed == [true; 2] && question.answerable;
    if missed { Vec::new() } else { trace.rows }
}

impl Trace<'_> {
    /// One step; false once the question is answered.
    fn advance(&mut self) -> bool {
        let target = self.progress.next(self.question);
        let target = target.filter(|_| self.failed != [true; 2]);
        if self.calls_left == 0 {
            self.add_answer();
            return false;
        }
        let Some(hop) = target else {
            self.add_answer();
            let reply = format!("<think> {} <ans> {}", self.note, self.answer());
            self.add_step(reply);
            if self.draws.chance(0.4) {
                let right = self.draws.chance(0.5);
                let answer = if right {
                    self.answer()
                } else {
                    self.wrong_answer()
                };
                self.judge_answer(answer);
            }
            return false;
        };
        if self.draws.chance(0.08) {
            self.add_answer();
        }
        if self.draws.chance(0.05) {
            let answer = self.wrong_answer();
            self.judge_answer(answer);
        }
        let (query, word) = self.right_query(hop);
        self.add_step(format!("<think> {} <search> {query}", self.note));
        if !self.failed[1 - word] {
            let other = format!(
                "<think> {} <search> {}",
                self.note,
                self.query_for(hop, 1 - word)
            );
            if let Some(row) = self.rows.last_mut() {
                row.also = Some(other);
            }
        }
        let wrong = self.draws.chance(self.settings.mistakes);
        let wrong = wrong.then(|| self.wrong_query(hop)).flatten();
        match wrong {
            Some(query) => self.execute(&query, None),
            None => self.execute(&query, Some(word)),
        }
        true
    }

    /// The subject's name behind the relation's word: the usual one mostly, and one that has not failed.
    fn right_query(&mut self, hop: usize) -> (String, usize) {
        let usual = usize::from(self.draws.chance(0.25));
        let word = if self.failed[usual] { 1 - usual } else { usual };
        (self.query_for(hop, word), word)
    }

    fn query_for(&self, hop: usize, word: usize) -> String {
        let hop = &self.question.hops[hop];
        let name = &self.world.graph.entity(hop.subject).name;
        format!("{} {name}", hop.relation.description().words[word])
    }

    /// A query that was made before, one of another relation, or one of somebody else in sight.
    fn wrong_query(&mut self, hop: usize) -> Option<String> {
        let right = &self.question.hops[hop];
        match self.draws.below(3) {
            0 => {
                let earlier = self
                    .state
                    .steps
                    .iter()
                    .filter_map(|step| match &step.action {
                        Action::Call { input, .. } => Some(input.clone()),
                        _ => None,
                    });
                let earlier: Vec<String> = earlier.collect();
                self.draws.one_of(&earlier).cloned()
            }
            1 => {
                let subject = self.world.graph.entity(right.subject);
                let others = RELATIONS.iter().filter(|row| row.subject == subject.kind);
                let others: Vec<_> = others
                    .filter(|row| row.relation != right.relation)
                    .collect();
                let other = self.draws.one_of(&others)?;
                let word = other.words[self.draws.below(2)];
                Some(format!("{word} {}", subject.name))
            }
            _ => {
                let sight = self.state.steps.last()?.observation.as_deref()?;
                let kind = self.world.graph.entity(right.subject).kind;
                let [first, second] = kind.words();
                let words: Vec<&str> = sight.split(' ').collect();
                let names = words
                    .windows(2)
                    .filter(|pair| first.contains(&pair[0]) && second.contains(&pair[1]));
                let names: Vec<String> = names.map(|pair| pair.join(" ")).collect();
                let named = self.world.graph.entity(right.subject).name.as_str();
                let name = self.draws.one_of(&names).filter(|name| *name != named)?;
                Some(format!("{} {name}", right.relation.word()))
            }
        }
    }

    /// Searches, teaches the critic, and keeps the step or takes it back.
    fn execute(&mut self, query: &str, word: Option<usize>) {
        let observation = self.world.observe(query, self.results);
        self.calls_left -= 1;
        let action = Action::Call {
            tool: "search".to_owned(),
            input: query.to_owned(),
        };
        let step = Step {
            thought: self.note.clone(),
            action: action.clone(),
            observation: Some(observation.clone()),
        };
        let before = self.progress.clone();
        let delta = judge(self.world, self.question, &before, query, &observation);
        self.state.steps.push(Arc::new(step));
        self.add(Lesson::Critic, &JobKind::Critic, format!("{delta:+}"));
        self.progress
            .observe(self.world, self.question, &observation);
        if self.progress.count() > before.count() {
            self.note = self.noted(&before);
            self.tried.clear();
            self.failed = [false; 2];
            return;
        }
        if let Some(word) = word {
            self.failed[word] = true;
        }
        if self.draws.chance(self.settings.taken_back) {
            self.state.steps.pop();
            self.tried.push(action);
        } else {
            self.tried.clear();
            "nothing".clone_into(&mut self.note);
        }
    }

    /// The facts that the last observation added: `director Silent Harvest is Ada Frost`.
    fn noted(&self, before: &Progress) -> String {
        let graph = &self.world.graph;
        let new = self.question.hops.iter().enumerate();
        let new = new.filter(|(index, _)| self.progress.has(*index) && !before.has(*index));
        let notes = new.map(|(_, hop)| {
            let (subject, object) = (&graph.entity(hop.subject).name, graph.fact(hop.fact).object);
            format!(
                "{} {subject} is {}",
                hop.relation.word(),
                graph.words(object)
            )
        });
        notes.collect::<Vec<_>>().join(" and ")
    }

    /// The right answer where it is found, `unknown` where it is not; yes or no is said in any case where it is true.
    fn answer(&self) -> String {
        let comparison = matches!(
            self.question.form,
            Form::Comparison | Form::BridgeComparison
        );
        if self.progress.complete() || comparison && self.question.answerable {
            return self.question.answers[0].clone();
        }
        UNKNOWN.to_owned()
    }

    fn add_answer(&mut self) {
        let reply = format!("<think> {} <ans> {}", self.note, self.answer());
        self.add(Lesson::Answer, &JobKind::Answer { forced: false }, reply);
    }

    /// The other of yes and no, else what the last note ends with where that is no answer, else `unknown`.
    fn wrong_answer(&self) -> String {
        let right = &self.question.answers;
        let noted = self.note.rsplit(" is ").next().unwrap_or_default();
        let noted = [noted, UNKNOWN]
            .into_iter()
            .find(|text| !right.iter().any(|right| right == text));
        match right[0].as_str() {
            "yes" => "no".to_owned(),
            "no" => "yes".to_owned(),
            _ => noted.unwrap_or("no").to_owned(),
        }
    }

    /// Teaches the critic what an answer is worth, and takes it back.
    fn judge_answer(&mut self, answer: String) {
        let delta = judge_answer(self.question, &self.progress, &answer);
        self.state.steps.push(Arc::new(Step {
            thought: self.note.clone(),
            action: Action::Answer { text: answer },
            observation: None,
        }));
        self.add(Lesson::Critic, &JobKind::Critic, format!("{delta:+}"));
        self.state.steps.pop();
    }

    fn add_step(&mut self, reply: String) {
        let widen = !self.tried.is_empty();
        let kind = JobKind::Step {
            instruction: if widen {
                Instruction::Widen
            } else {
                Instruction::Deepen
            },
            tried: self.tried.clone(),
            tools_allowed: true,
        };
        self.add(Lesson::Step, &kind, reply);
    }

    fn add(&mut self, lesson: Lesson, kind: &JobKind, reply: String) {
        let unlimited = self.calls_left > 9 && self.draws.chance(0.5);
        let remaining = Remaining {
            tokens: None,
            tool_calls: (!unlimited).then_some(self.calls_left),
            fraction: 1.0,
        };
        let Some(prompt) = compact::prompt(&self.state, kind, &remaining) else {
            return;
        };
        self.rows.push(Row {
            lesson,
            question: self.question.id.clone(),
            resolved: self.progress.count(),
            hops: self.question.hops.len(),
            prompt,
            reply,
            also: None,
        });
    }
}

/// Whether an object is named in a text, as a reply's fact or answer.
pub fn names(world: &World, object: Object, text: &str) -> bool {
    text.contains(&world.graph.words(object))
}
