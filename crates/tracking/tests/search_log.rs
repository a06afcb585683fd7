//! Search logs: what is read back, refused, replayed and how fast.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tracking::search_log::{
    Order, Replay, SLICE, SearchEvent, SearchEventKind as Kind, SearchLog, SearchReader, questions,
};

fn event(time: f64, kind: Kind) -> SearchEvent {
    SearchEvent {
        version: 1,
        time,
        kind,
    }
}

fn node(id: u64, parent: Option<u64>) -> Kind {
    Kind::Node {
        id,
        parent,
        role: "thought".to_owned(),
        text: format!("step {id}"),
    }
}

fn value(id: u64, value: f64) -> Kind {
    Kind::Value {
        id,
        value,
        delta: None,
        why: String::new(),
    }
}

fn spend(resource: &str, amount: f64, node: Option<u64>) -> Kind {
    Kind::Spend {
        resource: resource.to_owned(),
        amount,
        node,
    }
}

fn visit(id: u64) -> Kind {
    Kind::Visit {
        id,
        probability: Some(0.5),
        ratio: Some(0.75),
    }
}

fn answer(node: u64, chosen: bool) -> Kind {
    Kind::Answer {
        text: "Graz".to_owned(),
        node: Some(node),
        chosen,
        backstop: false,
        correct: Some(true),
        f1: None,
    }
}

fn small() -> Vec<SearchEvent> {
    let kinds = [
        Kind::Question {
            id: "q1".into(),
            text: "Where?".into(),
            policy: "bavt".into(),
            expected: vec!["Graz".into()],
        },
        Kind::Budget {
            resource: "tokens".into(),
            limit: 100.0,
        },
        Kind::Budget {
            resource: "tool_calls".into(),
            limit: f64::INFINITY,
        },
        node(0, None),
        value(0, 0.1),
        visit(0),
        node(10, Some(0)),
        spend("tokens", 60.0, Some(10)),
        spend("tool_calls", 1.0, Some(10)),
        value(10, 0.5),
        node(11, Some(0)),
        spend("tokens", 50.0, Some(11)),
        value(11, 0.4),
        Kind::Prune {
            id: 10,
            why: "no gain".into(),
        },
        visit(0),
        answer(11, true),
        Kind::End {
            why: "answer".into(),
        },
    ];
    let timed = kinds.into_iter().enumerate();
    timed.map(|(at, kind)| event(at as f64, kind)).collect()
}

fn log(events: impl IntoIterator<Item = SearchEvent>) -> SearchLog {
    let mut log = SearchLog::default();
    events.into_iter().for_each(|event| log.apply(event));
    log
}

/// All that a replay shows at its place.
fn seen(replay: &Replay) -> String {
    let nodes: Vec<String> = (0..replay.node_count() as u32)
        .map(|node| {
            format!(
                "{:?} {:?} {} {:?} {} {:?} {:?}",
                replay.value(node),
                replay.delta(node),
                replay.visits(node),
                replay.probability(node),
                replay.pruned(node),
                [replay.cost(node, 0), replay.cost(node, 1)],
                replay.children(node),
            )
        })
        .collect();
    let budgets: Vec<_> = replay.budgets().collect();
    format!(
        "{nodes:?} {budgets:?} {:?} {:?} {:?} {:?}",
        replay.ratio(),
        replay.answers(),
        replay.best_path(),
        replay.roots(),
    )
}

#[test]
fn lines_are_the_documented_ones_and_survive() {
    assert_eq!(
        event(1.5, value(1, 0.4)).to_line(),
        r#"{"v":1,"time":1.5,"kind":"value","id":1,"value":0.4}"#
    );
    for before in small() {
        let after: SearchEvent = serde_json::from_str(&before.to_line()).unwrap();
        assert_eq!(after, before);
    }
    let newer = r#"{"v":3,"time":2,"kind":"hologram","depth":{"a":[1]}}"#;
    let newer: SearchEvent = serde_json::from_str(newer).unwrap();
    assert_eq!(newer.kind, Kind::Unknown);
}

#[test]
fn a_search_is_replayed_in_both_directions() {
    let mut replay = Replay::at_end(log(small()));
    let budgets: Vec<_> = replay
        .budgets()
        .map(|budget| (budget.resource.to_owned(), budget.spent, budget.share()))
        .collect();
    let tokens = ("tokens".to_owned(), 110.0, Some(1.0));
    assert_eq!(budgets, [tokens, ("tool_calls".to_owned(), 1.0, None)]);
    let violated: Vec<bool> = replay.budgets().map(|one| one.violated()).collect();
    assert_eq!(violated, [true, false]);
    // Node 10 is number 1, node 11 number 2.
    assert!(replay.pruned(1) && !replay.pruned(2));
    assert_eq!((replay.visits(0), replay.best_path()), (2, vec![0, 2]));
    assert_eq!(replay.chosen().unwrap().text, "Graz");
    assert_eq!(replay.log().note(13), Some("no gain"));

    replay.seek(10);
    assert_eq!((replay.node_count(), replay.children(0).len()), (2, 1));
    assert_eq!(replay.best_path(), [0, 1]);
    assert_eq!(replay.chosen(), None);
    for position in (0..=17).rev() {
        replay.seek(position);
        let mut fresh = Replay::at_end(log(small()));
        fresh.seek(0);
        fresh.seek(position);
        assert_eq!(seen(&replay), seen(&fresh), "at {position}");
    }
    assert_eq!(replay.log().time_after(4), 3.0);
    assert_eq!(replay.log().changes_at(3.5), 4);
}

#[test]
fn children_are_ordered_by_what_is_asked() {
    let replay = Replay::at_end(log(small()));
    let order = |order| {
        let mut children = replay.children(0).to_vec();
        replay.sort(&mut children, order);
        children
    };
    assert_eq!(order(Order::Age), [1, 2]);
    assert_eq!(order(Order::Value), [1, 2]);
    assert_eq!(order(Order::Cost), [1, 2]);
    let mut events = small();
    events.push(event(20.0, value(11, 0.9)));
    events.push(event(20.0, spend("tokens", 30.0, Some(11))));
    let replay = Replay::at_end(log(events));
    let mut children = replay.children(0).to_vec();
    replay.sort(&mut children, Order::Value);
    assert_eq!(children, [2, 1]);
    children.reverse();
    replay.sort(&mut children, Order::Cost);
    assert_eq!(children, [2, 1]);
}

#[test]
fn what_cannot_be_a_tree_is_refused_and_told() {
    let bad = [
        node(10, Some(0)),
        node(50, Some(50)),
        node(51, Some(99)),
        spend("tokens", -1.0, None),
        spend("tokens", f64::NAN, Some(0)),
        value(77, 1.0),
        Kind::Budget {
            resource: "tokens".into(),
            limit: f64::NAN,
        },
    ];
    let mut events = small();
    events.extend(bad.into_iter().map(|kind| event(0.0, kind)));
    let (good, bad) = (log(small()), log(events));
    assert_eq!(bad.changes().len(), good.changes().len());
    assert_eq!(bad.nodes(), good.nodes());
    let (told, count) = bad.problems();
    assert_eq!((told.len(), count), (7, 7));
    assert_eq!(told[0], "node 10 appears twice");
    assert_eq!(told[1], "node 50 continues node 50, which does not exist");
}

#[test]
fn a_growing_file_is_read_over_half_lines_and_a_replaced_one_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q1.jsonl");
    let mut reader = SearchReader::open(&path);
    assert_eq!(reader.poll(SLICE).unwrap().events, []);
    let mut file = std::fs::File::create(&path).unwrap();
    let lines: Vec<String> = small().iter().map(SearchEvent::to_line).collect();
    let (first, second) = lines[1].split_at(20);
    write!(file, "{}\n\nnonsense\n{first}", lines[0]).unwrap();
    let slice = reader.poll(SLICE).unwrap();
    assert_eq!(
        (slice.events.len(), slice.more, slice.anew),
        (1, false, false)
    );
    writeln!(file, "{second}").unwrap();
    assert_eq!(reader.poll(SLICE).unwrap().events, small()[1..2]);
    assert_eq!(reader.damaged(), 1);

    std::fs::write(&path, format!("{}\n", lines[0])).unwrap();
    let slice = reader.poll(SLICE).unwrap();
    assert_eq!((slice.events.len(), slice.anew), (1, true));

    // In small slices the same comes out.
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let mut reader = SearchReader::open(&path);
    let (mut events, mut polls) = (Vec::new(), 0);
    loop {
        let slice = reader.poll(37).unwrap();
        events.extend(slice.events);
        polls += 1;
        if !slice.more {
            break;
        }
    }
    assert_eq!(events, small());
    assert!(polls > 20, "{polls}");
    let read = Replay::at_end(SearchLog::read(&path).unwrap());
    assert_eq!(seen(&read), seen(&Replay::at_end(log(small()))));
    assert!(SearchLog::read(&folder.path().join("none")).is_err());
}

#[test]
fn questions_are_listed_with_numbers_in_order() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(questions(&folder.path().join("none")).unwrap(), []);
    for name in ["q10.jsonl", "q2.jsonl", "notes.txt", "a.jsonl"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let names: Vec<String> = questions(folder.path())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a", "q2", "q10"]);
}

#[test]
fn a_replay_at_its_end_follows_and_another_stays() {
    let events = small();
    let mut replay = Replay::default();
    replay.extend(events[..8].to_vec());
    assert_eq!((replay.position(), replay.node_count()), (8, 2));
    replay.seek(5);
    replay.extend(events[8..].to_vec());
    assert_eq!((replay.position(), replay.len()), (5, 17));
    replay.seek(usize::MAX);
    assert_eq!(seen(&replay), seen(&Replay::at_end(log(small()))));
}

#[test]
fn a_hundred_thousand_nodes_are_moved_about_quickly() {
    let mut events = vec![event(0.0, node(0, None))];
    for id in 1..100_000_u64 {
        // Wide at the top, a chain of thousands at the bottom.
        let parent = if id % 3 == 0 { id - 1 } else { id / 2 };
        let time = id as f64;
        events.push(event(time, node(id, Some(parent))));
        events.push(event(time, spend("tokens", 3.0, Some(id))));
        events.push(event(time, value(id, (id % 97) as f64 / 97.0)));
        events.push(event(time, visit(parent)));
    }
    let mut replay = Replay::at_end(log(events));
    let start = Instant::now();
    replay.seek(0);
    replay.seek(usize::MAX);
    let path = replay.best_path();
    let took = start.elapsed();
    assert!(!path.is_empty() && replay.node_count() == 100_000);
    // Far above what it takes (some 20 ms unoptimised on a busy core).
    assert!(took < Duration::from_secs(2), "{took:?}");
    eprintln!("back to the start and again to the end: {took:?}");
}

/// Random events over few identities, so that most rules are broken often.
fn any_kind() -> impl Strategy<Value = Kind> {
    let id = 0_u64..12;
    let number = prop_oneof![
        (0_u32..50).prop_map(f64::from),
        Just(f64::NAN),
        Just(-1.0),
        Just(f64::INFINITY)
    ];
    let resource = prop_oneof![Just("tokens".to_owned()), Just("tools".to_owned())];
    prop_oneof![
        4 => (id.clone(), proptest::option::of(id.clone()))
            .prop_map(|(id, parent)| node(id, parent)),
        2 => (id.clone(), number.clone()).prop_map(|(id, number)| value(id, number)),
        2 => id.clone().prop_map(visit),
        3 => (resource.clone(), number.clone(), proptest::option::of(id.clone()))
            .prop_map(|(resource, amount, node)| spend(&resource, amount, node)),
        1 => (resource, number).prop_map(|(resource, limit)| Kind::Budget { resource, limit }),
        1 => id.clone().prop_map(|id| Kind::Prune { id, why: String::new() }),
        1 => (id, any::<bool>()).prop_map(|(id, chosen)| answer(id, chosen)),
        1 => Just(Kind::End { why: "x".into() }),
        1 => Just(Kind::Unknown),
    ]
}

proptest! {
    #[test]
    fn any_log_is_a_forest_whose_costs_sum_to_its_spends(
        kinds in proptest::collection::vec((any_kind(), -5_i32..50), 0..120),
        places in proptest::collection::vec(0_usize..140, 0..8),
    ) {
        let events: Vec<SearchEvent> = kinds
            .into_iter()
            .map(|(kind, time)| event(f64::from(time), kind))
            .collect();
        let mut accepted: Vec<f64> = vec![0.0; 16];
        let log = log(events);
        let mut identities: Vec<u64> = log.nodes().iter().map(|node| node.id).collect();
        identities.sort_unstable();
        identities.dedup();
        prop_assert_eq!(identities.len(), log.nodes().len());
        for (number, node) in log.nodes().iter().enumerate() {
            prop_assert!(node.parent.is_none_or(|parent| (parent as usize) < number));
        }
        let mut apart = 0.0;
        for change in log.changes() {
            if let tracking::search_log::Change::Spend { resource, amount, node } = change {
                accepted[*resource] += amount;
                apart += if node.is_none() { *amount } else { 0.0 };
            }
        }
        let mut replay = Replay::at_end(log.clone());
        let spent: Vec<f64> = replay.budgets().map(|budget| budget.spent).collect();
        prop_assert_eq!(&spent[..], &accepted[..spent.len()]);
        let of_nodes: f64 = (0..replay.node_count() as u32)
            .flat_map(|node| (0..spent.len()).map(move |resource| (node, resource)))
            .map(|(node, resource)| replay.cost(node, resource))
            .sum();
        prop_assert_eq!(of_nodes + apart, spent.iter().sum::<f64>());
        for budget in replay.budgets() {
            prop_assert!(budget.share().is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
        for place in places {
            replay.seek(place);
            let mut fresh = Replay::at_end(log.clone());
            fresh.seek(0);
            fresh.seek(place);
            prop_assert_eq!(seen(&replay), seen(&fresh));
            prop_assert!(log.time_after(place) >= 0.0);
        }
    }

    #[test]
    fn broken_files_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..2000) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.jsonl");
        let whole: Vec<String> = small().iter().map(SearchEvent::to_line).collect();
        let mut text = whole.join("\n").into_bytes();
        let cut = cut.min(text.len());
        text.splice(cut..cut, bytes);
        std::fs::write(&path, &text).unwrap();
        let log = SearchLog::read(&path).unwrap();
        prop_assert!(log.nodes().len() <= 3);
        Replay::at_end(log).best_path();
    }
}
