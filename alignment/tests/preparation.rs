//! Rows become the same ids on any number of threads and on any day.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant, SystemTime};

use alignment::preparation::{Example, Preparation, Sequence};
use alignment::run::data::Demonstration;
use alignment::run::examples::of_demonstrations;
use alignment::text_model::{TextModel, TextParts};
use configs::finetune::FinetuneConfig;
use dataset::{Content, Message};
use lm::decoder::Decoder;
use tch::Device;
use testkit::chat_model::{CHATML, ChatModel};

fn opened(template: &str) -> TextModel {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().unwrap();
    let model = ChatModel {
        template: Some(template.to_owned()),
        ..ChatModel::default()
    };
    model.write(folder.path()).unwrap();
    let decoder = Decoder::load(folder.path(), None, Device::Cpu, false).unwrap();
    TextParts::open(folder.path())
        .unwrap()
        .with(decoder)
        .unwrap()
}

/// Conversations that are told apart; some of them too long.
fn lessons(count: usize) -> Vec<Demonstration> {
    let lesson = |number: usize| Demonstration {
        messages: vec![
            Message::new("user", format!("what is {number} and {}", number * 7)),
            Message::new("assistant", "so ".repeat(1 + number % 40) + "it is"),
        ],
        thinking: None,
    };
    (0..count).map(lesson).collect()
}

fn settings() -> FinetuneConfig {
    let mut config = FinetuneConfig::default();
    config.data.max_prompt_tokens = 64;
    config.data.max_tokens = 128;
    config
}

#[test]
fn demonstrations_on_threads_are_those_of_one_thread() {
    let (model, config, rows) = (opened(CHATML), settings(), lessons(1000));
    let mut alone = Preparation::new(&model, &config.data);
    let one_by_one: Vec<Example> = rows
        .iter()
        .map(|row| alone.demonstration(&row.messages, row.thinking))
        .filter_map(Result::unwrap)
        .map(Example::Lesson)
        .collect();
    let prepared = of_demonstrations(&model, &config, &rows).unwrap();
    assert_eq!(prepared.examples, one_by_one);
    assert_eq!(alone.counts.texts, 1000);
    assert!(alone.counts.cut_responses > 0);
    assert_eq!(prepared.notes, [alone.counts.sentence().unwrap()]);
}

#[test]
fn the_first_bad_row_is_named_whichever_thread_meets_it() {
    let (model, config, mut rows) = (opened(CHATML), settings(), lessons(1000));
    for bad in [400, 700, 990] {
        rows[bad].messages.pop();
    }
    for _ in 0..5 {
        let Err(error) = of_demonstrations(&model, &config, &rows) else {
            panic!("a conversation without an answer was taken")
        };
        assert!(error.to_string().contains("row 401: "), "{error}");
    }
}

#[test]
fn a_template_with_a_date_writes_that_of_the_run() {
    let dated = format!("{{{{ strftime_now('%d %b %Y') }}}}{CHATML}");
    let mut model = opened(&dated);
    let config = settings();
    let prompt = |model: &TextModel| {
        let mut preparation = Preparation::new(model, &config.data);
        let content = Content::Text("hello".to_owned());
        preparation.prompt(&content, None).unwrap().text
    };
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400);
    model.now = began;
    let first = prompt(&model);
    assert!(first.starts_with("29 Feb 2000"), "{first}");
    model.now = began + Duration::from_secs(86_400);
    assert!(prompt(&model).starts_with("01 Mar 2000"));
}

/// As distillations of R1: the prompt ends inside a trace, an answered one has none.
#[test]
fn a_trace_that_the_prompt_opens_is_opened_once() {
    let template = "{%- for message in messages -%}{{ message['role'] + ':' }}\
        {{- message['content'].split('</think>')[-1] + '<|im_end|>' }}{%- endfor -%}\
        {%- if add_generation_prompt %}{{ 'assistant:<think>\\n' }}{% endif -%}";
    let model = opened(template);
    let config = settings();
    let mut preparation = Preparation::new(&model, &config.data);
    let prompt = Content::Text("hello".to_owned());
    let answer = Content::Text("<think>\nso\n</think>\n\nit is".to_owned());
    let sequence = preparation.written(&prompt, &answer, Some(true)).unwrap();
    let sequence = sequence.unwrap();
    let ids: Vec<u32> = sequence
        .ids
        .iter()
        .map(|id| u32::try_from(*id).unwrap())
        .collect();
    assert_eq!(
        model.tokenizer.decode(&ids, false).unwrap(),
        "user:hello<|im_end|>assistant:<think>\nso\n</think>\n\nit is<|im_end|>"
    );
    assert_eq!(preparation.counts.put_behind, 1);
}

/// `cargo test -p alignment --test preparation -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn demonstrations_per_second() {
    let (model, config, rows) = (opened(CHATML), settings(), lessons(20_000));
    let start = Instant::now();
    let mut alone = Preparation::new(&model, &config.data);
    let one_by_one: Vec<Option<Sequence>> = rows
        .iter()
        .map(|row| alone.demonstration(&row.messages, row.thinking).unwrap())
        .collect();
    let one = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let prepared = of_demonstrations(&model, &config, &rows).unwrap();
    let all = start.elapsed().as_secs_f64();
    assert_eq!(prepared.examples.len(), one_by_one.len());
    let rate = |seconds: f64| rows.len() as f64 / seconds;
    println!(
        "demonstrations per second: {:.0} on one thread, {:.0} on {} threads",
        rate(one),
        rate(all),
        std::thread::available_parallelism().map_or(1, usize::from)
    );
}
