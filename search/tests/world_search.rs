//! BAVT in the symbolic world with a policy and a critic that make no mistakes: every question is answered with the
//! fewest calls, and the audit finds nothing wrong.

use configs::search::{Method, MethodConfig, SearchConfig, StopRule};
use search::Search;
use search::job::{Action, Job, JobId, JobKind, Outcome, Question, Usage};
use search::resource::Limits;
use search::serving::{Backend, serve};
use search::settings::Settings;
use search::world::audit::Audit;
use search::world::progress::{Progress, judge, judge_answer};
use search::world::questions::{QuestionSettings, Questions, WorldQuestion};
use search::world::{World, WorldSettings};

/// Knows the world: asks for the next fact in its document's own word, and judges exactly.
struct Knowing<'a> {
    world: &'a World,
    question: &'a WorldQuestion,
}

impl Knowing<'_> {
    fn progress(&self, job: &Job, steps: usize) -> Progress {
        let seen = job.state.steps[..steps].iter();
        let seen = seen.filter_map(|step| step.observation.as_deref());
        Progress::after(self.world, self.question, seen)
    }

    fn outcome(&self, job: &Job) -> Outcome {
        let usage = Usage {
            output_tokens: 10,
            ..Usage::default()
        };
        let steps = job.state.steps.len();
        match &job.kind {
            JobKind::Plan => Outcome::Planned {
                text: self.question.plan.clone(),
                usage,
            },
            JobKind::Step { .. } => {
                let action = match self.progress(job, steps).next(self.question) {
                    Some(hop) => {
                        let hop = &self.question.hops[hop];
                        let wording = self.world.graph.fact(hop.fact).wording;
                        let word = hop.relation.description().words[wording];
                        let name = &self.world.graph.entity(hop.subject).name;
                        Action::Call {
                            tool: "search".to_owned(),
                            input: format!("{word} {name}"),
                        }
                    }
                    None => Action::Answer {
                        text: self.question.answers[0].clone(),
                    },
                };
                Outcome::Stepped {
                    thought: "next".to_owned(),
                    action,
                    cut: false,
                    usage,
                }
            }
            JobKind::Tool { input, .. } => Outcome::Observed {
                text: self.world.observe(input, 2),
                failed: false,
                usage: Usage::default(),
            },
            JobKind::Critic => {
                let last = &job.state.steps[steps - 1];
                let before = self.progress(job, steps - 1);
                let observation = last.observation.as_deref().unwrap_or_default();
                let delta = match &last.action {
                    Action::Call { input, .. } => {
                        judge(self.world, self.question, &before, input, observation)
                    }
                    Action::Answer { text } => judge_answer(self.question, &before, text),
                    Action::Think => 0,
                };
                Outcome::Judged {
                    delta: Some(f64::from(delta)),
                    score: None,
                    sufficient: None,
                    why: String::new(),
                    usage,
                }
            }
            JobKind::Answer { .. } => Outcome::Answered {
                text: self.question.answers[0].clone(),
                usage,
            },
        }
    }
}

impl Backend for Knowing<'_> {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        jobs.iter().map(|job| (job.id, self.outcome(job))).collect()
    }
}

#[test]
fn whoever_knows_the_world_needs_the_fewest_calls() {
    let world = World::new(WorldSettings::default()).unwrap();
    let all = QuestionSettings {
        unanswerable: 0.0,
        ..QuestionSettings::default()
    };
    let mut questions = Questions::new(&world, &all, 1).unwrap();
    let method = MethodConfig {
        kind: Method::Bavt,
        stop: StopRule::FirstAnswer,
        ..MethodConfig::default()
    };
    let config = SearchConfig {
        method,
        ..SearchConfig::default()
    };
    let settings = Settings::of(&config);
    let (mut audit, mut solved, mut calls) = (Audit::default(), 0, 0);
    for number in 0..60 {
        let question = questions.make().unwrap();
        let limits = Limits {
            tokens: Some(100_000),
            tool_calls: Some(6 * question.hops.len() as u64),
            ..Limits::default()
        };
        let asked = Question::new(&question.id, &question.text);
        let search = Search::new(&settings, asked, limits, number).unwrap();
        let mut backend = Knowing {
            world: &world,
            question: &question,
        };
        let (search, _) = serve(search, Vec::new(), &mut backend, 1).unwrap();
        let verdict = search.verdict().unwrap();
        assert_eq!(verdict.violations, 0);
        solved += u64::from(verdict.answer.as_deref() == Some(&question.answers[0]));
        calls += search.ledger().spent().tool_calls;
        audit.add(&world, &question, search.tree());
    }
    assert_eq!(solved, 60);
    assert_eq!(
        (audit.searches, audit.astray, audit.wrong_answers),
        (60, 0, 0)
    );
    // The root stays a candidate and may be visited again: such calls are not astray, only not needed.
    assert!(
        calls >= audit.fewest_calls && calls <= 3 * audit.fewest_calls,
        "{calls} of {}",
        audit.fewest_calls
    );
    assert_eq!(audit.queries(), calls);
    assert_eq!(
        audit
            .critic()
            .map(|rates| (rates.false_positive, rates.false_negative)),
        Some((0.0, 0.0))
    );
    assert!(
        audit.judged.keys().all(|(truth, told)| truth == told),
        "{audit:?}"
    );
}
