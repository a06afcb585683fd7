//! Question files: each benchmark's own form, its variants, and what a bad line says.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::path::{Path, PathBuf};

use search::datasets::{DataError, DataSet, Format, read, read_passages};
use search::metrics::Variant;

/// A file of these tests with this text.
fn file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("datasets");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn set(name: &str, text: &str) -> DataSet {
    read(&file(name, text), None, None).unwrap()
}

fn refused(name: &str, text: &str) -> String {
    read(&file(name, text), None, None).unwrap_err().to_string()
}

const HOTPOT: &str = r#"[
 {"_id": "5a", "question": "Where [is] \"it\"?", "answer": "yes", "type": "bridge", "level": "hard",
  "supporting_facts": [["Port Velda", 0], ["Port Velda", 1]],
  "context": [["Port Velda", ["A harbour.", " On a lake."]], ["Ada Frost", ["She lives."]]]},
 {"_id": "5b", "question": "Who?", "answer": "Ada Frost", "type": "comparison",
  "supporting_facts": [], "context": [["Ada Frost", ["She lives."]]]}
]"#;

#[test]
fn hotpotqa_has_its_documents_once() {
    let set = set("hotpot.json", HOTPOT);
    assert_eq!(
        (set.format, set.format.metric()),
        (Format::Hotpotqa, Variant::Hotpot)
    );
    let [first, second] = &set.questions[..] else {
        panic!("two rows")
    };
    assert_eq!(
        (first.id.as_str(), first.text.as_str()),
        ("5a", "Where [is] \"it\"?")
    );
    assert_eq!(first.answers, ["yes"]);
    assert_eq!(first.supporting, ["Port Velda"]);
    assert_eq!(second.kind.as_deref(), Some("comparison"));
    let shown: Vec<String> = set.passages.iter().map(|passage| passage.shown()).collect();
    assert_eq!(
        shown,
        ["Port Velda: A harbour. On a lake.", "Ada Frost: She lives."]
    );
}

#[test]
fn columns_instead_of_pairs_are_read_alike() {
    let row = r#"{"id": "5a", "question": "Q?", "answer": "A", "supporting_facts": {"title": ["T"], "sent_id": [0]},
        "context": {"title": ["T", "U"], "sentences": [["One.", "Two."], ["Three."]]}}"#;
    let set = set("columns.jsonl", &row.replace('\n', " "));
    assert_eq!((set.format, set.passages.len()), (Format::Hotpotqa, 2));
    assert_eq!(set.questions[0].supporting, ["T"]);
    assert_eq!(set.passages[0].text, "One. Two.");
}

#[test]
fn two_wiki_takes_other_names_of_the_answer() {
    let text = r#"[{"_id": "w", "question": "Q?", "answer": "USA", "answer_id": "Q30", "evidences": [],
        "context": [], "supporting_facts": []}]"#;
    let names = concat!(
        r#"{"Q_id": "Q30", "aliases": ["United States", "USA"], "demonyms": ["American"]}"#,
        "\n",
        r#"{"Q_id": "Q1", "aliases": [], "demonyms": []}"#,
    );
    let set = read(
        &file("wiki.json", text),
        None,
        Some(&file("id_aliases.json", names)),
    )
    .unwrap();
    assert_eq!(set.format, Format::TwoWiki);
    assert_eq!(
        set.questions[0].answers,
        ["USA", "United States", "American"]
    );
    let bare = read(&file("wiki.json", text), None, None).unwrap();
    assert_eq!(bare.questions[0].answers, ["USA"]);
}

#[test]
fn musique_leaves_out_what_has_no_answer() {
    let row = |id: &str, answerable: bool| {
        format!(
            r#"{{"id": "{id}", "question": "Q?", "answer": "A", "answer_aliases": ["B", "A"], "answerable": {answerable}, "paragraphs": [{{"idx": 0, "title": "T", "paragraph_text": "One.", "is_supporting": true}}, {{"idx": 1, "title": "U", "paragraph_text": "Two.", "is_supporting": false}}]}}"#
        )
    };
    let text = format!(
        "{}\n\n{}\n",
        row("3hop1__1_2_3", true),
        row("2hop__1_2", false)
    );
    let set = set("musique.jsonl", &text);
    assert_eq!(
        (set.format, set.format.metric()),
        (Format::Musique, Variant::Squad)
    );
    assert_eq!(
        (set.questions.len(), set.left_out, set.passages.len()),
        (1, 1, 2)
    );
    let question = &set.questions[0];
    assert_eq!(question.answers, ["A", "B"]);
    assert_eq!(question.kind.as_deref(), Some("3hop1"));
    assert_eq!(question.supporting, ["T"]);
}

#[test]
fn bamboogle_comes_in_four_forms() {
    let csv =
        "\u{feff}Question,Answer\r\n\"Who, or\nwhat?\",\"Ada \"\"A\"\" Frost\"\r\n\r\nWhen?,1950\n";
    let forms = [
        ("b.csv", csv.to_owned()),
        ("b.tsv", "Question\tAnswer\n\"Who, or\nwhat?\"\t\"Ada \"\"A\"\" Frost\"\nWhen?\t1950".to_owned()),
        ("b.json", r#"[{"Question": "Who, or\nwhat?", "Answer": "Ada \"A\" Frost"}, {"Question": "When?", "Answer": 1950}]"#.to_owned()),
        ("b.jsonl", concat!(r#"{"question": "Who, or\nwhat?", "golden_answers": ["Ada \"A\" Frost"]}"#, "\n", r#"{"question": "When?", "golden_answers": ["1950"]}"#).to_owned()),
    ];
    for (name, text) in forms {
        let set = set(name, &text);
        assert_eq!(set.format, Format::Bamboogle, "{name}");
        let [first, second] = &set.questions[..] else {
            panic!("{name}: two rows")
        };
        assert_eq!(
            (first.id.as_str(), first.text.as_str()),
            ("q1", "Who, or\nwhat?"),
            "{name}"
        );
        assert_eq!(first.answers, ["Ada \"A\" Frost"], "{name}");
        assert_eq!(
            (second.id.as_str(), &second.answers[..]),
            ("q2", &["1950".to_owned()][..]),
            "{name}"
        );
    }
    let listed = set(
        "listed.csv",
        "question,golden_answers\nQ?,\"[\"\"A\"\", \"\"B\"\"]\"\n",
    );
    assert_eq!(listed.questions[0].answers, ["A", "B"]);
}

#[test]
fn plain_questions_need_no_answer() {
    let text =
        "{\"id\": 7, \"question\": \"Q?\"}\n{\"question\": \"R?\", \"answers\": [\"A\", \"B\"]}\n";
    let set = set("plain.jsonl", text);
    assert_eq!(set.format, Format::Plain);
    assert_eq!(
        (set.questions[0].id.as_str(), set.questions[0].answers.len()),
        ("7", 0)
    );
    assert_eq!(
        (set.questions[1].id.as_str(), set.questions[1].answers.len()),
        ("q2", 2)
    );
}

#[test]
fn a_bad_line_is_named() {
    let bad = [
        (
            "syntax.jsonl",
            "{\"question\": \"Q?\"}\n\n{\"question\" \"R?\"}\n",
            "syntax.jsonl, line 3: no JSON",
        ),
        ("number.jsonl", "7\n", "line 1: no JSON object"),
        (
            "empty.jsonl",
            "{\"question\": \"Q?\"}\n{\"question\": \" \"}\n",
            "line 2: no `question`",
        ),
        (
            "twice.jsonl",
            "{\"id\": 1, \"question\": \"Q?\"}\n{\"id\": \"1\", \"question\": \"R?\"}",
            "line 2: the id `1` is there twice",
        ),
        (
            "half.json",
            "[{\"question\": \"Q?\"},\n{\"question\": [",
            "line 2: the list does not end",
        ),
        (
            "in_list.json",
            "[\n{\"question\": \"Q?\"},\n{\"question\": }\n]",
            "line 3: no JSON",
        ),
        (
            "short.csv",
            "Question,Answer\nA,B\nC\n",
            "line 3: 1 values under 2 names",
        ),
        (
            "open.csv",
            "Question,Answer\nA,\"B\nC,D\n",
            "line 2: a quote does not end",
        ),
        (
            "unanswered.csv",
            "Question,Answer\nA,B\nC,\n",
            "line 3: no `answer`",
        ),
        (
            "context.json",
            "[{\"question\": \"Q?\", \"answer\": \"A\", \"context\": [[1, []]]}]",
            "line 1: `context` is no list",
        ),
        (
            "paragraphs.jsonl",
            "{\"question\": \"Q?\", \"answer\": \"A\", \"paragraphs\": [{}]}",
            "line 1: `paragraphs` is no list",
        ),
    ];
    for (name, text, message) in bad {
        let said = refused(name, text);
        assert!(said.contains(message), "{name}: {said}");
        assert!(said.contains(" - "), "{said}");
    }
    assert!(refused("nothing.jsonl", "\n").contains("has no row"));
    let missing = read(&PathBuf::from("/no/such/file"), None, None);
    assert!(matches!(missing, Err(DataError::Read { .. })));
}

#[test]
fn documents_can_come_from_a_file_of_their_own() {
    let path = file(
        "documents.jsonl",
        "{\"title\": \"T\", \"text\": \"One.\"}\n{\"text\": \"Two.\"}\n",
    );
    let shown: Vec<String> = read_passages(&path)
        .unwrap()
        .iter()
        .map(|one| one.shown())
        .collect();
    assert_eq!(shown, ["T: One.", "Two."]);
    let bad = read_passages(&file("bad.jsonl", "{\"title\": \"T\"}")).unwrap_err();
    assert!(bad.to_string().contains("line 1: no `text`"), "{bad}");
}
