//! Writes the tests' tiny chat model, to be talked to by hand:
//! `cargo run -p testkit --example write_chat_model -- FOLDER [phrase|reasoning|sum]`.

use std::path::Path;

use serde_json::json;
use testkit::chat_model::{ChatModel, REASONING};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "chat-model".to_owned());
    let model = match arguments.next().as_deref() {
        Some("reasoning") => ChatModel {
            template: Some(REASONING.to_owned()),
            ..ChatModel::saying("<think>hmo</think>Bye \u{1f600}!")
        },
        // An answer to "What is two and two?", for the tour of the dashboard.
        Some("sum") => ChatModel {
            template: Some(REASONING.to_owned()),
            generation: Some(json!({"do_sample": true, "temperature": 0.7})),
            ..ChatModel::saying("<think>hm</think>Four.")
        },
        Some("phrase") => ChatModel::saying("Bye \u{1f600}!"),
        _ => ChatModel::default(),
    };
    model.write(Path::new(&folder))
}
