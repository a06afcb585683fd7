//! `concord-worker chat`: a conversation in JSON lines with a tiny model.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use testkit::chat_model::{ChatModel, REASONING, Voice};

use crate::folder::worker;

/// A conversation that is under way.
struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn with(folder: &Path, words: &[&str]) -> Self {
        let mut child = Command::new(worker())
            .args(["chat", "--device", "cpu", "--threads", "1", "--model"])
            .arg(folder)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            events: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn tell(&mut self, command: &Value) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}").unwrap();
    }

    fn hear(&mut self) -> Value {
        let line = self.events.next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The next event of this kind; those before it are passed over.
    fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.hear();
            if event["event"] == kind {
                return event;
            }
            assert_ne!(event["event"], "error", "{event}");
        }
    }

    fn ask(&mut self, text: &str) -> Value {
        self.tell(&json!({ "say": text }));
        self.hear_of("done")
    }

    /// The exit code once the input has ended.
    fn end(mut self) -> Option<i32> {
        drop(self.stdin.take());
        self.child.wait().unwrap().code()
    }
}

fn written(model: &ChatModel) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model.write(folder.path()).unwrap();
    folder
}

#[test]
fn an_answer_is_streamed_in_whole_characters_with_its_log_probabilities() {
    let folder = written(&ChatModel::saying("Bye \u{1f600}!"));
    let mut talk = Talk::with(folder.path(), &["--greedy"]);
    let ready = talk.hear_of("ready");
    assert_eq!(
        (
            &ready["family"],
            &ready["context"],
            &ready["template"],
            &ready["dtype"]
        ),
        (&json!("llama"), &json!(512), &json!(true), &json!("f32"))
    );
    assert_eq!(ready["settings"]["temperature"], 0.0);
    talk.tell(&json!({ "say": "hello" }));
    let begin = talk.hear();
    assert_eq!(
        (&begin["event"], &begin["prompt_tokens"], &begin["thinking"]),
        (&json!("begin"), &json!(9), &json!(false))
    );
    let mut texts = Vec::new();
    let done = loop {
        let event = talk.hear();
        if event["event"] == "done" {
            break event;
        }
        // The chosen token is 17.4 * 0.4 above 303 others that are all alike.
        let log = event["log_probability"].as_f64().unwrap();
        let wanted = -(303.0 * (-0.4 / (1.0f64 / 304.0 + 1e-5).sqrt()).exp()).ln_1p();
        assert!((log - wanted).abs() < 1e-3, "{log} {wanted}");
        let alternatives = event["alternatives"].as_array().unwrap();
        assert_eq!(alternatives.len(), 5);
        assert_eq!(alternatives[0]["id"], event["id"]);
        texts.push(event["text"].as_str().unwrap().to_owned());
    };
    // Four tokens make the one character; the end of the turn has no text.
    assert_eq!(
        texts,
        ["B", "y", "e", " ", "", "", "", "\u{1f600}", "!", ""]
    );
    assert_eq!(
        (&done["finish"], &done["text"], &done["tokens"]),
        (&json!("stop_id"), &json!("Bye \u{1f600}!"), &json!(10))
    );
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn later_turns_compute_only_what_is_new_and_say_the_same() {
    // Every token of a random model depends on all before it.
    let folder = written(&ChatModel::default());
    let words = ["--greedy", "--max-new", "12"];
    let mut talk = Talk::with(folder.path(), &words);
    let first = talk.ask("hello there");
    assert_eq!(first["cached_tokens"], 0);
    let second = talk.ask("and now?");
    let known = first["prompt_tokens"].as_u64().unwrap();
    assert!(
        second["cached_tokens"].as_u64().unwrap() >= known,
        "{second}"
    );
    talk.tell(&json!({ "retry": true }));
    let again = talk.hear_of("done");
    let all = second["prompt_tokens"].as_u64().unwrap();
    assert_eq!(again["cached_tokens"], all - 1);
    assert_eq!(again["text"], second["text"]);
    // The same conversation from nothing.
    let mut anew = Talk::with(folder.path(), &words);
    anew.tell(&json!({ "messages": [
        { "role": "user", "content": "hello there" },
        { "role": "assistant", "content": first["text"] },
    ] }));
    let whole = anew.ask("and now?");
    assert_eq!(whole["cached_tokens"], 0);
    assert_eq!(whole["text"], second["text"]);
    // Nothing is left of a forgotten one.
    talk.tell(&json!({ "forget": true }));
    let fresh = talk.ask("hello there");
    assert_eq!(fresh["prompt_tokens"], first["prompt_tokens"]);
    assert_eq!(fresh["text"], first["text"]);
}

#[test]
fn an_answer_ends_at_stop_strings_settings_and_when_told_to() {
    let folder = written(&ChatModel {
        context: 100_000,
        ..ChatModel::default()
    });
    let mut talk = Talk::with(folder.path(), &["--greedy", "--max-new", "12"]);
    let plain = talk.ask("hello");
    let text = plain["text"].as_str().unwrap().to_owned();
    assert_eq!(plain["finish"], "max_new_tokens");
    // A stop string of the middle, across tokens.
    let stop = &text[4..7];
    let before = &text[..text.find(stop).unwrap()];
    talk.tell(&json!({ "forget": true }));
    talk.tell(&json!({ "settings": { "stop": [stop] } }));
    let note = talk.hear_of("note");
    assert_eq!(note["settings"]["stop"], json!([stop]));
    let cut = talk.ask("hello");
    assert_eq!(
        (&cut["finish"], &cut["text"]),
        (&json!("stop_string"), &json!(before))
    );
    talk.tell(&json!({ "settings": { "max_new": 0 } }));
    let refused = talk.hear();
    assert_eq!(refused["event"], "error");
    assert!(
        refused["message"].as_str().unwrap().contains("max_new: 0"),
        "{refused}"
    );
    // Told to stop while it talks: what was asked meanwhile is answered after it.
    talk.tell(&json!({ "forget": true }));
    talk.tell(
        &json!({ "settings": { "stop": [], "max_new": 90_000, "temperature": 1.5, "seed": 5 } }),
    );
    talk.tell(&json!({ "say": "talk on" }));
    talk.hear_of("token");
    talk.tell(&json!({ "stop": true }));
    talk.tell(&json!({ "settings": { "max_new": 3 } }));
    talk.tell(&json!({ "say": "short" }));
    let stopped = talk.hear_of("done");
    assert!(
        ["stopped", "stop_id"].contains(&stopped["finish"].as_str().unwrap()),
        "{stopped}"
    );
    assert!(talk.hear_of("done")["tokens"].as_u64().unwrap() <= 3);
    talk.tell(&json!({ "quit": true }));
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn a_template_that_refuses_is_told_and_the_conversation_goes_on() {
    let folder = written(&ChatModel {
        template: Some(REASONING.to_owned()),
        ..ChatModel::saying("<think>hmo</think>Bye!")
    });
    let mut talk = Talk::with(folder.path(), &["--greedy", "--system", "be brief"]);
    talk.hear_of("ready");
    talk.tell(&json!({ "say": "x" }));
    let refused = talk.hear();
    assert_eq!(refused["event"], "error");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("System role not supported"), "{message}");
    talk.tell(&json!({ "nonsense": 1 }));
    let refused = talk.hear();
    assert!(
        refused["message"].as_str().unwrap().contains("say, system"),
        "{refused}"
    );
    talk.tell(&json!({ "system": "" }));
    let first = talk.ask("x");
    assert_eq!(first["text"], "<think>hmo</think>Bye!");
    assert_eq!(first["prompt_tokens"], 9);
    // The thought of the first turn is not read again.
    let second = talk.ask("y");
    assert_eq!(second["prompt_tokens"], 9 + 4 + 2 + 9);
    talk.tell(&json!({ "settings": { "template": { "enable_thinking": false } } }));
    talk.tell(&json!({ "retry": true }));
    let quick = talk.hear_of("done");
    assert_eq!(quick["prompt_tokens"], 9 + 4 + 2 + 9 + 3);
}

#[test]
fn a_conversation_that_outgrows_the_context_loses_its_first_turns_and_says_so() {
    let folder = written(&ChatModel {
        context: 64,
        ..ChatModel::saying("Bye!")
    });
    let mut talk = Talk::with(folder.path(), &["--greedy"]);
    talk.hear_of("ready");
    let first = talk.ask("hello");
    assert_eq!(first["finish"], "stop_id");
    talk.ask("hello");
    talk.ask("hello");
    talk.tell(&json!({ "say": "hello" }));
    let note = talk.hear();
    assert!(
        note["message"]
            .as_str()
            .unwrap()
            .contains("context of 64 tokens: its first 2 messages are left out"),
        "{note}"
    );
    let fourth = talk.hear_of("done");
    assert_eq!(fourth["text"], "Bye!");
    // One message that fills it alone is refused, and not kept.
    talk.tell(&json!({ "say": "zyx".repeat(30) }));
    let refused = talk.hear();
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("allowed: 48"), "{message}");
    assert_eq!(talk.ask("hello")["text"], "Bye!");
}

#[test]
fn a_model_without_a_template_continues_plain_text() {
    let folder = written(&ChatModel {
        template: None,
        ..ChatModel::saying("Bye!")
    });
    let mut talk = Talk::with(folder.path(), &["--greedy"]);
    assert_eq!(talk.hear_of("ready")["template"], false);
    let note = talk.hear();
    assert!(
        note["message"]
            .as_str()
            .unwrap()
            .contains("no chat template")
    );
    let first = talk.ask("zzz");
    assert_eq!(
        (&first["prompt_tokens"], &first["text"]),
        (&json!(3), &json!("Bye!"))
    );
    let second = talk.ask("zz");
    assert_eq!(second["prompt_tokens"], 3 + 4 + 2);
}

#[test]
fn a_seed_gives_the_conversation_again_and_a_retry_another_answer() {
    let folder = written(&ChatModel {
        voice: Voice::Random { seed: 3 },
        generation: Some(json!({ "do_sample": true, "temperature": 1.4 })),
        ..ChatModel::default()
    });
    let words = ["--max-new", "16", "--seed", "7"];
    let answers = || {
        let mut talk = Talk::with(folder.path(), &words);
        let note = talk.hear_of("note");
        let note = note["message"].as_str().unwrap().to_owned();
        assert!(note.contains("temperature 1.4; no top_k"), "{note}");
        let first = talk.ask("hello")["text"].clone();
        talk.tell(&json!({ "retry": true }));
        (first, talk.hear_of("done")["text"].clone())
    };
    let (first, again) = answers();
    assert_ne!(first, again);
    assert_eq!(answers(), (first, again));
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let folder = written(&ChatModel {
        context: 100_000,
        ..ChatModel::default()
    });
    let mut talk = Talk::with(folder.path(), &["--max-new", "90000", "--temperature", "2"]);
    talk.tell(&json!({ "say": "talk on" }));
    talk.hear_of("token");
    let Talk {
        mut child,
        stdin,
        events,
    } = talk;
    drop(events);
    // Should that answer have ended by itself, the next one finds nobody. It may be gone already.
    let mut stdin = stdin.unwrap();
    let _ = writeln!(stdin, "{}", json!({ "say": "talk on" }));
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    drop(stdin);
}
