//! Writes the tests' tiny chat model, to be talked to by hand:
//! `cargo run -p testkit --example write_chat_model -- FOLDER [reasoning]`.

use std::path::Path;

use testkit::chat_model::{ChatModel, REASONING};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "chat-model".to_owned());
    let model = match arguments.next().as_deref() {
        Some("reasoning") => ChatModel {
            template: Some(REASONING.to_owned()),
            ..ChatModel::saying("<think>hmo</think>Bye \u{1f600}!")
        },
        Some("phrase") => ChatModel::saying("Bye \u{1f600}!"),
        _ => ChatModel::default(),
    };
    model.write(Path::new(&folder))
}
