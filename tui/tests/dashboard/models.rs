//! The screen of models: list, details, downloads, removal, picking for a setting.

use std::path::PathBuf;

use ratatui::crossterm::event::KeyCode;
use tui::host::{self, Request as Asked};
use tui::model::Question;
use tui::model::{Leave, Model, Overlay};
use tui::screens::ScreenKind;
use tui::screens::models::downloads::State;
use tui::screens::models::requests::{
    Answer, Failed, Inspected, List, Listed, Preview, Request, Step,
};
use tui::screens::models::{Part, list};
use tui::{Cmd, Msg};

use crate::fixture::{NOW, empty, key, letter, send, text, typed};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn told(model: &mut Model, answer: Answer) -> Vec<Cmd> {
    send(model, Msg::Answer(host::Answer::Models(answer)))
}

fn asked(commands: &[Cmd]) -> Vec<Request> {
    let models = |command: &Cmd| match command {
        Cmd::Ask(Asked::Models(request)) => Some(request.clone()),
        _ => None,
    };
    commands.iter().filter_map(models).collect()
}

fn cached(name: &str, family: &str, parameters: u64) -> Listed {
    Listed {
        name: name.to_owned(),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        revisions: vec!["main".to_owned()],
        folder: PathBuf::from(format!("/cache/{name}")),
        kind: "language".to_owned(),
        family: Some(family.to_owned()),
        parameters: Some(parameters),
        bytes: parameters * 2,
        template: true,
        modified: NOW - 7_200.0,
        problem: None,
    }
}

fn here() -> List {
    List {
        cache: "/cache".to_owned(),
        offline: false,
        models: vec![
            cached("HuggingFaceTB/SmolLM2-135M-Instruct", "llama", 134_515_008),
            cached("Qwen/Qwen3-0.6B", "qwen3", 596_049_920),
            Listed {
                kind: "reward".to_owned(),
                template: false,
                ..cached("owner/judge-日本語", "mistral", 7_000_000_000)
            },
            Listed {
                problem: Some("config.json is missing; the fetch was not finished".to_owned()),
                revisions: Vec::new(),
                parameters: None,
                family: None,
                ..cached("owner/unfinished", "", 900)
            },
            Listed {
                commit: String::new(),
                revisions: Vec::new(),
                folder: "/data/my-model".into(),
                ..cached("/data/my-model", "gemma2", 2_600_000_000)
            },
        ],
    }
}

fn known() -> Inspected {
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Inspected {
        facts: vec![
            fact("family", "llama"),
            fact("architectures", "LlamaForCausalLM"),
            fact("layers", "30"),
            fact("context_tokens", "8192"),
            fact("special", "bos_token <|im_start|>, eos_token <|im_end|>"),
        ],
        files: vec![
            ("config.json".to_owned(), 861),
            ("model.safetensors".to_owned(), 269_060_552),
        ],
        problems: Vec::new(),
        preview: Ok(Preview {
            pieces: vec![
                (
                    "<|im_start|>user\nWhat is two and two?<|im_end|>\n".to_owned(),
                    false,
                ),
                ("Four.<|im_end|>".to_owned(), true),
                ("\n".to_owned(), false),
            ],
            tokens: (31, 3),
            notes: vec!["an earlier answer is not marked".to_owned()],
        }),
    }
}

/// The screen with a list and what is known of its first model.
pub fn listed() -> Model {
    let mut model = empty();
    letter(&mut model, 'M');
    let commands = told(&mut model, Answer::List(Ok(here())));
    let asked = asked(&commands);
    let [Request::Inspect(folder)] = asked.as_slice() else {
        panic!("the first model is looked into: {asked:?}")
    };
    told(
        &mut model,
        Answer::Inspected(folder.clone(), Ok(Box::new(known()))),
    );
    model
}

/// Something that may come at any time.
pub fn some_answer(which: usize) -> Msg {
    let answer = match which {
        0 => Answer::List(Ok(here())),
        1 => Answer::List(Err("no".to_owned())),
        2 => Answer::Inspected("/cache/Qwen/Qwen3-0.6B".into(), Ok(Box::new(known()))),
        3 => Answer::Step(
            1,
            Step::Planned {
                files: 3,
                bytes: 10,
                present: u64::MAX,
            },
        ),
        4 => Answer::Step(
            1,
            Step::Advanced {
                file: "w".to_owned(),
                done: u64::MAX,
                bytes: 0,
            },
        ),
        5 => Answer::Ended(1, Err(Failed::Stopped)),
        6 => Answer::Removed(Err("no".to_owned())),
        _ => Answer::Step(
            1,
            Step::Started {
                file: "w".to_owned(),
                bytes: 9,
                from: 100,
            },
        ),
    };
    Msg::Answer(host::Answer::Models(answer))
}

fn names(model: &Model) -> Vec<&str> {
    let rows = list::visible(&model.models).into_iter();
    rows.map(|one| one.name.as_str()).collect()
}

/// Types a name to fetch; the number of the download if it begins.
fn fetch(model: &mut Model, name: &str) -> Option<u64> {
    letter(model, 'f');
    typed(model, name);
    match asked(&key(model, KeyCode::Enter)).as_slice() {
        [Request::Fetch { id, name: asked }] => {
            assert_eq!(asked, name);
            Some(*id)
        }
        [] => None,
        other => panic!("{other:?}"),
    }
}

fn half_way(model: &mut Model, id: u64) {
    for step in [
        Step::Planned {
            files: 3,
            bytes: 2_000_000,
            present: 0,
        },
        Step::Finished {
            file: "config.json".to_owned(),
            bytes: 1_000,
        },
        Step::Started {
            file: "model.safetensors".to_owned(),
            bytes: 1_999_000,
            from: 0,
        },
    ] {
        told(model, Answer::Step(id, step));
    }
    for (second, done) in [(1.0, 400_000), (2.0, 900_000)] {
        send(model, Msg::Tick(NOW + second));
        let file = "model.safetensors".to_owned();
        let bytes = 1_999_000;
        told(
            model,
            Answer::Step(id, Step::Advanced { file, done, bytes }),
        );
    }
}

#[test]
fn the_list_and_its_details_at_three_sizes() {
    let mut model = listed();
    for (width, height) in SIZES {
        let name = format!("models_{width}x{height}");
        insta::assert_snapshot!(name, text(&model, width, height));
    }
    letter(&mut model, 'p');
    insta::assert_snapshot!("models_preview_120x40", text(&model, 120, 40));
    let mut nothing = empty();
    letter(&mut nothing, 'M');
    told(
        &mut nothing,
        Answer::List(Ok(List {
            cache: "/cache".to_owned(),
            offline: true,
            models: Vec::new(),
        })),
    );
    insta::assert_snapshot!("models_none_80x24", text(&nothing, 80, 24));
}

#[test]
fn the_sample_conversation_is_seen_on_a_small_terminal_too() {
    let mut model = listed();
    send(&mut model, Msg::Resized(80, 24));
    letter(&mut model, 'p');
    let shown = text(&model, 80, 24);
    assert!(shown.contains("What is two and two?"), "{shown}");
    key(&mut model, KeyCode::Esc);
    assert!(text(&model, 80, 24).contains("Models 5"));
}

#[test]
fn rows_are_sorted_and_filtered() {
    let mut model = listed();
    assert_eq!(names(&model)[0], "/data/my-model");
    letter(&mut model, 's');
    letter(&mut model, 's');
    assert_eq!(
        names(&model)[0],
        "owner/judge-日本語",
        "the most parameters"
    );
    letter(&mut model, 'S');
    assert_eq!(names(&model)[0], "owner/unfinished");
    letter(&mut model, '/');
    typed(&mut model, "qwen3|gemma");
    key(&mut model, KeyCode::Enter);
    assert_eq!(names(&model), ["Qwen/Qwen3-0.6B", "/data/my-model"]);
    key(&mut model, KeyCode::Esc);
    assert_eq!(names(&model).len(), 5);
    letter(&mut model, '/');
    typed(&mut model, "broken");
    key(&mut model, KeyCode::Enter);
    assert_eq!(names(&model), ["owner/unfinished"]);
}

#[test]
fn one_model_is_looked_into_at_a_time_and_the_last_chosen_one_in_the_end() {
    let mut model = listed();
    let first = asked(&letter(&mut model, 'j'));
    let [Request::Inspect(first)] = first.as_slice() else {
        panic!("{first:?}")
    };
    assert_eq!(asked(&letter(&mut model, 'j')), [], "one is enough");
    letter(&mut model, 'j');
    let late = told(
        &mut model,
        Answer::Inspected(first.clone(), Ok(Box::new(known()))),
    );
    let chosen = model.models.chosen().expect("a model").folder.clone();
    assert_ne!(chosen, *first);
    assert_eq!(asked(&late), [Request::Inspect(chosen)]);
    assert!(model.models.details().is_none(), "that was another model's");
}

#[test]
fn downloads_show_rate_and_time_left_and_go_on_elsewhere() {
    let mut model = listed();
    let id = fetch(&mut model, "owner/new@v2").expect("it begins");
    assert_eq!(fetch(&mut model, "owner/other"), None, "it waits");
    half_way(&mut model, id);
    for (width, height) in SIZES {
        let name = format!("models_downloads_{width}x{height}");
        insta::assert_snapshot!(name, text(&model, width, height));
    }
    letter(&mut model, 'q');
    assert_eq!(model.screen, ScreenKind::Dashboard);
    let dashboard = text(&model, 100, 30);
    assert!(dashboard.contains("fetching new@v2 45% +1"), "{dashboard}");
    // Leaving asks, and what is asked names both.
    letter(&mut model, 'q');
    assert!(matches!(&model.overlay, Overlay::Ask(Question::Downloads(names)) if names.len() == 2));
    let question = text(&model, 100, 30);
    assert!(question.contains("What has arrived is kept"), "{question}");
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.leave, None);
    letter(&mut model, 'q');
    letter(&mut model, 'y');
    assert_eq!(model.leave, Some(Leave::Asked));
}

#[test]
fn a_download_is_stopped_and_goes_on_and_the_next_one_begins() {
    let mut model = listed();
    let id = fetch(&mut model, "owner/new").expect("it begins");
    fetch(&mut model, "owner/other");
    half_way(&mut model, id);
    assert_eq!(asked(&letter(&mut model, 'x')), [Request::Cancel(id)]);
    let next = asked(&told(&mut model, Answer::Ended(id, Err(Failed::Stopped))));
    let [Request::List, Request::Fetch { id: second, name }] = next.as_slice() else {
        panic!("{next:?}")
    };
    assert_eq!(name, "owner/other");
    let refused = "https://hub failed: owner/other is gated - accept its terms at https://hub/owner/other; set HF_TOKEN";
    told(
        &mut model,
        Answer::Ended(*second, Err(Failed::Refused(refused.to_owned()))),
    );
    key(&mut model, KeyCode::BackTab);
    assert_eq!(model.models.part, Part::Downloads);
    // The sentence is shown whole, with the way out.
    let wide = text(&model, 120, 40).replace('\n', " ");
    assert!(
        wide.contains("accept its terms") && wide.contains("HF_TOKEN"),
        "{wide}"
    );
    letter(&mut model, 'g');
    let again = asked(&letter(&mut model, 'r'));
    let [Request::Fetch { id: third, name }] = again.as_slice() else {
        panic!("{again:?}")
    };
    assert_eq!(name, "owner/new");
    let done = asked(&told(&mut model, Answer::Ended(*third, Ok(String::new()))));
    assert_eq!(done, [Request::List], "the list is read anew");
    assert_eq!(
        model.models.downloads.list[0].state,
        State::Done(String::new())
    );
    assert_eq!(model.models.downloads.headline(), None);
}

#[test]
fn a_snapshot_is_removed_by_its_name_alone_and_a_folder_without_one() {
    let mut model = listed();
    letter(&mut model, 'g');
    assert_eq!(
        asked(&letter(&mut model, 'D')),
        [Request::Forget("/data/my-model".into())]
    );
    letter(&mut model, 'G');
    letter(&mut model, 'D');
    insta::assert_snapshot!("models_remove_80x24", text(&model, 80, 24));
    typed(&mut model, "wrong");
    assert_eq!(asked(&key(&mut model, KeyCode::Enter)), []);
    for _ in 0..5 {
        key(&mut model, KeyCode::Backspace);
    }
    typed(&mut model, "unfinished");
    let removed = asked(&key(&mut model, KeyCode::Enter));
    assert!(
        matches!(removed.as_slice(), [Request::Remove { name, .. }] if name == "owner/unfinished"),
        "{removed:?}"
    );
    let after = told(&mut model, Answer::Removed(Ok("900 B are free".to_owned())));
    assert_eq!(asked(&after), [Request::List]);
    assert!(text(&model, 80, 24).contains("900 B are free"));
}

#[test]
fn what_cannot_talk_says_so() {
    let mut model = listed();
    letter(&mut model, 'G');
    key(&mut model, KeyCode::Enter);
    assert_eq!(model.screen, ScreenKind::Models);
    assert!(text(&model, 120, 40).contains("the fetch was not finished"));
    letter(&mut model, 'k');
    key(&mut model, KeyCode::Enter);
    assert!(text(&model, 120, 40).contains("writes no text: it is of kind reward"));
    letter(&mut model, 'k');
    let commands = key(&mut model, KeyCode::Enter);
    assert_eq!(model.screen, ScreenKind::Chat);
    let opened = commands.iter().any(|command| {
        matches!(command, Cmd::Ask(Asked::Chat(tui::screens::chat::requests::Request::Open { model, .. }))
            if model == "/cache/Qwen/Qwen3-0.6B")
    });
    assert!(opened, "{commands:?}");
}

#[test]
fn a_folder_is_found_and_listed() {
    use tui::screens::launcher::requests as files;
    let mut model = listed();
    letter(&mut model, 'o');
    let entry = files::Entry {
        name: "mine".to_owned(),
        is_folder: true,
        size: 0,
    };
    let folder = files::Folder {
        path: "/srv".into(),
        entries: vec![entry],
    };
    let answer = |answer| Msg::Answer(host::Answer::Launcher(answer));
    let wanted = send(
        &mut model,
        answer(files::Answer::Folder(".".into(), Ok(folder))),
    );
    let preview = Asked::Launcher(files::Request::Preview("/srv/mine".into()));
    assert_eq!(wanted, [Cmd::Ask(preview)]);
    let lines = vec!["language model: llama".to_owned()];
    send(
        &mut model,
        answer(files::Answer::Preview("/srv/mine".into(), lines)),
    );
    assert!(text(&model, 120, 40).contains("language model: llama"));
    let added = asked(&key(&mut model, KeyCode::Enter));
    assert_eq!(added, [Request::Add("/srv/mine".into())]);
}
