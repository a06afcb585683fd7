//! Runs of language models: they play no games, and a command measures them.

use crate::model::{Confirmation, Model, Question};
use crate::screens::ScreenKind;
use crate::update::Cmd;

/// Tells the commands, and offers to copy the first.
pub(super) fn opened(model: &mut Model, names: &[String]) -> Vec<Cmd> {
    model.screen = ScreenKind::Dashboard;
    let first = names.first().map_or("", String::as_str);
    let root = match model.root.as_str() {
        "runs" => String::new(),
        root => format!(" --run-dir {}", configs::draft::quoted(root)),
    };
    let command = format!("concord{root} eval {first} --problems arithmetic");
    let against = match names.get(1) {
        Some(other) => other.as_str(),
        None => "OTHER",
    };
    model.ask(Question::Confirm(Confirmation {
        title: "A language model is measured by a command".to_owned(),
        lines: vec![
            "accuracy on made-up problems, or on a file of yours:".to_owned(),
            format!("  {command}"),
            "win rate against another run or model:".to_owned(),
            format!("  concord{root} eval {first} --against {against} --prompts FILE"),
            String::new(),
            "or talk with it: Esc, then :chat".to_owned(),
        ],
        yes: "copy the first".to_owned(),
        commands: vec![Cmd::Copy(command)],
        action: None,
    }));
    Vec::new()
}
