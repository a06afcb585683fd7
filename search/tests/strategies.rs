//! What tells the methods apart.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "backends/made_up.rs"]
mod made_up;

use std::collections::{BTreeMap, BTreeSet};

use configs::search::{Method, MethodConfig};
use made_up::{MadeUp, limits, run, settings};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use search::frontier::Frontier;
use search::log::Event;
use search::selection::{exponent, probabilities};
use search::tree::{Node, NodeId, Status, Tree};
use search::{Search, Settings};

fn visits(events: &[Event]) -> Vec<NodeId> {
    let visits = events.iter().filter_map(|event| match event {
        Event::Visit { id, .. } => Some(*id),
        _ => None,
    });
    visits.collect()
}

fn children(tree: &Tree, node: NodeId) -> usize {
    tree.node(node).children.len()
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::with_cases(256)
    })]

    /// Groups of equal values give every node the probability that the list of all gives it,
    /// whatever was put in, moved and taken out before.
    #[test]
    fn the_frontier_draws_as_the_formula_says(
        moves in proptest::collection::vec((0..30_u32, proptest::option::of(1..=10_u32)), 1..120),
        fraction in 0.02..=1.0_f64,
        seed: u64,
    ) {
        let mut frontier = Frontier::default();
        let mut kept: BTreeMap<NodeId, f64> = BTreeMap::new();
        for (node, value) in moves {
            let value = value.map(|score| f64::from(score) / 10.0);
            frontier.set(NodeId(node), value);
            match value {
                Some(value) => { kept.insert(NodeId(node), value); }
                None => { kept.remove(&NodeId(node)); }
            }
            prop_assert_eq!(frontier.len(), kept.len());
            let inside: BTreeSet<NodeId> = frontier.nodes().collect();
            prop_assert_eq!(inside, kept.keys().copied().collect::<BTreeSet<_>>());
        }
        let power = exponent(fraction, 50.0).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let drawn = frontier.by_power(power, &mut random);
        prop_assert_eq!(drawn.is_some(), !kept.is_empty());
        if let Some(drawn) = drawn {
            let values: Vec<f64> = kept.values().copied().collect();
            let all = probabilities(&values, power).unwrap();
            let place = kept.keys().position(|node| *node == drawn.node).unwrap();
            prop_assert!((all[place] - drawn.probability).abs() < 1e-12);
            // The best group, and nothing else.
            let best = frontier.best(&mut random).unwrap();
            let most = values.iter().copied().fold(0.0, f64::max);
            prop_assert_eq!(kept[&best.node], most);
            let any = frontier.any(&mut random).unwrap();
            prop_assert!((any.probability * kept.len() as f64 - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn the_frontier_draws_that_often() {
    let mut frontier = Frontier::default();
    for (node, value) in [(0, 0.2), (1, 0.4), (2, 0.4), (3, 0.8)] {
        frontier.set(NodeId(node), Some(value));
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut counts = [0_u32; 4];
    for _ in 0..40_000 {
        counts[frontier.by_power(2.0, &mut random).unwrap().node.index()] += 1;
    }
    // 4 : 16 : 16 : 64 of 100.
    for (count, expected) in counts.iter().zip([1_600.0, 6_400.0, 6_400.0, 25_600.0]) {
        let error = (f64::from(*count) - expected).abs();
        assert!(error < 4.0 * f64::sqrt(expected), "{counts:?}");
    }
}

#[test]
fn bavt_has_the_probabilities_of_its_formula_all_the_way() {
    let mut settings = settings(Method::Bavt);
    settings.method.backpropagate = false;
    let (_, events) = run(&settings, limits(4_000, 20), 3, MadeUp::default());
    let mut open: BTreeMap<NodeId, f64> = BTreeMap::new();
    let mut checked = 0;
    let mut pruned = BTreeSet::new();
    let depth = settings.method.depth_limit;
    let mut depths: BTreeMap<NodeId, u32> = BTreeMap::new();
    for event in &events {
        match event {
            Event::Node { id, parent, .. } => {
                let above = parent.map_or(0, |parent| depths[&parent] + 1);
                depths.insert(*id, above);
            }
            Event::Value { id, value, .. } if *value < 0.8 && depths[id] < depth => {
                open.insert(*id, *value);
            }
            Event::Prune { id, .. } => {
                open.remove(id);
                pruned.insert(*id);
            }
            Event::Answer { node: Some(id), .. } => {
                open.remove(id);
            }
            Event::Visit {
                id,
                probability,
                ratio,
            } => {
                let power = 1.0 / ratio;
                let sum: f64 = open.values().map(|value| value.powf(power)).sum();
                let expected = open[id].powf(power) / sum;
                assert!(
                    (probability - expected).abs() < 1e-9,
                    "{id}: {probability}, {expected}"
                );
                checked += 1;
            }
            _ => {}
        }
    }
    assert!(checked > 10 && !pruned.is_empty(), "{checked}");
}

fn grown(kind: Method, change: impl Fn(&mut MethodConfig)) -> (Search, Vec<Event>) {
    let mut settings: Settings = settings(kind);
    settings.method.plan = false;
    change(&mut settings.method);
    run(&settings, limits(20_000, 60), 9, MadeUp::default())
}

#[test]
fn react_is_one_path() {
    let (search, _) = grown(Method::React, |_| {});
    let tree = search.tree();
    assert!(tree.nodes().iter().all(|node| node.children.len() <= 1));
    assert_eq!(search.counters().judgements, 0);
    assert!(search.verdict().unwrap().answer.is_some());
}

#[test]
fn parallel_paths_are_counted_or_end_with_the_budget() {
    let (search, _) = grown(Method::Parallel, |method| method.samples = Some(4));
    assert_eq!(children(search.tree(), NodeId::ROOT), 4);
    assert_eq!(search.verdict().unwrap().answers, 4);
    let (search, _) = grown(Method::Parallel, |_| {});
    assert!(children(search.tree(), NodeId::ROOT) > 8);
    assert_eq!(
        search.ledger().left(search::resource::Resource::ToolCalls),
        Some(0)
    );
    // Apart from the root no node has two.
    let others = search.tree().nodes()[1..].iter();
    assert!(others.clone().all(|node| node.children.len() <= 1));
    assert_eq!(search.counters().judgements, 0);
}

#[test]
fn best_of_n_gives_the_answer_of_the_best_value() {
    let (search, _) = grown(Method::BestOfN, |method| method.samples = Some(5));
    let verdict = search.verdict().unwrap();
    let terminals = |node: &&Node| node.status == Status::Terminal;
    let nodes = search.tree().nodes().iter().filter(terminals);
    let best = nodes.map(|node| node.value).fold(0.0, f64::max);
    assert_eq!(search.tree().node(verdict.node.unwrap()).value, best);
    assert!(search.counters().judgements > 0);
    assert!(verdict.answers >= 2);
}

#[test]
fn self_consistency_answers_without_tools() {
    let (search, events) = grown(Method::SelfConsistency, |method| method.samples = Some(9));
    assert_eq!(search.verdict().unwrap().answers, 9);
    assert_eq!(search.ledger().spent().tool_calls, 0);
    assert_eq!(visits(&events), [NodeId::ROOT; 9]);
    // The majority, by the normalised texts.
    let answers = search
        .tree()
        .nodes()
        .iter()
        .filter_map(|node| node.answer.as_deref());
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for answer in answers {
        *counts
            .entry(search::metrics::normalise(answer))
            .or_default() += 1;
    }
    let most = counts.values().max().unwrap();
    let given = search.verdict().unwrap().answer.clone().unwrap();
    assert_eq!(counts[&search::metrics::normalise(&given)], *most);
}

#[test]
fn a_beam_keeps_the_best_of_every_level() {
    for kind in [Method::Beam, Method::TreeOfThoughts] {
        let (search, events) = grown(kind, |method| {
            method.width = 2;
            method.branching = 3;
        });
        let tree = search.tree();
        let order = visits(&events);
        let mut levels: BTreeMap<u32, BTreeSet<NodeId>> = BTreeMap::new();
        for id in &order {
            levels.entry(tree.node(*id).depth).or_default().insert(*id);
            assert!(children(tree, *id) <= 3);
        }
        assert!(levels.values().all(|kept| kept.len() <= 2), "{levels:?}");
        assert!(levels.len() > 2, "{kind:?}: {levels:?}");
        // Level by level, and the best of each.
        let depths: Vec<u32> = order.iter().map(|id| tree.node(*id).depth).collect();
        assert!(depths.is_sorted(), "{depths:?}");
        for (depth, kept) in levels.range(1..) {
            let worst = kept
                .iter()
                .map(|id| tree.node(*id).judged)
                .fold(1.0, f64::min);
            let parents = &levels[&(depth - 1)];
            let left = tree.nodes().iter().filter(|node| {
                node.parent.is_some_and(|parent| parents.contains(&parent))
                    && node.status == Status::Open
                    && !kept.contains(&node.id)
            });
            assert!(left.into_iter().all(|node| node.judged <= worst) || kept.len() < 2);
        }
    }
}

#[test]
fn mcts_fills_a_node_up_before_it_goes_down() {
    let (search, events) = grown(Method::Mcts, |method| method.branching = 3);
    let tree = search.tree();
    assert!(tree.nodes().iter().all(|node| node.children.len() <= 3));
    assert_eq!(visits(&events)[..3], [NodeId::ROOT; 3]);
    assert!(tree.nodes().iter().any(|node| node.depth > 2));
}

#[test]
fn exploration_makes_mcts_wider() {
    let deepest = |exploration| {
        let (search, _) = grown(Method::Mcts, |method| {
            method.exploration = exploration;
            method.branching = 2;
        });
        let depths = search
            .tree()
            .nodes()
            .iter()
            .map(|node| f64::from(node.depth));
        depths.sum::<f64>() / search.tree().len() as f64
    };
    let (narrow, wide) = (deepest(0.0), deepest(10.0));
    assert!(narrow > wide, "{narrow} {wide}");
}

#[test]
fn ab_mcts_branches_as_the_scores_say() {
    let (search, _) = grown(Method::AbMctsA, |_| {});
    let tree = search.tree();
    let widths: BTreeSet<usize> = tree
        .nodes()
        .iter()
        .map(|node| node.children.len())
        .collect();
    assert!(widths.len() > 3, "{widths:?}");
    assert!(tree.nodes().iter().any(|node| node.depth > 2));
}

#[test]
fn greedy_takes_the_best_and_value_of_information_leaves_what_does_not_gain() {
    let (search, events) = grown(Method::Greedy, |method| method.backpropagate = false);
    assert!(visits(&events).len() > 20);
    let (voi, voi_events) = grown(Method::ValueOfInformation, |method| {
        method.backpropagate = false;
    });
    let most = |search: &Search| {
        let counts = search.tree().nodes().iter().map(|node| node.children.len());
        counts.max().unwrap()
    };
    // Greedy stays with the best node whatever comes of it.
    assert!(
        most(&voi) < most(&search),
        "{} {}",
        most(&voi),
        most(&search)
    );
    assert!(visits(&voi_events).len() > 20);
}
