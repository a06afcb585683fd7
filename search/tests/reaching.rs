//! Theorem 1 of BAVT on a tree whose probabilities are known by construction.
//!
//! Every question has one path. A step from the deepest node of it advances with probability
//! `LUCK`, by one point; every other step gains nothing and is pruned. So the candidates are the
//! path's own nodes, of values 0.1, 0.2 and so on, and the deepest one is drawn with at least the
//! probability that it has at the exponent 1: larger exponents favour it, since its value is the
//! largest.

use configs::search::SearchConfig;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use search::job::{Action, Job, JobId, JobKind, Outcome, Question, Usage};
use search::resource::Limits;
use search::serving::{Backend, serve};
use search::theorem::{advances, min_steps_bound, min_steps_exact, probability_of_fewer};
use search::{Search, Settings};

const LUCK: f64 = 0.8;
const GAIN: f64 = 0.1;
const EPSILON: f64 = 0.1;

/// Knows how far the path goes by now.
#[derive(Default)]
struct Planted {
    deepest: usize,
}

impl Backend for Planted {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        jobs.iter()
            .map(|job| (job.id, outcome(job, &mut self.deepest)))
            .collect()
    }
}

fn outcome(job: &Job, deepest: &mut usize) -> Outcome {
    let usage = Usage {
        output_tokens: 1,
        ..Usage::default()
    };
    let mut random = ChaCha8Rng::seed_from_u64(job.seed);
    match &job.kind {
        JobKind::Step { tried, .. } => Outcome::Stepped {
            thought: String::new(),
            action: Action::Call {
                tool: "search".into(),
                input: if job.state.steps.len() == *deepest && random.random_bool(LUCK) {
                    *deepest += 1;
                    "on".into()
                } else {
                    format!("off {}", tried.len())
                },
            },
            cut: false,
            usage,
        },
        JobKind::Tool { .. } => Outcome::Observed {
            text: String::new(),
            failed: false,
            usage: Usage::default(),
        },
        JobKind::Critic => {
            let on = |step: &std::sync::Arc<search::job::Step>| matches!(&step.action, Action::Call { input, .. } if input == "on");
            Outcome::Judged {
                delta: Some(f64::from(u8::from(job.state.steps.last().is_some_and(on)))),
                score: None,
                sufficient: None,
                why: String::new(),
                usage,
            }
        }
        _ => Outcome::Answered {
            text: "reached".into(),
            usage,
        },
    }
}

fn reaches(steps: u64, threshold: f64, seed: u64) -> bool {
    let mut config = SearchConfig::default();
    config.method.plan = false;
    config.method.answer_threshold = threshold;
    config.method.child_limit = 0;
    config.method.duplicate_check = configs::search::DuplicateCheck::Off;
    config.method.stop = configs::search::StopRule::FirstAnswer;
    config.method.node_limit = 10_000;
    let limits = Limits {
        tokens: Some(1_000_000),
        tool_calls: Some(steps),
        ..Limits::default()
    };
    let question = Question::new("q", "?");
    let search = Search::new(&Settings::of(&config), question, limits, seed).expect("a search");
    let (search, ()) = serve(search, (), &mut Planted::default(), 1).expect("served");
    search.verdict().is_some_and(|verdict| !verdict.backstop)
}

/// The smallest probability of an advance: at the exponent 1, over the path's depths.
fn p_min(advances: u64) -> f64 {
    let values = |depth: u64| (0..=depth).map(|node| 0.1 + GAIN * node as f64);
    (0..advances)
        .map(|depth| LUCK * values(depth).next_back().unwrap_or(0.0) / values(depth).sum::<f64>())
        .fold(1.0, f64::min)
}

fn share(steps: u64, threshold: f64, runs: u64) -> f64 {
    let reached = (0..runs).filter(|seed| reaches(steps, threshold, *seed));
    reached.count() as f64 / runs as f64
}

#[test]
fn within_the_bound_a_planted_path_is_reached() {
    let threshold = 0.4;
    let needed = advances(0.1, threshold, GAIN).unwrap();
    assert_eq!(needed, 3);
    let p = p_min(needed);
    assert!((p - 0.8 * 0.5).abs() < 1e-9, "{p}");
    let bound = min_steps_bound(p, needed, EPSILON).unwrap();
    let exact = min_steps_exact(p, needed, EPSILON).unwrap();
    assert!(exact < bound);
    let runs = 400;
    // Three standard errors below the promise.
    let least = |promise: f64| promise - 3.0 * (promise * (1.0 - promise) / runs as f64).sqrt();
    assert!(share(bound, threshold, runs) >= least(1.0 - EPSILON));
    assert!(share(exact, threshold, runs) >= least(1.0 - EPSILON));
}

#[test]
fn more_steps_reach_it_more_often_and_never_less_often_than_promised() {
    let threshold = 0.4;
    let runs = 400;
    let p = p_min(3);
    let shares: Vec<f64> = [3, 5, 8, 12]
        .into_iter()
        .map(|steps| {
            let found = share(steps, threshold, runs);
            let promise = 1.0 - probability_of_fewer(3, steps, p).unwrap();
            let error = (promise * (1.0 - promise) / runs as f64).sqrt();
            assert!(
                found >= promise - 3.0 * error,
                "{steps} steps: {found}, promised {promise}"
            );
            found
        })
        .collect();
    assert!(shares.is_sorted(), "{shares:?}");
    assert!(shares[0] < 0.6 && shares[3] > 0.95, "{shares:?}");
}
