//! The launcher at every size, under any keys, under the mouse.

use super::*;

#[test]
fn without_a_program_around_everything_still_draws() {
    let mut model = empty();
    letter(&mut model, 'n');
    assert!(text(&model, 80, 24).contains("preset demo"));
    key(&mut model, KeyCode::Enter);
    letter(&mut model, 'p');
    assert!(text(&model, 80, 24).contains("working it out"));
}

#[test]
fn screens() {
    let mut wrong = form("demo");
    focus(&mut wrong, "batch_episodes");
    press(&mut wrong, "9999\n\u{1b}");
    focus(&mut wrong, "learning_rate");
    press(&mut wrong, "\nfast\n\u{1b}n");
    let mut plan = form("demo");
    press(&mut plan, "p");
    let mut sheet = form("demo");
    press(&mut sheet, "+s\t\t");
    let mut choice = form("demo");
    focus(&mut choice, "algorithm.kind");
    press(&mut choice, "\n");
    let mut long = form("demo");
    focus(&mut long, "environment.id");
    press(
        &mut long,
        &format!("\n{}\n\u{1b}", "long-日本-name-".repeat(12)),
    );
    let mut queue = picker();
    press(&mut queue, "Q");
    let waiting = (2..40).map(|index| QueueEntry {
        id: format!("20270115-120000-demo-s{index}"),
        device: "cpu".to_owned(),
        reason: format!(
            "waits for cpu: {} ahead, 20270115-120000-demo-s1 is running",
            index - 2
        ),
    });
    send(&mut queue, Msg::Answer(Told::Queue(Ok(waiting.collect()))));
    press(&mut queue, "jjj");
    let all = [
        ("queue", queue),
        ("picker", picker()),
        ("form", form("demo")),
        ("problems", wrong),
        ("plan", plan),
        ("sheet", sheet),
        ("choice", choice),
        ("overflowing", long),
    ];
    for (name, model) in &all {
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            let mut model = model.clone();
            model.size = (width, height);
            insta::assert_snapshot!(
                format!("launcher_{name}_{width}x{height}"),
                text(&model, width, height)
            );
        }
        for width in 0..=40 {
            for height in 0..=12 {
                draw(model, width, height);
            }
        }
    }
}

/// Any key that the launcher may meet.
fn any_key() -> impl Strategy<Value = KeyCode> {
    prop_oneof![
        8 => prop::sample::select("jklhxuapsdnwyeoQJKgG+-<> 19.\"[{=é日/".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        4 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Enter, KeyCode::Down, KeyCode::Up, KeyCode::Left,
            KeyCode::Right, KeyCode::Tab, KeyCode::Backspace, KeyCode::Home, KeyCode::End,
            KeyCode::PageDown,
        ]),
        1 => Just(KeyCode::Esc),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_keys_leave_a_document_that_parses(
        start in 0..30_usize,
        keys in prop::collection::vec(any_key(), 1..60),
    ) {
        let mut model = picker();
        for _ in 0..start {
            key(&mut model, KeyCode::Down);
        }
        press(&mut model, "\n");
        for code in keys {
            let commands = key(&mut model, code);
            let others = answered(&mut model, commands);
            for other in others {
                if let Cmd::Edit { text, .. } = other {
                    // An editor that cuts the text anywhere.
                    let cut: String = text.chars().take(text.len() / 2).collect();
                    let commands = send(&mut model, Msg::Edited(Ok(cut)));
                    answered(&mut model, commands);
                }
            }
            if let Some(form) = model.launcher.form() {
                let parsed = RunConfig::from_toml("form", &form.draft.text());
                let broken = parsed.err().into_iter().flatten().any(|problem| problem.message.contains("not valid TOML"));
                prop_assert!(!broken, "{}", form.draft.text());
            }
        }
        draw(&model, 80, 24);
        draw(&model, 33, 11);
    }
}

#[test]
fn a_click_chooses_and_a_second_one_opens() {
    let mut model = picker();
    let click = |model: &mut Model, row: u16| {
        let commands = send(model, Msg::Mouse(MouseKind::Click, 5, row));
        answered(model, commands)
    };
    // Below the header and the border: two files, four presets of searches, then the demo.
    click(&mut model, 8);
    assert_eq!(model.launcher.view(), View::Picker);
    click(&mut model, 8);
    assert_eq!(command(&model), "concord train demo");
    // Below the summary as well: the heading, the seed, the steps.
    click(&mut model, 5);
    press(&mut model, "+");
    assert_eq!(value(&model, "total_steps"), "310_000");
    click(&mut model, 5);
    press(&mut model, "7\n");
    assert_eq!(value(&model, "total_steps"), "7");
    // Outside of the list nothing happens, and nothing behind a window.
    click(&mut model, 0);
    click(&mut model, 23);
    press(&mut model, "d");
    click(&mut model, 4);
    assert!(text(&model, 80, 24).contains("changed against preset demo"));
    assert!(text(&model, 80, 24).contains("total_steps: 300000 -> 7"));
}
