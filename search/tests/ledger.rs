//! The ledger: never overspent, whatever is asked of it.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use search::SearchError;
use search::ledger::{Ledger, ReservationId};
use search::resource::{Amounts, Limits, Resource};

fn cost(tokens: u64, tool_calls: u64) -> Amounts {
    Amounts {
        tokens,
        tool_calls,
        ..Amounts::default()
    }
}

/// The paper's low budget of a reasoning model.
fn low() -> Ledger {
    Ledger::new(Limits {
        tokens: Some(2000),
        tool_calls: Some(5),
        ..Limits::default()
    })
}

#[test]
fn a_job_reserves_the_most_and_pays_what_it_cost() {
    let mut ledger = low();
    let job = ledger.reserve(cost(512, 1)).unwrap();
    assert_eq!(ledger.available(Resource::Tokens), 1488);
    assert_eq!(ledger.left(Resource::Tokens), Some(2000));
    assert_eq!(ledger.fraction_left(), 1.0);
    ledger.commit(job, cost(100, 1)).unwrap();
    assert_eq!(ledger.spent(), cost(100, 1));
    assert_eq!(ledger.reserved(), cost(0, 0));
    assert_eq!(ledger.available(Resource::Tokens), 1900);
    // 1900/2000 = 0.95 of the tokens, 4/5 of the calls: the tighter one counts.
    assert_eq!(ledger.fraction_left_of(Resource::Tokens), Some(0.95));
    assert_eq!(ledger.fraction_left(), 0.8);
    let job = ledger.reserve(cost(1900, 0)).unwrap();
    ledger.commit(job, cost(1700, 0)).unwrap();
    assert_eq!(ledger.fraction_left(), 0.1);
}

#[test]
fn a_refused_reservation_changes_nothing() {
    let mut ledger = low();
    let first = ledger.reserve(cost(1500, 2)).unwrap();
    let before = ledger.clone();
    // The tokens would fit: all or nothing.
    let refused = ledger.reserve(cost(500, 4)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "reserving 4 tool calls: 3 unreserved of 5 - \
         ask for less, or stop and answer with what is left"
    );
    assert_eq!(ledger, before);
    ledger.refund(first).unwrap();
    assert_eq!(ledger.spent(), Amounts::default());
    let _whole = ledger.reserve(cost(2000, 5)).unwrap();
    assert_eq!(ledger.available(Resource::ToolCalls), 0);
}

#[test]
fn using_more_than_reserved_is_refused_and_stays_open() {
    let mut ledger = low();
    let job = ledger.reserve(cost(100, 1)).unwrap();
    let before = ledger.clone();
    assert_eq!(
        ledger.commit(job, cost(101, 1)),
        Err(SearchError::OverReservation {
            id: job,
            resource: Resource::Tokens,
            used: 101,
            reserved: 100
        })
    );
    assert_eq!(ledger, before);
    ledger.commit(job, cost(100, 1)).unwrap();
    assert_eq!(
        ledger.commit(job, cost(1, 0)),
        Err(SearchError::NotOpen { id: job })
    );
    assert_eq!(ledger.refund(job), Err(SearchError::NotOpen { id: job }));
    assert_eq!(ledger.spent(), cost(100, 1));
}

#[test]
fn no_limit_and_a_limit_of_zero() {
    let mut ledger = Ledger::new(Limits {
        tool_calls: Some(0),
        ..Limits::default()
    });
    assert!(matches!(
        ledger.reserve(cost(0, 1)),
        Err(SearchError::OverBudget { limit: 0, .. })
    ));
    // Neither says anything about how much is left.
    assert_eq!(ledger.fraction_left_of(Resource::ToolCalls), None);
    assert_eq!(ledger.left(Resource::Tokens), None);
    assert_eq!(ledger.fraction_left(), 1.0);
    let job = ledger.reserve(cost(u64::MAX, 0)).unwrap();
    assert!(matches!(
        ledger.reserve(cost(1, 0)),
        Err(SearchError::OverBudget { available: 0, .. })
    ));
    ledger.commit(job, cost(u64::MAX, 0)).unwrap();
    assert_eq!(ledger.available(Resource::Tokens), 0);
}

#[test]
fn a_ledger_is_stored_with_its_open_reservations() {
    let mut ledger = low();
    let done = ledger.reserve(cost(300, 1)).unwrap();
    let open = ledger.reserve(cost(200, 1)).unwrap();
    ledger.commit(done, cost(250, 1)).unwrap();
    let text = serde_json::to_string(&ledger).unwrap();
    let mut restored: Ledger = serde_json::from_str(&text).unwrap();
    assert_eq!(restored, ledger);
    assert_eq!(restored.open().collect::<Vec<_>>(), [(open, cost(200, 1))]);
    restored.commit(open, cost(200, 1)).unwrap();
    assert_eq!(restored.spent(), cost(450, 2));
}

#[test]
fn a_stored_ledger_that_does_not_add_up_is_refused() {
    let refused = |text: &str| {
        serde_json::from_str::<Ledger>(text)
            .unwrap_err()
            .to_string()
    };
    let text = refused(
        r#"{"limits":{"tokens":100},"spent":{"tokens":90},"open":[[0,{"tokens":11}]],"next":1}"#,
    );
    assert!(
        text.contains("tokens: spent 90 and reserved 11 exceed 100"),
        "{text}"
    );
    let text = refused(
        r#"{"limits":{},"spent":{"tokens":1},"open":[[0,{"tokens":18446744073709551615}]],"next":1}"#,
    );
    assert!(text.contains("spent 1 and reserved"), "{text}");
    let text = refused(r#"{"limits":{},"spent":{},"open":[[4,{}]],"next":4}"#);
    assert!(text.contains("next reservation 4, but 4 is open"), "{text}");
    let text = refused(r#"{"limits":{},"spent":{},"open":[[1,{}],[1,{}]],"next":4}"#);
    assert!(text.contains("1 is open"), "{text}");
    assert!(refused(r#"{"limits":{"token":1},"spent":{},"open":[],"next":0}"#).contains("token"));
}

#[derive(Debug, Clone)]
enum Call {
    Reserve(Amounts),
    Commit(usize, Amounts),
    Refund(usize),
    StoreAndRestore,
}

fn amounts() -> impl Strategy<Value = Amounts> {
    // The largest number among small ones: sums must not wrap.
    let amount = prop_oneof![9 => 0..40_u64, 1 => Just(u64::MAX)];
    (amount.clone(), amount, 0..3_u64).prop_map(|(tokens, tool_calls, milliseconds)| Amounts {
        tokens,
        tool_calls,
        milliseconds,
        ..Amounts::default()
    })
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        4 => amounts().prop_map(Call::Reserve),
        3 => (0..8_usize, amounts()).prop_map(|(index, used)| Call::Commit(index, used)),
        1 => (0..8_usize).prop_map(Call::Refund),
        1 => Just(Call::StoreAndRestore),
    ];
    proptest::collection::vec(call, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    })]

    #[test]
    fn spent_reserved_and_available_always_make_the_limit(
        limits in (0..200_u64, 0..60_u64),
        calls in calls(),
    ) {
        let limits = Limits {
            tokens: Some(limits.0),
            tool_calls: Some(limits.1),
            ..Limits::default()
        };
        let mut ledger = Ledger::new(limits);
        let mut ids: Vec<ReservationId> = Vec::new();
        // Kept apart from the ledger, in numbers that cannot wrap.
        let mut spent_tokens = 0_i128;
        let mut fraction = 1.0;
        for call in calls {
            let before = ledger.clone();
            let done = match call {
                Call::Reserve(most) => ledger.reserve(most).map(|id| ids.push(id)),
                Call::Commit(index, used) if index < ids.len() => ledger
                    .commit(ids[index], used)
                    .map(|()| spent_tokens += i128::from(used.tokens)),
                Call::Refund(index) if index < ids.len() => ledger.refund(ids[index]),
                Call::StoreAndRestore => {
                    let text = serde_json::to_string(&ledger).unwrap();
                    ledger = serde_json::from_str(&text).unwrap();
                    prop_assert_eq!(&ledger, &before);
                    Ok(())
                }
                Call::Commit(..) | Call::Refund(_) => Ok(()),
            };
            if done.is_err() {
                prop_assert_eq!(&ledger, &before);
            }
            prop_assert_eq!(i128::from(ledger.spent().tokens), spent_tokens);
            for resource in Resource::ALL {
                let wide = |amount: u64| i128::from(amount);
                let spent = wide(ledger.spent().get(resource));
                let reserved = wide(ledger.reserved().get(resource));
                let open: i128 = ledger.open().map(|(_, each)| wide(each.get(resource))).sum();
                prop_assert_eq!(reserved, open);
                let limit = wide(limits.get(resource).unwrap_or(u64::MAX));
                prop_assert_eq!(spent + reserved + wide(ledger.available(resource)), limit);
                if let Some(left) = ledger.left(resource) {
                    prop_assert_eq!(spent + wide(left), limit);
                }
            }
            // Nothing spent ever comes back.
            prop_assert!(ledger.fraction_left() <= fraction);
            fraction = ledger.fraction_left();
            prop_assert!((0.0..=1.0).contains(&fraction));
        }
    }
}
