//! Logs: written, cut anywhere, replayed, resumed, branched.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "backends/made_up.rs"]
mod made_up;

use configs::search::Method;
use made_up::{METHODS, MadeUp, as_text, limits, question, run, settings};
use search::job::{Job, JobId, Outcome};
use search::log::{Cut, Event, LogError, Writer, branch, read, replay, resume};
use search::serving::{AtOnce, Backend, ServingError, serve, serve_all};
use search::tree::NodeId;
use search::{Search, Settings};

fn rough() -> MadeUp {
    MadeUp {
        failures: 0.1,
        unreadable: 0.1,
        lies: 0.02,
        broken_tools: 0.1,
    }
}

/// Goes on from a text and gives all events, those of the text included.
fn gone_on(text: &[u8]) -> (Search, Vec<Event>) {
    let replayed = replay(text).unwrap();
    let kept = read(text).unwrap().events.into_iter();
    let mut events: Vec<Event> = kept.map(|line| line.event).collect();
    events.extend(replayed.missing);
    serve(replayed.search, events, &mut rough(), 1).unwrap()
}

#[test]
fn a_log_cut_at_any_byte_goes_on_as_if_it_had_not_been() {
    for kind in METHODS {
        let (whole, events) = run(&settings(kind), limits(1_500, 6), 5, rough());
        let text = as_text(&events);
        // Settings and question are needed to begin with.
        let start: usize = text.split_inclusive('\n').take(2).map(str::len).sum();
        // At every line, and within it.
        let mut cut = start;
        for line in text[start..].split_inclusive('\n').chain([""]) {
            for cut in [cut, cut + line.len() / 2] {
                let (search, again) = gone_on(&text.as_bytes()[..cut]);
                assert_eq!(again, events, "{kind:?}, cut at {cut}");
                assert_eq!(search.tree(), whole.tree());
                assert_eq!(search.ledger(), whole.ledger());
                assert_eq!(search.verdict(), whole.verdict());
            }
            cut += line.len();
        }
        assert!(matches!(
            replay(&text.as_bytes()[..start - 1]),
            Err(LogError::NoStart)
        ));
    }
}

#[test]
fn half_a_line_is_no_line_wherever_it_ends() {
    let (_, events) = run(&settings(Method::Bavt), limits(300, 3), 5, rough());
    let text = as_text(&events);
    for cut in 0..=text.len() {
        let read = read(&text.as_bytes()[..cut]).unwrap();
        let whole = text[..cut].matches('\n').count();
        assert_eq!(read.events.len(), whole, "cut at {cut}");
        assert_eq!(read.bytes, text[..cut].rfind('\n').map_or(0, |end| end + 1));
    }
}

/// A backend that stops working after so many jobs.
struct Mortal(usize);

impl Backend for Mortal {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        let able = jobs.iter().take(self.0);
        let outcomes: Vec<_> = able.map(|job| (job.id, rough().outcome(job))).collect();
        self.0 -= outcomes.len();
        outcomes
    }
}

#[test]
fn a_file_is_resumed_where_a_crash_left_it() {
    let folder = std::env::temp_dir().join(format!("search-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("q1.jsonl");
    for served in [0, 1, 2, 5, 9] {
        let settings = settings(Method::Bavt);
        let search = made_up::search(&settings, limits(2_000, 8), 3);
        let writer = Writer::new(std::fs::File::create(&path).unwrap());
        let stopped = serve(search, writer, &mut Mortal(served), 1);
        assert!(matches!(stopped, Err(ServingError::Stalled { jobs: 1 })));
        // Half of a line that was not finished.
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"v\":1,\"time\":0.1,\"kind\":\"resu");
        std::fs::write(&path, &text).unwrap();
        let (search, writer) = resume(&path).unwrap();
        let (search, _) = serve(search, writer, &mut rough(), 1).unwrap();
        let (whole, events) = run(&settings, limits(2_000, 8), 3, rough());
        let text = std::fs::read(&path).unwrap();
        let logged: Vec<Event> = read(&text)
            .unwrap()
            .events
            .into_iter()
            .map(|line| line.event)
            .collect();
        assert_eq!(logged, events, "after {served} jobs");
        assert_eq!(search.verdict(), whole.verdict());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_edited_log_is_refused_with_the_line() {
    let (_, events) = run(
        &settings(Method::Bavt),
        limits(1_500, 6),
        5,
        MadeUp::default(),
    );
    let text = as_text(&events);
    let edited = text.replacen("\"value\":0.1,", "\"value\":0.7,", 1);
    assert_ne!(edited, text);
    let refused = replay(edited.as_bytes()).unwrap_err().to_string();
    assert!(
        refused.starts_with("event 19 is {\"kind\":\"value\""),
        "{refused}"
    );
    let broken = text.replacen("{\"v\":1", "{v:1", 2);
    assert!(matches!(
        replay(broken.as_bytes()),
        Err(LogError::Line { number: 1, .. })
    ));
    // Lines of whoever judged the answer do no harm.
    let judged = format!(
        "{text}{}\n",
        r#"{"v":1,"time":9.0,"kind":"judged","exact":1.0}"#
    );
    assert!(replay(judged.as_bytes()).is_ok());
}

#[test]
fn a_branch_keeps_what_was_before_and_goes_another_way() {
    let (whole, events) = run(
        &settings(Method::Bavt),
        limits(2_500, 10),
        5,
        MadeUp::default(),
    );
    let text = as_text(&events);
    let mut other_ways = 0;
    for node in whole.tree().nodes() {
        for cut in [Cut::Before(node.id), Cut::After(node.id)] {
            let (search, begun) = branch(text.as_bytes(), cut, 77, None).unwrap();
            let there = search.tree().len();
            let kept = match cut {
                _ if node.id == NodeId::ROOT => 1,
                Cut::Before(_) => node.id.index(),
                Cut::After(_) => node.id.index() + 1,
            };
            assert_eq!(there, kept, "{cut:?}");
            let begun: Vec<Event> = begun.into_iter().map(|line| line.event).collect();
            let (search, branched) = serve(search, begun, &mut MadeUp::default(), 1).unwrap();
            // The new log is whole by itself.
            let again = replay(as_text(&branched).as_bytes()).unwrap();
            assert_eq!(again.search.tree(), search.tree(), "{cut:?}");
            let same = whole.tree().nodes().iter().zip(search.tree().nodes());
            let same = same.take_while(|(left, right)| left.step == right.step);
            assert!(same.count() >= kept, "{cut:?}");
            other_ways += usize::from(search.tree() != whole.tree());
        }
    }
    assert!(other_ways > whole.tree().len(), "{other_ways}");
    assert!(matches!(
        branch(text.as_bytes(), Cut::After(NodeId(999)), 1, None),
        Err(LogError::NoNode { node: 999, .. })
    ));
}

#[test]
fn a_larger_budget_goes_on_from_the_end() {
    let (whole, events) = run(
        &settings(Method::Bavt),
        limits(1_000, 4),
        5,
        MadeUp::default(),
    );
    let last = whole.tree().nodes().last().unwrap().id;
    let text = as_text(&events);
    let more = Some(limits(4_000, 20));
    let (search, begun) = branch(text.as_bytes(), Cut::After(last), 5, more).unwrap();
    let begun: Vec<Event> = begun.into_iter().map(|line| line.event).collect();
    let (search, branched) = serve(search, begun, &mut MadeUp::default(), 1).unwrap();
    assert!(search.tree().len() > whole.tree().len());
    assert!(search.ledger().spent().tool_calls > 4);
    assert!(replay(as_text(&branched).as_bytes()).is_ok());
}

#[test]
fn many_questions_share_a_backend_and_give_what_each_gives_alone() {
    let settings = settings(Method::Bavt);
    let alone = |seed| run(&settings, limits(2_000, 8), seed, MadeUp::default()).1;
    let made = |settings: &Settings, seed| {
        Search::new(settings, question(), limits(2_000, 8), seed).unwrap()
    };
    let mut seeds = 0..12_u64;
    let mut done = Vec::new();
    let at_once = AtOnce {
        questions: 4,
        jobs: 1,
    };
    let occupancy = serve_all(
        || {
            seeds
                .next()
                .map(|seed| (made(&settings, seed), (seed, Vec::new())))
                .map(|(search, (seed, events))| (search, Tagged(seed, events)))
        },
        &mut MadeUp::default(),
        at_once,
        |_, sink| done.push(sink),
    )
    .unwrap();
    assert_eq!(done.len(), 12);
    for Tagged(seed, events) in done {
        // The seeds of jobs are the search's own, whatever identity the backend saw.
        assert_eq!(events, alone(seed), "{seed}");
    }
    assert!(occupancy.full * 10 > occupancy.calls * 8, "{occupancy:?}");
}

struct Tagged(u64, Vec<Event>);

impl search::log::Sink for Tagged {
    fn record(&mut self, events: Vec<Event>) -> std::io::Result<()> {
        self.1.extend(events);
        Ok(())
    }
}
