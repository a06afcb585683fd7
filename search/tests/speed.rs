//! How long the machine takes beside its backend. Run with `--nocapture` for the figures.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Instant;

use configs::search::Method;
use search::Search;
use search::job::{Action, Job, JobId, JobKind, Outcome, Question, Usage};
use search::log::{Writer, replay};
use search::resource::Limits;
use search::serving::{Backend, serve};

/// Replies at once, with gains that keep most nodes open.
struct Instantly;

impl Backend for Instantly {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        let usage = Usage {
            output_tokens: 1,
            ..Usage::default()
        };
        let outcome = |job: &Job| match job.kind {
            JobKind::Step { .. } => Outcome::Stepped {
                thought: "a thought of some length, as a policy would have it".to_owned(),
                action: Action::Call {
                    tool: "search".to_owned(),
                    input: format!("query number {}", job.id),
                },
                cut: false,
                usage,
            },
            JobKind::Tool { .. } => Outcome::Observed {
                text: "an observation of a few hundred characters; ".repeat(6),
                failed: false,
                usage: Usage::default(),
            },
            JobKind::Critic => Outcome::Judged {
                delta: Some([0.5, -1.0, 0.31, 0.07][job.seed as usize % 4]),
                score: None,
                sufficient: None,
                why: "a new fact".to_owned(),
                usage,
            },
            _ => Outcome::Answered {
                text: "Graz".to_owned(),
                usage,
            },
        };
        jobs.iter().map(|job| (job.id, outcome(job))).collect()
    }
}

/// Seconds that this thread has computed; wall-clock time where the system does not tell.
fn computed(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |told| told / 1e9)
}

/// Microseconds for each node at 10,000 nodes, and seconds of a replay.
fn measure(kind: Method) -> (f64, f64) {
    let mut settings = search::Settings::default();
    settings.method.kind = kind;
    settings.method.plan = false;
    settings.method.node_limit = 10_000;
    settings.method.answer_threshold = 1.0;
    settings.method.duplicate_check = configs::search::DuplicateCheck::Off;
    let limits = Limits {
        tokens: Some(10_000_000),
        tool_calls: Some(1_000_000),
        ..Limits::default()
    };
    let search = Search::new(&settings, Question::new("q", "Where?"), limits, 1).unwrap();
    let start = Instant::now();
    let begun = computed(start);
    let (search, writer) = serve(search, Writer::new(Vec::new()), &mut Instantly, 1).unwrap();
    let seconds = computed(start) - begun;
    let nodes = search.tree().len();
    assert!(nodes > 9_000, "{kind:?}: {nodes}");
    let log = writer.into_inner();
    let begun = computed(start);
    let replayed = replay(&log).unwrap();
    let again = computed(start) - begun;
    assert_eq!(replayed.search.tree(), search.tree());
    (seconds * 1e6 / nodes as f64, again)
}

#[test]
fn ten_thousand_nodes() {
    for kind in [
        Method::Bavt,
        Method::Greedy,
        Method::Mcts,
        Method::BgMcts,
        Method::AbMctsA,
        Method::ValueOfInformation,
    ] {
        let (micros, again) = measure(kind);
        println!("{kind:?}: {micros:.1} microseconds for a node, replayed in {again:.2} s");
        if kind == Method::Bavt {
            assert!(micros < 50.0, "{micros}");
            assert!(again < 2.0, "{again}");
        }
    }
}
