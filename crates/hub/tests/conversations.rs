//! Prompts, answers and masks of conversations and pairs.

use std::time::{Duration, UNIX_EPOCH};

use hub::{
    ChatTemplate, Conversation, HubError, OrderedJson, PreferencePair, RenderOptions,
    RenderedConversation, SpecialTokens,
};
use serde_json::{Value, json};

const PLAIN: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}\
                     {% if add_generation_prompt %}<assistant>{% endif %}";
/// Drops what was thought once an answer is behind.
const THINKING: &str = "{% for m in messages %}<{{ m.role }}>\
                        {{ m.content if loop.last else m.content.split('#')[-1] }}</>{% endfor %}\
                        {% if add_generation_prompt %}<assistant>{% endif %}";
/// Begins answers with what its own history lacks.
const UNFAITHFUL: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
                          {% if add_generation_prompt %}<assistant><think>{% endif %}";

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, SpecialTokens::default()).expect("a template")
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn ordered(value: Value) -> OrderedJson {
    OrderedJson::from(value)
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn answers(rendered: &RenderedConversation) -> Vec<&str> {
    rendered
        .answers
        .iter()
        .map(|answer| &rendered.text[answer.range.clone()])
        .collect()
}

fn render(source: &str, messages: Vec<Value>) -> RenderedConversation {
    Conversation::new(messages.into_iter().map(ordered).collect())
        .render(&template(source), &RenderOptions::default())
        .expect("a text")
}

#[test]
fn every_answer_is_marked_with_its_end() {
    let rendered = render(
        PLAIN,
        vec![user("a"), assistant("b"), user("c"), assistant("d")],
    );
    assert_eq!(
        rendered.text,
        "<user>a</><assistant>b</><user>c</><assistant>d</>"
    );
    assert_eq!(answers(&rendered), ["b</>", "d</>"]);
    assert!(rendered.notes.is_empty());
}

#[test]
fn an_answer_that_is_written_otherwise_later_is_not_marked() {
    let rendered = render(
        THINKING,
        vec![user("a"), assistant("hm#b"), user("c"), assistant("ah#d")],
    );
    assert_eq!(
        rendered.text,
        "<user>a</><assistant>b</><user>c</><assistant>ah#d</>"
    );
    assert_eq!(answers(&rendered), ["ah#d</>"]);
    assert_eq!(rendered.notes.len(), 1);
    assert!(rendered.notes[0].starts_with("message 2 is not marked"));
}

#[test]
fn without_the_prefix_property_the_answer_stands_behind_its_prompt() {
    let rendered = render(UNFAITHFUL, vec![user("a"), assistant("b")]);
    assert_eq!(rendered.text, "<user>a<assistant><think>b");
    assert_eq!(answers(&rendered), ["b"]);
    assert!(rendered.notes[0].contains("put behind the prompt"));
}

#[test]
fn pairs_share_their_prompt_in_all_forms() {
    let options = RenderOptions::default();
    let explicit =
        json!({"prompt": [user("q")], "chosen": [assistant("y")], "rejected": [assistant("n")]});
    let implicit =
        json!({"chosen": [user("q"), assistant("y")], "rejected": [user("q"), assistant("n")]});
    for value in [explicit, implicit] {
        assert!(PreferencePair::is_pair(&ordered(value.clone())));
        let pair = PreferencePair::read(&ordered(value), "line 1").expect("a pair");
        let rendered = pair
            .render(Some(&template(PLAIN)), &SpecialTokens::default(), &options)
            .expect("texts");
        assert_eq!(rendered.chosen.text, "<user>q</><assistant>y</>");
        assert_eq!(answers(&rendered.chosen), ["y</>"]);
        assert_eq!(rendered.rejected.text, "<user>q</><assistant>n</>");
        assert_eq!(answers(&rendered.rejected), ["n</>"]);
        assert!(
            pair.render(None, &SpecialTokens::default(), &options)
                .is_err()
        );
    }
    let plain = json!({"prompt": "1+1=", "chosen": "2", "rejected": "3"});
    let pair = PreferencePair::read(&ordered(plain), "line 1").expect("a pair");
    let rendered = pair
        .render(None, &SpecialTokens::default(), &options)
        .expect("texts");
    assert_eq!(rendered.chosen.text, "1+1=2");
    assert_eq!(answers(&rendered.rejected), ["3"]);
}

#[test]
fn pairs_are_taken_apart_as_data_files_are() {
    let options = RenderOptions::default();
    let rendered = |value| {
        PreferencePair::read(&ordered(value), "line 1")
            .and_then(|pair| {
                pair.render(Some(&template(PLAIN)), &SpecialTokens::default(), &options)
            })
            .expect("texts")
    };
    // The space in front of an answer is the answer's.
    let texts = rendered(json!({"chosen": "1+1= 2", "rejected": "1+1= 3"}));
    assert_eq!(answers(&texts.chosen), [" 2"]);
    assert_eq!(answers(&texts.rejected), [" 3"]);
    // Equal answers have nothing to prefer, and are answers all the same.
    let equal = rendered(
        json!({"chosen": [user("q"), assistant("y")], "rejected": [user("q"), assistant("y")]}),
    );
    assert_eq!(answers(&equal.chosen), ["y</>"]);
    // The prompt's text beside whole conversations.
    let beside = rendered(
        json!({"prompt": "q", "chosen": [user("q"), assistant("y")], "rejected": [user("q"), assistant("n")]}),
    );
    assert_eq!(beside.rejected.text, "<user>q</><assistant>n</>");
    // A prompt that the answers repeat.
    let repeated = rendered(
        json!({"prompt": [user("q")], "chosen": [user("q"), assistant("y")], "rejected": [user("q"), assistant("n")]}),
    );
    assert_eq!(repeated.chosen.text, "<user>q</><assistant>y</>");
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let refusal = |value: &OrderedJson| match PreferencePair::is_pair(value) {
        true => PreferencePair::read(value, "line 7").expect_err("a refusal"),
        false => Conversation::read(value, "line 7").expect_err("a refusal"),
    };
    for (value, part) in [
        (json!({"messages": []}), "no messages"),
        (json!("text"), "no messages"),
        (json!([{"content": "x"}]), "message 1 has no role"),
        (
            json!([user("x"), {"role": "assistant"}]),
            "message 2 has no content",
        ),
        (
            json!({"chosen": "a", "rejected": [user("b")]}),
            "of two kinds",
        ),
        (
            json!({"prompt": [user("q")], "chosen": "a", "rejected": "b"}),
            "do not fit together",
        ),
        (
            json!({"chosen": [assistant("a")], "rejected": [assistant("b")]}),
            "no prompt",
        ),
    ] {
        let text = refusal(&ordered(value)).to_string();
        assert!(
            text.starts_with("line 7: ") && text.contains(part),
            "{text}"
        );
    }
}

#[test]
fn arguments_of_a_conversation_reach_the_template() {
    let value = json!({"messages": [user("x")], "tools": [{"name": "t"}],
                       "chat_template_kwargs": {"enable_thinking": false}});
    let conversation = Conversation::read(&ordered(value), "line 1").expect("a conversation");
    let source = "{{ enable_thinking }} {{ tools | tojson }} {{ documents is none }}";
    let rendered = conversation
        .render(&template(source), &RenderOptions::default())
        .expect("a text");
    assert_eq!(rendered.text, "False [{\"name\": \"t\"}] True");
}

#[test]
fn a_template_cannot_run_for_ever_recurse_or_grow_without_end() {
    for (source, part) in [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}.{% endfor %}{% endfor %}{% endfor %}",
            "does not end",
        ),
        (
            "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
            "recursion",
        ),
        ("{{ 'ab' * 4000000000 }}", ""),
    ] {
        let error = template(source)
            .render(&[ordered(user("x"))], &RenderOptions::default())
            .expect_err("an end");
        assert!(matches!(error, HubError::Template { .. }));
        assert!(error.to_string().contains(part), "{error}");
    }
    let error =
        ChatTemplate::new("{% for m in %}", SpecialTokens::default()).expect_err("no template");
    assert!(
        error.to_string().contains("cannot be compiled in line 1"),
        "{error}"
    );
    let error = template("{% include 'other' %}")
        .render(&[ordered(user("x"))], &RenderOptions::default())
        .expect_err("no files");
    assert!(matches!(error, HubError::Template { .. }));
}

#[test]
fn the_time_is_the_one_given() {
    let options = RenderOptions {
        now: UNIX_EPOCH + Duration::from_secs(1_709_210_096),
        ..RenderOptions::default()
    };
    let text = template("{{ strftime_now('%d %b %Y') }}").render(&[ordered(user("x"))], &options);
    assert_eq!(text.expect("a text"), "29 Feb 2024");
}
