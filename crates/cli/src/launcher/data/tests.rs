use std::path::PathBuf;

use testkit::chat_model::{CHATML, ChatModel};

use super::*;

fn ask(path: impl Into<PathBuf>, algorithm: &str) -> DataAsk {
    DataAsk {
        path: path.into(),
        form: "auto".to_owned(),
        algorithm: algorithm.to_owned(),
        iterations: "0".to_owned(),
        ..DataAsk::default()
    }
}

fn learnt(preview: &Preview) -> String {
    let pieces = preview.pieces.iter().filter(|(_, learnt)| *learnt);
    pieces.map(|(text, _)| text.as_str()).collect()
}

#[test]
fn made_up_demonstrations_are_learnt_and_held_out_problems_are_not() {
    let shown = preview(&ask(ARITHMETIC, "sft")).expect("a preview");
    assert_eq!(shown.rows.len(), SHOWN);
    assert!(learnt(&shown.rows[0].1).contains("The answer is"));
    assert!(
        shown.problems[0].contains("no model is chosen"),
        "{:?}",
        shown.problems
    );
    let held_out = DataAsk {
        held_out: true,
        ..ask(ARITHMETIC, "sft")
    };
    let shown = preview(&held_out).expect("a preview");
    assert!(shown.rows[0].0.contains("answer "), "{}", shown.rows[0].0);
    assert_eq!(learnt(&shown.rows[0].1), "");
}

#[test]
fn a_file_tells_its_form_its_counts_and_both_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pairs.jsonl");
    let line = |prompt: &str, chosen: &str| {
        format!("{{\"prompt\":\"{prompt}\",\"chosen\":\"{chosen}\",\"rejected\":\"No.\"}}\n")
    };
    let text = line("Is it?", "Yes.") + &line("Is it?", "Yes!") + &line("And now?", "");
    std::fs::write(&file, text).expect("a file");
    let shown = preview(&ask(&file, "dpo")).expect("a preview");
    assert_eq!(
        shown.facts[..2],
        [
            "JSON lines of the form preference",
            "3 rows, 1 left out, 1 with the prompt of another"
        ]
    );
    let names: Vec<&str> = shown.rows.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(
        names,
        [
            "row 1, chosen",
            "row 1, rejected",
            "row 2, chosen",
            "row 2, rejected"
        ]
    );
    assert_eq!(learnt(&shown.rows[0].1), "Yes.");
    assert!(
        shown.problems[0].starts_with("line "),
        "{:?}",
        shown.problems
    );
    let sampled = DataAsk {
        iterations: "3".to_owned(),
        ..ask(&file, "sppo")
    };
    let shown = preview(&sampled).expect("a preview");
    assert_eq!(shown.rows[0].0, "row 1, the prompt alone");
}

#[test]
fn what_cannot_be_used_is_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.jsonl");
    std::fs::write(&file, "{\"colour\":\"red\"}\n").expect("a file");
    let error = preview(&ask(&file, "dpo")).expect_err("no form");
    assert!(error.contains("of no known form"), "{error}");
    let error = preview(&ask(folder.path().join("none.jsonl"), "dpo")).expect_err("no file");
    assert!(error.contains("cannot read"), "{error}");
    let prompts = folder.path().join("prompts.jsonl");
    std::fs::write(&prompts, "{\"prompt\":\"Why?\"}\n").expect("a file");
    let shown = preview(&ask(&prompts, "dpo")).expect("a preview");
    assert!(
        shown.problems[0].contains("no preferences"),
        "{:?}",
        shown.problems
    );
}

#[test]
fn what_a_template_writes_behind_the_end_token_is_not_learnt() {
    let wanted = DataAsk {
        model: concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/arithmetic-chat").to_owned(),
        ..ask(ARITHMETIC, "sft")
    };
    let shown = &preview(&wanted).expect("a preview").rows[0].1;
    let whole: String = shown.pieces.iter().map(|(text, _)| text.as_str()).collect();
    let answer = learnt(shown);
    assert!(whole.ends_with('\n'), "{whole:?}");
    assert_eq!(answer, answer.trim_end());
    assert!(answer.ends_with("<|im_end|>"), "{answer:?}");
}

#[test]
fn without_thinking_a_prompt_ends_with_an_empty_trace_whatever_the_template_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model");
    ChatModel {
        template: Some(CHATML.to_owned()),
        ..ChatModel::default()
    }
    .write(&model)
    .expect("a model");
    let prompts = folder.path().join("prompts.jsonl");
    std::fs::write(&prompts, "{\"prompt\":\"Why?\"}\n").expect("a file");
    let text = |thinking: &str| -> String {
        let wanted = DataAsk {
            model: model.display().to_string(),
            thinking: thinking.to_owned(),
            iterations: "3".to_owned(),
            ..ask(&prompts, "dpo")
        };
        let shown = preview(&wanted).expect("a preview");
        let pieces = shown.rows[0].1.pieces.iter();
        pieces.map(|(text, _)| text.as_str()).collect()
    };
    let (plain, off) = (text("auto"), text("off"));
    assert_eq!(off, format!("{plain}<think>\n\n</think>\n\n"));
}
