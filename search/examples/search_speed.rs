//! What a search costs beside its model: selection, ledger and log for each node of a large tree,
//! a replay of that tree from its log, and made-up questions in a second. Prints a JSON line for
//! each figure.
//!
//! ```sh
//! cargo run -p search --example search_speed -- [NODES] [QUESTIONS]
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use configs::search::SearchConfig;
use configs::{LoadRequest, RunConfig, load};
use search::job::{Action, Job, JobKind, Outcome, Question, Usage};
use search::log::{Sink, Writer, replay};
use search::resource::Limits;
use search::scripted::table::answer;
use search::{Search, Settings};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let nodes = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let questions = arguments.next().map_or(Ok(2_000), |text| text.parse())?;
    let log = grow(nodes)?;
    let start = Instant::now();
    let replayed = replay(&log)?;
    tell(&json!({
        "measure": "replay",
        "nodes": replayed.search.tree().len(),
        "log_bytes": log.len(),
        "seconds": start.elapsed().as_secs_f64(),
    }));
    ask_questions(questions)
}

/// Grows a tree and tells what its last tenth cost for each node. Gives the log.
fn grow(nodes: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut config = SearchConfig::default();
    config.method.node_limit = u32::try_from(nodes)?;
    let limits = Limits {
        tokens: Some(nodes as u64 * 1_000),
        tool_calls: Some(nodes as u64 * 2),
        ..Limits::default()
    };
    let question = Question::new("speed", "How long does a node take?");
    let mut search = Search::new(&Settings::of(&config), question, limits, 1)?;
    let mut writer = Writer::new(Vec::new());
    let (mut spent, mut before) = (Duration::ZERO, None);
    while search.verdict().is_none() {
        let start = Instant::now();
        let jobs = search.ask(1);
        writer.record(search.events())?;
        spent += start.elapsed();
        for job in jobs {
            let outcome = outcome(&job);
            let start = Instant::now();
            search.tell(job.id, outcome);
            writer.record(search.events())?;
            spent += start.elapsed();
        }
        if before.is_none() && search.tree().len() * 10 >= nodes * 9 {
            before = Some((search.tree().len(), spent));
        }
    }
    let (first, early) = before.unwrap_or_default();
    let grown = (search.tree().len() - first).max(1);
    tell(&json!({
        "measure": "node",
        "nodes": search.tree().len(),
        "microseconds": (spent - early).as_secs_f64() * 1e6 / grown as f64,
        "microseconds_of_all": spent.as_secs_f64() * 1e6 / search.tree().len() as f64,
    }));
    Ok(writer.into_inner())
}

/// A model that takes no time. Its steps gain, or do not, by their number.
fn outcome(job: &Job) -> Outcome {
    let usage = Usage {
        output_tokens: 40,
        ..Usage::default()
    };
    match &job.kind {
        JobKind::Plan => Outcome::Planned {
            text: "One hop after the other.".into(),
            usage,
        },
        JobKind::Step { .. } => Outcome::Stepped {
            thought: "The maker of the thing has to be known first.".into(),
            action: Action::Call {
                tool: "search".into(),
                input: format!("maker of thing {}", job.id),
            },
            cut: false,
            usage,
        },
        JobKind::Tool { .. } => Outcome::Observed {
            text: "The thing was made in a town by a river. ".repeat(5),
            failed: false,
            usage: Usage::default(),
        },
        JobKind::Critic => Outcome::Judged {
            delta: Some([1.0, 0.0, 2.0, -1.0, 0.0][(job.seed % 5) as usize]),
            score: None,
            sufficient: None,
            why: "a partial fact".into(),
            usage,
        },
        JobKind::Answer { .. } => Outcome::Answered {
            text: format!("town {}", job.seed % 7),
            usage,
        },
    }
}

fn ask_questions(questions: u64) -> Result<(), Box<dyn Error>> {
    let RunConfig::Search(config) = load(&LoadRequest::named("bavt-scripted"))
        .map_err(|problems| format!("{problems:?}"))?
        .config
    else {
        return Err("the preset is of another job".into());
    };
    let start = Instant::now();
    let mut right = 0_u64;
    for number in 0..questions {
        right += u64::from(answer(&config, 1, number)?.right);
    }
    let seconds = start.elapsed().as_secs_f64();
    tell(&json!({
        "measure": "questions",
        "questions": questions,
        "right": right,
        "per_second": questions as f64 / seconds,
    }));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn tell(line: &serde_json::Value) {
    println!("{line}");
}
