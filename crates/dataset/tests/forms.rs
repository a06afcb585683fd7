//! Every form, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};

use dataset::{
    Content, Dataset, DatasetError, FileKind, Form, Message, Place, ProblemKind, Rows, read,
    sppo_record, write_records,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn of(rows: &[Value]) -> Result<Dataset, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    read(&file(&folder, &lines(rows)), Form::Auto)
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn turns(turns: &[(&str, &str)]) -> Content {
    Content::Messages(
        turns
            .iter()
            .map(|(role, content)| Message::new(*role, *content))
            .collect(),
    )
}

/// Form, prompt, chosen and rejected of one row.
fn pair(row: Value) -> (Form, Content, Content, Content) {
    let read = of(&[row]).unwrap();
    let form = read.form;
    let row = read.into_preferences().unwrap().remove(0);
    (form, row.prompt.content, row.chosen, row.rejected)
}

fn chat(turns: &[(&str, &str)]) -> Value {
    turns
        .iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect()
}

const ASKED: (&str, &str) = ("user", "2+2?");
const RIGHT: (&str, &str) = ("assistant", "4");
const WRONG: (&str, &str) = ("assistant", "5");

#[test]
fn preferences_of_trl_in_text() {
    let explicit = pair(json!({"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}));
    let implicit = pair(json!({"chosen": "The sky is blue.", "rejected": "The sky is green."}));
    let wanted = (
        Form::Preference,
        text("The sky is"),
        text(" blue."),
        text(" green."),
    );
    assert_eq!(explicit, wanted);
    assert_eq!(implicit, wanted);
}

#[test]
fn preferences_of_trl_in_messages() {
    let wanted = (
        Form::Preference,
        turns(&[ASKED]),
        turns(&[RIGHT]),
        turns(&[WRONG]),
    );
    for row in [
        json!({"prompt": chat(&[ASKED]), "chosen": chat(&[RIGHT]), "rejected": chat(&[WRONG])}),
        json!({"chosen": chat(&[ASKED, RIGHT]), "rejected": chat(&[ASKED, WRONG])}),
        json!({"prompt": chat(&[ASKED]), "chosen": chat(&[ASKED, RIGHT]), "rejected": chat(&[ASKED, WRONG])}),
    ] {
        assert_eq!(pair(row.clone()), wanted, "{row}");
    }
}

#[test]
fn equal_answers_are_a_tie_and_keep_their_turn() {
    let read = of(&[json!({"chosen": chat(&[ASKED, RIGHT]), "rejected": chat(&[ASKED, RIGHT])})]);
    let read = read.unwrap();
    assert_eq!((read.counts.ties, read.counts.dropped), (1, 0));
    let row = read.into_preferences().unwrap().remove(0);
    assert_eq!(row.chosen, turns(&[RIGHT]));
}

#[test]
fn ultrafeedback_binarized() {
    let row = json!({
        "prompt": "2+2?", "prompt_id": "ab", "messages": chat(&[ASKED, RIGHT]),
        "chosen": chat(&[ASKED, RIGHT]), "rejected": chat(&[ASKED, WRONG]),
        "score_chosen": 8.5, "score_rejected": 3.0
    });
    let read = of(&[row]).unwrap();
    assert_eq!(read.form, Form::UltraFeedbackBinarized);
    let row = read.into_preferences().unwrap().remove(0);
    assert_eq!(row.prompt.id, "ab");
    assert_eq!(row.prompt.content, turns(&[ASKED]));
    assert_eq!(row.prompt.extra["score_chosen"], json!(8.5));
    assert_eq!(
        (row.chosen, row.rejected),
        (turns(&[RIGHT]), turns(&[WRONG]))
    );
}

#[test]
fn sppo_columns() {
    let row = json!({
        "chosen": chat(&[ASKED, RIGHT]), "rejected": chat(&[ASKED, WRONG]),
        "chosen_probs": 0.9, "chosen_probs_win": 0.7, "chosen_probs_lose": 0.2
    });
    let read = of(std::slice::from_ref(&row)).unwrap();
    assert_eq!(read.form, Form::Sppo);
    let back = read.into_preferences().unwrap().remove(0);
    assert_eq!(
        (
            back.chosen_wins,
            back.chosen_win_rate,
            back.rejected_win_rate
        ),
        (Some(0.9), Some(0.7), Some(0.2))
    );
    assert_eq!(Value::Object(sppo_record(&back).unwrap()), row);
}

#[test]
fn sharegpt_ranking() {
    let row = json!({
        "system": "Be brief.",
        "conversations": [{"from": "human", "value": "2+2?"}],
        "chosen": {"from": "gpt", "value": "4"}, "rejected": {"from": "gpt", "value": "5"}
    });
    let wanted = turns(&[("system", "Be brief."), ASKED]);
    assert_eq!(
        pair(row),
        (
            Form::ShareGptRanking,
            wanted,
            turns(&[RIGHT]),
            turns(&[WRONG])
        )
    );
}

#[test]
fn several_answers() {
    let read = of(&[
        json!({"prompt": "a", "responses": ["x", {"text": "y", "trace": "t", "finish": "length", "tokens": 3}],
               "scores": [1, 2], "win_matrix": [[0.5, 0.1], [0.9, 0.5]]}),
        json!({"prompt": "b", "responses": ["x", "y"], "scores": [1, 1]}),
    ])
    .unwrap();
    assert_eq!(read.form, Form::Rated);
    assert_eq!((read.counts.truncated, read.counts.ties), (1, 1));
    let row = read.into_rated().unwrap().remove(0);
    assert_eq!(row.scores, Some(vec![1.0, 2.0]));
    assert_eq!(row.win_matrix.unwrap()[1][0], 0.9);
    let second = &row.responses[1];
    assert_eq!(
        (second.trace.as_deref(), second.tokens),
        (Some("t"), Some(3))
    );
}

#[test]
fn ultrafeedback() {
    let read = of(&[json!({"instruction": "a", "source": "s", "completions": [
        {"model": "m", "response": "x", "overall_score": 7.5},
        {"model": "n", "response": "y", "overall_score": 2}
    ]})])
    .unwrap();
    assert_eq!(read.form, Form::UltraFeedback);
    let row = read.into_rated().unwrap().remove(0);
    assert_eq!(row.scores, Some(vec![7.5, 2.0]));
    assert_eq!(row.responses[0].extra["model"], "m");
}

#[test]
fn prompts_and_problems() {
    for (row, form, answer) in [
        (
            json!({"question": "2+2?", "answer": 4}),
            Form::Problems,
            Some("4"),
        ),
        (
            json!({"problem": "2+2?", "answer": "4"}),
            Form::Problems,
            Some("4"),
        ),
        (json!({"prompt": "2+2?"}), Form::Prompts, None),
        (
            json!({"prompt": "2+2?", "answer": "4"}),
            Form::Prompts,
            Some("4"),
        ),
    ] {
        let read = of(std::slice::from_ref(&row)).unwrap();
        assert_eq!(read.form, form, "{row}");
        let prompt = read.into_prompts().remove(0);
        assert_eq!(prompt.content, text("2+2?"));
        assert_eq!(
            (prompt.answer.as_deref(), prompt.id.as_str()),
            (answer, "1")
        );
    }
}

#[test]
fn a_named_form_goes_before_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        &lines(&[json!({"prompt": "a", "responses": ["x"]})]),
    );
    let read = read(&path, Form::Prompts).unwrap();
    assert!(matches!(read.rows, Rows::Prompts(ref rows) if rows.len() == 1));
}

#[test]
fn useless_rows_are_counted_listed_and_refused_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let text = lines(&[
        json!({"prompt": "a", "chosen": "x", "rejected": "y", "chosen_probs": 0.5}),
        json!({"prompt": " ", "chosen": "x", "rejected": "y", "chosen_probs": 0.5}),
        json!({"prompt": "b", "chosen": "x", "rejected": "", "chosen_probs": 0.5}),
    ]) + "\n"
        + &lines(&[
            json!({"prompt": "c", "chosen": "x", "rejected": "y", "chosen_probs": "NaN"}),
            json!({"prompt": "a", "chosen": "z", "rejected": "y", "chosen_probs": 0.5}),
        ]);
    let read = read(&file(&folder, &text), Form::Auto).unwrap();
    let counts = read.counts;
    assert_eq!(
        (
            counts.rows,
            counts.empty,
            counts.dropped,
            counts.duplicate_prompts,
            read.rows.len()
        ),
        (5, 2, 3, 1, 2)
    );
    let listed: Vec<_> = read
        .problems
        .iter()
        .map(|one| (one.place, one.kind))
        .collect();
    assert_eq!(
        listed,
        [
            (Place::Line(2), ProblemKind::EmptyPrompt),
            (Place::Line(3), ProblemKind::NoCompletion),
            (Place::Line(5), ProblemKind::NotANumber),
            (Place::Line(6), ProblemKind::DuplicatePrompt),
        ]
    );
    let refused = read.require_all().unwrap_err().to_string();
    assert!(
        refused.contains("3 rows cannot be used; line 2: the prompt is empty;"),
        "{refused}"
    );
}

#[test]
fn bad_files_are_sentences_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, form, wanted) in [
        ("", Form::Auto, "rows.jsonl: no rows"),
        (
            "{\"prompt\": \"a\"}\n{\"prompt\": ",
            Form::Auto,
            "rows.jsonl, line 2: no JSON",
        ),
        (
            "{\"prompt\": \"a\", \"x\": NaN}",
            Form::Auto,
            "line 1: no JSON",
        ),
        (
            "\u{feff}{\"prompt\": \"a\"}\n17\n",
            Form::Auto,
            "line 2: a row is 17",
        ),
        ("[{\"prompt\": \"a\"}, 3]", Form::Auto, "row 2: a row is 3"),
        (
            "{\"wrong\": 1, \"names\": 2}",
            Form::Auto,
            "the columns names, wrong are of no known form",
        ),
        (
            "{\"prompt\": \"a\", \"chosen\": \"b\"}",
            Form::Preference,
            "line 1: no column `rejected` of the form preference - the columns are chosen, prompt;",
        ),
        (
            "{\"question\": \"a\"}",
            Form::Problems,
            "no column `answer`",
        ),
        (
            "{\"prompt\": 7.5}",
            Form::Auto,
            "`prompt` is 7.5 - allowed: a text or a list of messages",
        ),
        (
            "{\"prompt\": [{\"content\": \"a\"}]}",
            Form::Auto,
            "a message without a role",
        ),
        (
            "{\"prompt\": \"a\", \"responses\": [\"x\"], \"scores\": [1, 2]}",
            Form::Auto,
            "`scores` has 2 numbers for 1 responses",
        ),
        (
            "{\"prompt\": \"a\", \"responses\": [\"x\", \"y\"], \"win_matrix\": [[1, 2]]}",
            Form::Auto,
            "`win_matrix` has 1 rows for 2 responses",
        ),
        (
            "{\"prompt\": \"a\", \"responses\": [\"x\"], \"scores\": [\"high\"]}",
            Form::Auto,
            "`scores` is \"high\" - allowed: a number",
        ),
        (
            "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": [{\"role\": \"user\", \"content\": \"a\"}]}",
            Form::Auto,
            "do not fit together",
        ),
    ] {
        let told = read(&file(&folder, text), form).unwrap_err().to_string();
        assert!(told.contains(wanted), "{text}: {told}");
    }
    let told = read(Path::new("no/such/file"), Form::Auto)
        .unwrap_err()
        .to_string();
    assert!(told.contains("cannot read no/such/file"), "{told}");
    let told = "sharegpt".parse::<Form>().unwrap_err().to_string();
    assert!(
        told.contains("allowed: auto, sharegpt-ranking, sppo"),
        "{told}"
    );
}

#[test]
fn a_failed_writing_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let rows = [json!({"a": "x"}), json!({"a": [1]})].map(|row| row.as_object().unwrap().clone());
    let told = write_records(&path, FileKind::Parquet, &rows)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("row 2: `a`: is a text in one row and a list in another"),
        "{told}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
