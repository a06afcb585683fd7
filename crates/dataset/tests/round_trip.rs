//! What is written is read again.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use dataset::{
    Content, FileKind, Form, Message, PreferenceRow, Prompt, RatedRow, Record, Response, Rows,
    WriteRow, read, records, write_records, write_rows,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const KINDS: [FileKind; 3] = [FileKind::JsonLines, FileKind::JsonList, FileKind::Parquet];

fn back<R: WriteRow>(rows: &[R], kind: FileKind, form: Form) -> Rows {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    write_rows(&path, kind, rows).unwrap();
    let read = read(&path, form).unwrap();
    assert_eq!(read.file, kind);
    read.rows
}

fn word() -> impl Strategy<Value = String> {
    "[a-zé中\\n\"]{0,6}w"
}

fn prompt(conversational: bool) -> impl Strategy<Value = Prompt> {
    (word(), word(), proptest::option::of(word()), any::<bool>()).prop_map(
        move |(id, said, answer, tagged)| Prompt {
            id,
            content: content(conversational, "user", said),
            answer,
            extra: if tagged {
                json!({"level": 3, "tags": ["a", "b"]})
                    .as_object()
                    .unwrap()
                    .clone()
            } else {
                Record::new()
            },
        },
    )
}

fn content(conversational: bool, role: &str, said: String) -> Content {
    if conversational {
        Content::Messages(vec![Message::new(role, said)])
    } else {
        Content::Text(said)
    }
}

fn pairs() -> impl Strategy<Value = Vec<PreferenceRow>> {
    let row = |conversational| {
        let rate = || proptest::option::of(0.0..1.0f64);
        (
            prompt(conversational),
            word(),
            word(),
            rate(),
            rate(),
            rate(),
        )
            .prop_map(
                move |(prompt, chosen, rejected, wins, win, lose)| PreferenceRow {
                    prompt,
                    chosen: content(conversational, "assistant", chosen),
                    rejected: content(conversational, "assistant", rejected),
                    chosen_wins: wins,
                    chosen_win_rate: win,
                    rejected_win_rate: lose,
                },
            )
    };
    any::<bool>().prop_flat_map(move |kind| proptest::collection::vec(row(kind), 1..6))
}

fn rated() -> impl Strategy<Value = RatedRow> {
    let answer = (
        word(),
        proptest::option::of(word()),
        proptest::option::of(0u64..9),
    )
        .prop_map(|(text, trace, tokens)| Response {
            text,
            trace,
            tokens,
            ..Response::default()
        });
    (
        prompt(false),
        proptest::collection::vec(answer, 1..4),
        any::<bool>(),
        -1e6..1e6f64,
    )
        .prop_map(|(prompt, responses, scored, score)| {
            let count = responses.len();
            let matrix = || scored.then(|| vec![vec![score; count]; count]);
            RatedRow {
                prompt,
                scores: scored.then(|| vec![score; count]),
                win_matrix: matrix(),
                raw_logits: matrix(),
                responses,
            }
        })
}

/// Any JSON that columns of one kind hold.
fn nested() -> impl Strategy<Value = Vec<Record>> {
    let list = || {
        proptest::option::of(proptest::collection::vec(
            proptest::option::of(any::<i32>()),
            0..4,
        ))
    };
    let row = (
        list(),
        proptest::option::of(proptest::collection::vec(list(), 0..3)),
        word(),
    );
    proptest::collection::vec(row, 1..8).prop_map(|rows| {
        rows.into_iter()
            .map(|(flat, deep, word)| {
                let deep: Value = json!(deep);
                json!({"flat": flat, "deep": deep, "group": {"word": word, "again": deep}})
                    .as_object()
                    .unwrap()
                    .clone()
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pairs_come_back(rows in pairs()) {
        for kind in KINDS {
            prop_assert_eq!(back(&rows, kind, Form::Preference), Rows::Preferences(rows.clone()));
        }
    }

    #[test]
    fn rated_rows_come_back(rows in proptest::collection::vec(rated(), 1..6)) {
        for kind in KINDS {
            let Rows::Rated(read) = back(&rows, kind, Form::Auto) else {
                panic!("another kind of rows");
            };
            prop_assert_eq!(read.len(), rows.len());
            for (read, wrote) in read.iter().zip(&rows) {
                prop_assert_eq!(&read.responses, &wrote.responses);
                prop_assert_eq!(&read.scores, &wrote.scores);
                prop_assert_eq!(&read.win_matrix, &wrote.win_matrix);
                prop_assert_eq!(&read.raw_logits, &wrote.raw_logits);
            }
        }
    }

    #[test]
    fn any_nesting_comes_back(rows in nested()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        write_records(&path, FileKind::Parquet, &rows).unwrap();
        let read: Vec<Record> = records(&path).unwrap().map(|row| row.unwrap().1).collect();
        prop_assert_eq!(read, rows);
    }
}
