//! Further judgements of a step: they cost nothing of the scarcest budget, and their median counts.

use configs::search::{Method, SearchConfig};
use search::job::{Action, Job, JobId, JobKind, Outcome, Question, Usage};
use search::log::Event;
use search::resource::Limits;
use search::serving::{Backend, serve};
use search::tree::NodeId;
use search::{Search, Settings};

/// Calls forever; the critic's judgements of a node come from a list, again and again.
struct Judging {
    deltas: Vec<Option<f64>>,
    given: usize,
    tokens: u64,
}

impl Backend for Judging {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        jobs.iter().map(|job| (job.id, self.outcome(job))).collect()
    }
}

impl Judging {
    fn outcome(&mut self, job: &Job) -> Outcome {
        let usage = Usage {
            output_tokens: self.tokens.min(job.max_tokens),
            ..Usage::default()
        };
        match &job.kind {
            JobKind::Critic => {
                let delta = self.deltas[self.given % self.deltas.len()];
                self.given += 1;
                Outcome::Judged {
                    delta,
                    score: None,
                    sufficient: None,
                    why: String::new(),
                    usage,
                }
            }
            JobKind::Tool { .. } => Outcome::Observed {
                text: "nothing".into(),
                failed: false,
                usage: Usage::default(),
            },
            JobKind::Step { .. } => Outcome::Stepped {
                thought: String::new(),
                action: Action::Call {
                    tool: "search".into(),
                    input: format!("{}", job.id),
                },
                cut: false,
                usage,
            },
            _ => Outcome::Answered {
                text: "42".into(),
                usage,
            },
        }
    }
}

fn searched(deltas: Vec<Option<f64>>, tokens: u64, tool_calls: Option<u64>) -> Search {
    let mut config = SearchConfig::default();
    config.method.kind = Method::SecondOpinion;
    config.method.plan = false;
    config.critic.max_tokens = 20;
    config.generation.max_step_tokens = 20;
    config.generation.min_step_tokens = 20;
    let limits = Limits {
        tokens: Some(tokens),
        tool_calls,
        ..Limits::default()
    };
    let question = Question::new("q", "?");
    let search = Search::new(&Settings::of(&config), question, limits, 1).expect("a search");
    let mut backend = Judging {
        deltas,
        given: 0,
        tokens: 20,
    };
    serve(search, (), &mut backend, 1).expect("served").0
}

fn first_delta(search: &Search) -> Option<f64> {
    search.tree().node(NodeId(1)).delta
}

#[test]
fn the_median_of_the_judgements_counts() {
    // Four judgements of no gain outvote one of four points: five were asked for.
    let search = searched(
        vec![Some(4.0), Some(0.0), Some(4.0), Some(0.0), Some(0.0)],
        10_000,
        Some(1),
    );
    assert_eq!(first_delta(&search), Some(0.0));
    assert_eq!(search.counters().judgements, 5);
    // Three of the same mind of five: the others cannot change it.
    let search = searched(vec![Some(1.0), Some(2.0), Some(4.0)], 10_000, Some(1));
    assert_eq!(first_delta(&search), Some(2.0));
    assert_eq!(search.counters().judgements, 3);
    // What could not be read is no gain, and not in the median.
    let search = searched(
        vec![None, Some(3.0), None, Some(2.0), Some(1.0)],
        10_000,
        Some(1),
    );
    assert_eq!(first_delta(&search), Some(2.0));
    assert_eq!(search.counters().critic_parse_failures, 0);
    let search = searched(vec![None], 10_000, Some(1));
    assert_eq!(first_delta(&search), Some(0.0));
    assert_eq!(search.counters().critic_parse_failures, 1);
}

#[test]
fn scarce_tokens_buy_one_judgement_only() {
    // 40 tokens a step and judgement: tokens end before the ten calls do.
    let search = searched(vec![Some(0.0)], 300, Some(10));
    let steps = search.tree().len() as u32 - 1;
    assert!(steps >= 3, "{steps} steps");
    assert_eq!(search.counters().judgements, steps);
    // Without another budget nothing is spare.
    let search = searched(vec![Some(0.0)], 2_000, None);
    assert_eq!(
        search.counters().judgements as usize,
        search.tree().len() - 1
    );
}

#[test]
fn the_scarcest_budget_stays_the_scarcest() {
    let mut config = SearchConfig::default();
    config.method.kind = Method::SecondOpinion;
    config.method.plan = false;
    config.critic.max_tokens = 20;
    config.generation.max_step_tokens = 20;
    config.generation.min_step_tokens = 20;
    for tokens in [600, 900, 1_200, 5_000] {
        let limits = Limits {
            tokens: Some(tokens),
            tool_calls: Some(10),
            ..Limits::default()
        };
        let question = Question::new("q", "?");
        let mut search = Search::new(&Settings::of(&config), question, limits, 1).unwrap();
        let mut backend = Judging {
            deltas: vec![Some(0.0), Some(1.0)],
            given: 0,
            tokens: 20,
        };
        let mut judged = 0;
        while search.verdict().is_none() {
            let jobs = search.ask(1);
            let before = search.ledger().fraction_left();
            let again = matches!(jobs[0].kind, JobKind::Critic) && {
                let judged_before = judged;
                judged = jobs[0].node.0;
                judged == judged_before
            };
            for (id, outcome) in backend.serve(&jobs) {
                search.tell(id, outcome);
            }
            if again {
                assert_eq!(search.ledger().fraction_left(), before, "{tokens} tokens");
            }
        }
        assert_eq!(search.counters().violations, 0);
    }
}

#[test]
fn a_search_with_further_judgements_is_replayed() {
    let mut config = SearchConfig::default();
    config.method.kind = Method::SecondOpinion;
    let limits = Limits {
        tokens: Some(5_000),
        tool_calls: Some(5),
        ..Limits::default()
    };
    let question = Question::new("q", "?");
    let search = Search::new(&Settings::of(&config), question, limits, 1).unwrap();
    let mut backend = Judging {
        deltas: vec![Some(0.0), Some(3.0), Some(2.0)],
        given: 0,
        tokens: 20,
    };
    let log = search::log::Writer::new(Vec::new());
    let (search, log) = serve(search, log, &mut backend, 1).unwrap();
    let text = log.into_inner();
    let replayed = search::log::replay(&text).unwrap();
    assert_eq!(replayed.search.tree(), search.tree());
    assert_eq!(replayed.search.verdict(), search.verdict());
    assert!(replayed.missing.is_empty());
    let lines = search::log::read(&text).unwrap().events;
    let results = lines.iter().filter(|line| {
        matches!(
            line.event,
            Event::Result {
                outcome: Outcome::Judged { .. },
                ..
            }
        )
    });
    assert!(results.count() > search.tree().len());
}
