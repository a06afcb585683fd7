//! Templates and tokenizers against transformers, jinja2 and tokenizers of Python.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hub::{
    ChatTemplate, Conversation, HubError, ModelTokenizer, OrderedJson, RenderOptions, SpecialTokens,
};
use serde::Deserialize;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> T {
    let text = fs::read_to_string(fixtures().join(file)).expect("a fixture");
    serde_json::from_str(&text).expect("a fixture's form")
}

/// A template with the special tokens of the fixtures' tokenizers.
fn template(name: &str) -> ChatTemplate {
    let path = fixtures().join("templates").join(format!("{name}.jinja"));
    let source = fs::read_to_string(path).expect("a template");
    let special = SpecialTokens::load(&fixtures().join("byte_level")).expect("special tokens");
    ChatTemplate::new(&source, special).expect("a template that compiles")
}

#[derive(Deserialize)]
struct Rendered {
    text: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Templates {
    cases: BTreeMap<String, BTreeMap<String, OrderedJson>>,
    golden: BTreeMap<String, BTreeMap<String, Rendered>>,
}

fn options(case: &BTreeMap<String, OrderedJson>) -> (Vec<OrderedJson>, RenderOptions) {
    let mut case = case.clone();
    let messages = case.remove("messages").expect("messages");
    let mut options = RenderOptions {
        tools: case.remove("tools"),
        generation_prompt: case.remove("add_generation_prompt").is_some(),
        ..RenderOptions::default()
    };
    let date = OrderedJson::String("26 Jul 2024".to_owned());
    case.insert("date_string".to_owned(), date);
    for (name, value) in case {
        let value = serde_json::to_value(value).expect("JSON");
        options.arguments.insert(name, value);
    }
    (messages.as_array().expect("a list").to_vec(), options)
}

#[test]
fn templates_render_as_transformers_renders_them() {
    let fixture: Templates = read("templates.json");
    let mut different = Vec::new();
    let mut compared = 0;
    for (name, golden) in &fixture.golden {
        let template = template(name);
        for (case, expected) in golden {
            let (messages, options) = options(&fixture.cases[case]);
            let found = template.render(&messages, &options);
            compared += 1;
            match (&found, &expected.text, &expected.error) {
                (Ok(found), Some(text), _) if found == text => {}
                (Err(HubError::Template { .. }), None, Some(_)) => {}
                _ => different.push(format!(
                    "{name}/{case}:\n  {found:?}\n  {:?} {:?}",
                    expected.text, expected.error
                )),
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert_eq!(compared, 19 * 11);
}

#[test]
fn what_a_template_raises_reaches_the_user() {
    let fixture: Templates = read("templates.json");
    let (messages, options) = options(&fixture.cases["wrong_order"]);
    let error = template("gemma")
        .render(&messages, &options)
        .expect_err("a refusal");
    let text = error.to_string();
    assert!(
        text.contains("refuses the conversation: Conversation roles must alternate"),
        "{text}"
    );
    assert!(!error.is_environment());
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    with_special: Vec<u32>,
    decoded: String,
    skipped: String,
}

#[derive(Deserialize)]
struct Mask {
    template: String,
    marked: String,
    messages: Vec<OrderedJson>,
    ids: Vec<u32>,
    mask: Vec<u8>,
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Text>,
    #[serde(default)]
    masks: Vec<Mask>,
}

fn tokenizer(name: &str) -> ModelTokenizer {
    ModelTokenizer::load(&fixtures().join(name), &BTreeSet::from([4])).expect("a tokenizer")
}

#[test]
fn ids_and_texts_are_those_of_python() {
    for name in ["byte_level", "sentence_piece"] {
        let tokenizer = tokenizer(name);
        let golden: Golden = read(&format!("{name}/golden.json"));
        for golden in golden.texts {
            let text = golden.text.as_str();
            assert_eq!(
                tokenizer.encode(text, false).expect("ids"),
                golden.ids,
                "{name} {text:?}"
            );
            let with_special = tokenizer.encode(text, true).expect("ids");
            if text.starts_with("<s>") {
                // Python has the beginning of text twice.
                assert_eq!(
                    with_special[..],
                    golden.with_special[1..],
                    "{name} {text:?}"
                );
            } else {
                assert_eq!(with_special, golden.with_special, "{name} {text:?}");
            }
            let ids = &golden.ids;
            assert_eq!(
                tokenizer.decode(ids, false).expect("text"),
                golden.decoded,
                "{name}"
            );
            let skipped = tokenizer.decode(&golden.with_special, true).expect("text");
            assert_eq!(skipped, golden.skipped, "{name}");
        }
    }
}

#[test]
fn ends_of_text_are_united() {
    let tokenizer = tokenizer("byte_level");
    assert_eq!(tokenizer.end_ids(), &BTreeSet::from([2, 4]));
    assert_eq!(tokenizer.special_id("bos_token"), Some(1));
    assert_eq!(tokenizer.pad_id(), Some(0));
    assert_eq!(tokenizer.token(3).as_deref(), Some("<|im_start|>"));
    assert_eq!(tokenizer.token(999_999), None);
}

#[test]
fn a_stream_gives_whole_characters_and_together_the_whole_text() {
    for name in ["byte_level", "sentence_piece"] {
        let tokenizer = tokenizer(name);
        let golden: Golden = read(&format!("{name}/golden.json"));
        for golden in golden.texts {
            let mut stream = tokenizer.stream(false, &[]);
            let mut text = String::new();
            for id in &golden.ids {
                let part = stream.push(*id).expect("text");
                assert!(!part.contains('\u{fffd}'), "{name} {part:?}");
                text += &part;
            }
            text += &stream.finish().expect("text");
            assert_eq!(text, golden.decoded, "{name}");
        }
    }
}

#[test]
fn stop_strings_are_found_across_tokens_and_never_shown() {
    let tokenizer = tokenizer("byte_level");
    let text = "Hello 你好 STOP no ST OPEN STOPPED rest";
    let ids = tokenizer.encode(text, false).expect("ids");
    for (stops, expected) in [
        (vec!["STOPPED"], "Hello 你好 STOP no ST OPEN "),
        (vec!["好 S"], "Hello 你"),
        (vec!["nothing", "OPEN"], "Hello 你好 STOP no ST "),
        (vec!["rest!"], text),
        (vec![""], text),
    ] {
        let stops: Vec<String> = stops.into_iter().map(str::to_owned).collect();
        let mut stream = tokenizer.stream(true, &stops);
        let mut shown = String::new();
        for id in &ids {
            shown += &stream.push(*id).expect("text");
            assert!(expected.starts_with(&shown), "{shown:?}");
            if stream.is_stopped() {
                break;
            }
        }
        assert_eq!(stream.is_stopped(), expected != text, "{stops:?}");
        shown += &stream.finish().expect("text");
        assert_eq!(shown, expected);
        // The tokens that are kept have all of the text, and all but the last do not.
        let kept = stream.kept();
        let decode = |ids| tokenizer.decode(ids, true).expect("text");
        assert!(decode(&ids[..kept]).starts_with(expected), "{stops:?}");
        assert!(!decode(&ids[..kept - 1]).starts_with(expected), "{stops:?}");
    }
}

#[test]
fn masks_are_those_of_the_generation_tags() {
    let tokenizer = tokenizer("byte_level");
    let golden: Golden = read("byte_level/golden.json");
    assert_eq!(golden.masks.len(), 6);
    for golden in golden.masks {
        for name in [&golden.template, &golden.marked] {
            let conversation = Conversation::new(golden.messages.clone());
            let rendered = conversation
                .render(&template(name), &RenderOptions::default())
                .expect("a text");
            assert_eq!(rendered.notes, Vec::<String>::new(), "{name}");
            let tokens = rendered.tokens(&tokenizer).expect("ids");
            let ids: Vec<u32> = tokens.iter().map(|(id, _, _)| *id).collect();
            assert_eq!(ids, golden.ids, "{name}");
            let learnt: Vec<u8> = tokens
                .iter()
                .map(|(_, _, learnt)| u8::from(*learnt))
                .collect();
            // Where the tags leave out what ends a turn (a newline behind it), the prefix has it.
            let wrong: Vec<usize> = (0..learnt.len())
                .filter(|at| learnt[*at] != golden.mask[*at])
                .collect();
            let texts: Vec<&str> = wrong
                .iter()
                .map(|at| &rendered.text[tokens[*at].1.clone()])
                .collect();
            assert!(texts.iter().all(|text| *text == "\n"), "{name}: {texts:?}");
        }
    }
}
