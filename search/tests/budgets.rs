//! Whole searches with a made-up backend: an answer within the budget, whatever the backend does
//! and in whatever order results come.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "backends/made_up.rs"]
mod made_up;

use std::collections::BTreeMap;

use configs::search::{DuplicateCheck, Frontier, Method, StopRule, TokenCount};
use made_up::{METHODS, MadeUp, as_text, limits, run, search, settings};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use search::job::{Job, JobId, JobKind, Outcome, Told};
use search::log::Event;
use search::resource::{Amounts, Limits, Resource};
use search::{Search, SearchError, Settings};

/// What the log says was spent of a resource.
fn spent(events: &[Event], wanted: &str) -> f64 {
    let spends = events.iter().filter_map(|event| match event {
        Event::Spend {
            resource, amount, ..
        } if resource == wanted => Some(*amount),
        _ => None,
    });
    spends.sum()
}

#[test]
fn every_method_answers_within_its_budget_and_replays() {
    for kind in METHODS {
        for seed in 0..10 {
            let (search, events) = run(&settings(kind), limits(2_000, 10), seed, MadeUp::default());
            let verdict = search.verdict().unwrap();
            assert!(verdict.answer.is_some(), "{kind:?} {seed}: {verdict:?}");
            assert_eq!(verdict.violations, 0, "{kind:?} {seed}");
            assert_eq!(search.ledger().reserved(), Amounts::default(), "{kind:?}");
            assert_eq!(
                spent(&events, "tokens"),
                search.ledger().spent().tokens as f64
            );
            let replayed = search::log::replay(as_text(&events).as_bytes()).unwrap();
            assert_eq!(replayed.search.tree(), search.tree(), "{kind:?} {seed}");
            assert_eq!(replayed.search.verdict(), search.verdict());
            assert_eq!(replayed.missing, []);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_log_and_another_one_another() {
    for kind in METHODS {
        let log = |seed| run(&settings(kind), limits(3_000, 12), seed, MadeUp::default()).1;
        assert_eq!(log(3), log(3), "{kind:?}");
        assert_ne!(log(3), log(4), "{kind:?}");
    }
}

#[test]
fn budgets_that_make_no_sense_are_told() {
    let made = |limits| {
        Search::new(&settings(Method::Bavt), made_up::question(), limits, 1)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(made(Limits::default()), SearchError::Unlimited);
    let only_tools = Limits {
        tool_calls: Some(3),
        ..Limits::default()
    };
    assert_eq!(made(only_tools), SearchError::Unlimited);
    assert_eq!(
        made(limits(0, 3)).to_string(),
        "budget: 0 tokens, and an answer takes 1 - allowed are 1 and more"
    );
    // One token is one token of an answer.
    let (search, _) = run(&settings(Method::Bavt), limits(1, 3), 1, MadeUp::default());
    let verdict = search.verdict().unwrap();
    assert!(verdict.answer.is_some() && verdict.backstop);
    assert_eq!(search.ledger().spent().tokens, 1);
}

#[test]
fn without_tools_the_search_thinks() {
    let (search, _) = run(
        &settings(Method::Bavt),
        limits(3_000, 0),
        5,
        MadeUp::default(),
    );
    assert_eq!(search.ledger().spent().tool_calls, 0);
    assert!(search.verdict().unwrap().answer.is_some());
    assert!(search.tree().len() > 5);
}

/// From the least that is let through: the reply shrinks to what is left, whatever is rounded.
#[test]
fn money_alone_pays_for_an_answer() {
    for kind in METHODS {
        let mut settings = settings(kind);
        // 60.3 millionths for a prompt and 0.6 for a token.
        settings.prompt_tokens = 402;
        settings.prices.input_per_million = 0.15;
        settings.prices.output_per_million = 0.6;
        settings.prices.tool_unit = 0.000_01;
        let dollars = |micro_dollars| Limits {
            micro_dollars: Some(micro_dollars),
            ..Limits::default()
        };
        let made = |micro: &u64| Search::new(&settings, made_up::question(), dollars(*micro), 1);
        let least = (1..100).find(|micro| made(micro).is_ok()).unwrap();
        assert_eq!(least, 61);
        for micro in (least..150).chain((150..2_000).step_by(13)) {
            for at_most in [1, 3] {
                let backend = MadeUp::default();
                let (search, _) =
                    interleaved(&settings, dollars(micro), backend, at_most, &[0, 3]).unwrap();
                let verdict = search.verdict().unwrap();
                assert!(verdict.answer.is_some(), "{kind:?} {micro}: {verdict:?}");
                assert_eq!(verdict.violations, 0, "{kind:?} {micro}");
            }
        }
    }
}

fn kinds() -> impl Strategy<Value = Method> {
    proptest::sample::select(METHODS.to_vec())
}

prop_compose! {
    fn any_settings()(
        kind in kinds(),
        stop in proptest::sample::select(vec![StopRule::FirstAnswer, StopRule::UntilBudget, StopRule::Agreement]),
        frontier in proptest::sample::select(vec![Frontier::OpenAll, Frontier::LeavesOnly]),
        duplicate_check in proptest::sample::select(vec![DuplicateCheck::Off, DuplicateCheck::Critic, DuplicateCheck::Call]),
        flags: [bool; 7],
        children_per_visit in 1..4_usize,
        depth_limit in 1..8_u32,
        node_limit in 2..60_u32,
        retries in 0..3_u32,
    ) -> Settings {
        let mut settings = settings(kind);
        let method = &mut settings.method;
        method.stop = stop;
        method.frontier = frontier;
        method.duplicate_check = duplicate_check;
        method.prune_no_gain = flags[0];
        method.backpropagate = flags[1];
        method.backpropagate_pruned = flags[2];
        method.judge_answers = flags[3];
        method.plan = flags[4];
        method.children_per_visit = children_per_visit;
        method.depth_limit = depth_limit;
        method.node_limit = node_limit;
        method.retries = retries;
        if flags[5] {
            settings.critic_score = configs::search::CriticScore::Absolute;
        }
        if flags[6] {
            settings.tools.clear();
        }
        settings
    }
}

prop_compose! {
    fn any_limits()(
        tokens in prop_oneof![1..50_u64, 50..600_u64, 600..4_000_u64],
        tool_calls in proptest::option::of(0..20_u64),
        model_calls in proptest::option::of(1..40_u64),
        milliseconds in proptest::option::of(1..200_u64),
    ) -> Limits {
        Limits { tokens: Some(tokens), tool_calls, model_calls, milliseconds, ..Limits::default() }
    }
}

/// Asks for several jobs at once and tells them in an order of `picks`, some twice, some never
/// asked for. Checks the ledger at every turn.
fn interleaved(
    settings: &Settings,
    limits: Limits,
    backend: MadeUp,
    at_most: usize,
    picks: &[usize],
) -> Result<(Search, Vec<Event>), TestCaseError> {
    let mut search = search(settings, limits, 11);
    let mut events = search.events();
    let mut waiting: BTreeMap<JobId, Job> = BTreeMap::new();
    let mut told: Vec<(JobId, Outcome)> = Vec::new();
    let reserve = settings.reserve(limits.tokens);
    for turn in 0..20_000 {
        let room = at_most - waiting.len().min(at_most);
        for job in search.ask(room) {
            prop_assert_eq!(job.node.index() < search.tree().len(), true);
            waiting.insert(job.id, job);
        }
        events.extend(search.events());
        for resource in Resource::ALL {
            let ledger = search.ledger();
            let taken = ledger.spent().get(resource) + ledger.reserved().get(resource);
            if let Some(limit) = limits.get(resource) {
                prop_assert!(taken <= limit, "{resource}: {taken} of {limit}");
            }
        }
        if search.verdict().is_some() {
            return Ok((search, events));
        }
        let answering = waiting
            .values()
            .any(|job| matches!(job.kind, JobKind::Answer { .. }));
        let answered = search
            .tree()
            .nodes()
            .iter()
            .any(|node| node.answer.is_some());
        if backend.lies == 0.0 && backend.failures == 0.0 && !answering && !answered {
            let free = search.ledger().available(Resource::Tokens);
            prop_assert!(free >= reserve, "{free} of a reserve of {reserve}");
        }
        prop_assert!(!waiting.is_empty(), "it neither asks nor ends");
        let pick = picks[turn % picks.len()];
        let id = *waiting.keys().nth(pick % waiting.len()).unwrap();
        let job = waiting.remove(&id).unwrap();
        let outcome = backend.outcome(&job);
        prop_assert_eq!(search.tell(id, outcome.clone()), Told::Taken);
        events.extend(search.events());
        told.push((id, outcome));
        if pick.is_multiple_of(5) {
            let (id, outcome) = told[pick % told.len()].clone();
            let before = (search.tree().clone(), search.ledger().clone());
            prop_assert_eq!(search.tell(id, outcome.clone()), Told::Duplicate);
            prop_assert_eq!(search.tell(JobId(9_999_999), outcome), Told::Unknown);
            prop_assert_eq!((search.tree(), search.ledger()), (&before.0, &before.1));
            prop_assert_eq!(search.events(), vec![]);
        }
    }
    Err(TestCaseError::fail("no end after 20,000 jobs"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    })]

    /// Any method, any options, any budget, any interleaving, a backend that fails and lies.
    #[test]
    fn no_budget_is_ever_exceeded(
        settings in any_settings(),
        limits in any_limits(),
        backend in prop_oneof![
            Just(MadeUp::default()),
            Just(MadeUp { failures: 0.2, unreadable: 0.2, lies: 0.1, broken_tools: 0.3 }),
            Just(MadeUp { unreadable: 1.0, broken_tools: 1.0, ..MadeUp::default() }),
            Just(MadeUp { failures: 1.0, ..MadeUp::default() }),
        ],
        at_most in 1..6_usize,
        picks in proptest::collection::vec(0..100_usize, 1..20),
    ) {
        let (search, events) = interleaved(&settings, limits, backend, at_most, &picks)?;
        let verdict = search.verdict().unwrap();
        prop_assert_eq!(search.ledger().reserved(), Amounts::default());
        prop_assert_eq!(spent(&events, "tokens"), search.ledger().spent().tokens as f64);
        prop_assert_eq!(spent(&events, "tool_calls"), search.ledger().spent().tool_calls as f64);
        if backend.lies == 0.0 {
            prop_assert_eq!(verdict.violations, 0);
        }
        // An answer whenever nobody failed or lied.
        if backend.lies == 0.0 && backend.failures == 0.0 {
            prop_assert!(verdict.answer.is_some(), "{:?}", verdict);
        }
        // The log tells the same story.
        let text = as_text(&events);
        let replayed = search::log::replay(text.as_bytes())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(replayed.search.tree(), search.tree());
        prop_assert_eq!(replayed.search.ledger(), search.ledger());
        prop_assert_eq!(replayed.search.verdict().map(|v| &v.answer), Some(&verdict.answer));
        prop_assert_eq!(replayed.missing.len(), 0);
    }

    /// Counted prompts and money only estimate what a prompt takes; they stay within all the same.
    #[test]
    fn prompts_and_money_stay_within_their_budgets(
        kind in kinds(),
        tokens in 700..9_000_u64,
        micro_dollars in 400..9_000_u64,
        at_most in 1..4_usize,
    ) {
        let mut settings = settings(kind);
        settings.count = TokenCount::InputPlusOutput;
        settings.prompt_tokens = 400;
        settings.prices.input_per_million = 0.5;
        settings.prices.output_per_million = 2.0;
        settings.prices.tool_unit = 0.000_1;
        let limits = Limits {
            tokens: Some(tokens),
            micro_dollars: Some(micro_dollars),
            ..Limits::default()
        };
        let (search, events) = interleaved(&settings, limits, MadeUp::default(), at_most, &[0, 3])?;
        let verdict = search.verdict().unwrap();
        prop_assert_eq!(verdict.violations, 0);
        prop_assert!(verdict.answer.is_some(), "{:?}", verdict);
        let dollars = spent(&events, "dollars");
        let exact = search.ledger().spent().micro_dollars as f64 / 1e6;
        prop_assert!((dollars - exact).abs() < 1e-9);
    }
}
