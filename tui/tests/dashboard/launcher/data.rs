//! Fine-tuning in the launcher: its plan, and picking the data.

use configs::finetune::ARITHMETIC;
use tui::plan::{FinetuneSizes, Item};
use tui::screens::launcher::requests::{DataAsk, DataPreview};
use tui::screens::models::requests::Preview;

use super::*;

pub(super) fn sizes() -> FinetuneSizes {
    let item = |name: &str, bytes: u64| Item {
        name: name.to_owned(),
        bytes,
        from: "64 texts of 256 tokens in a pass".to_owned(),
    };
    FinetuneSizes {
        model: "assets/arithmetic-chat".to_owned(),
        parameters: Some(1_312_000),
        trained: Some(1_312_000),
        number_bytes: 4,
        memory: Some(vec![
            item("weights", 5_248_000),
            item("activations", 1 << 28),
        ]),
        missing: String::new(),
        rows: None,
        counted: "made-up arithmetic, as many as wanted".to_owned(),
        held_out: None,
    }
}

pub(super) fn preview(asked: &DataAsk) -> Result<DataPreview, String> {
    if asked.path == Path::new(ARITHMETIC) {
        return Ok(DataPreview {
            facts: vec!["made-up problems".to_owned()],
            ..DataPreview::default()
        });
    }
    if asked.path.ends_with("pairs.jsonl") {
        let row = Preview {
            pieces: vec![
                (
                    "<|user|>\nWhat is 2 + 2?\n<|assistant|>\n".to_owned(),
                    false,
                ),
                ("The answer is 4.<|end|>".to_owned(), true),
                ("\u{1b}[31m日本".to_owned(), false),
            ],
            tokens: (19, 7),
            notes: vec!["longer than data.max_tokens = 8: it is cut".to_owned()],
        };
        return Ok(DataPreview {
            facts: vec![
                "JSON lines of the form preference".to_owned(),
                "1 200 rows, 3 left out".to_owned(),
                format!("read by {}", asked.model),
            ],
            problems: vec!["line 7: a completion is empty".to_owned()],
            rows: vec![("row 1, chosen".to_owned(), row); 4],
        });
    }
    Err(format!(
        "{}: no rows - allowed: one row at least",
        asked.path.display()
    ))
}

fn language_form() -> Model {
    let mut model = form("sppo-arithmetic");
    focus(&mut model, "data.path");
    press(&mut model, "\u{1b}");
    model
}

#[test]
fn data_is_picked_from_a_list_that_shows_its_rows() {
    let mut model = form("sppo-arithmetic");
    assert_eq!(command(&model), "concord finetune sppo-arithmetic");
    focus(&mut model, "data.path");
    press(&mut model, "\n");
    let shown = text(&model, 120, 40);
    assert!(
        shown.contains("made up") && shown.contains("pairs.jsonl"),
        "{shown}"
    );
    assert!(!shown.contains("mine.toml"), "no file of rows: {shown}");
    press(&mut model, "↓↓");
    let shown = text(&model, 120, 40);
    assert!(shown.contains("19 tokens, bold: 7 learnt"), "{shown}");
    assert!(shown.contains("line 7: a completion is empty"), "{shown}");
    assert!(shown.contains("read by assets/arithmetic-chat"), "{shown}");
    press(&mut model, "\n");
    assert_eq!(value(&model, "data.path"), "pairs.jsonl");
    assert!(command(&model).contains("--set data.path=pairs.jsonl"));
    // A folder is entered, what cannot be used says why, Esc keeps the value.
    press(&mut model, "\n↓\n");
    assert!(text(&model, 120, 40).contains("denied"));
    press(&mut model, "\u{1b}");
    assert_eq!(value(&model, "data.path"), "pairs.jsonl");
}

#[test]
fn screens_of_fine_tuning() {
    let mut plan = language_form();
    press(&mut plan, "p");
    let mut data = language_form();
    focus(&mut data, "data.path");
    press(&mut data, "\n↓↓");
    for (told, model) in [("tokens generated", &plan), ("bold: 7 learnt", &data)] {
        for (width, height) in [(80, 24), (120, 40)] {
            let mut model = model.clone();
            model.size = (width, height);
            let shown = text(&model, width, height);
            assert!(shown.contains(told), "{width}x{height}: {shown}");
            assert!(!shown.contains('\u{1b}'), "printable alone: {shown}");
        }
        for width in 0..=40 {
            for height in 0..=12 {
                draw(model, width, height);
            }
        }
    }
}
