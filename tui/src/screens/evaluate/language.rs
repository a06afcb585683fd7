//! Runs of language models: they play no games. Accuracy on made-up problems is measured from here, everything else
//! by a command.

use crate::host::Request;
use crate::model::{Confirmation, Model, Overlay, Question};
use crate::screens::ScreenKind;
use crate::theme::Role;
use crate::update::Cmd;

/// Offers to measure the first, and tells the commands.
pub(super) fn opened(model: &mut Model, names: &[String]) -> Vec<Cmd> {
    model.screen = ScreenKind::Dashboard;
    let first = names.first().map_or("", String::as_str);
    let against = match names.get(1) {
        Some(other) => other.as_str(),
        None => "OTHER",
    };
    model.ask(Question::Confirm(Confirmation {
        title: "Measure this language model?".to_owned(),
        lines: vec![
            "accuracy on made-up problems, here and now:".to_owned(),
            format!("  {}", command(model, first, "--problems arithmetic")),
            "on problems of yours, or against another run or model, by a command:".to_owned(),
            format!("  {}", command(model, first, "--problems FILE")),
            format!(
                "  {}",
                command(model, first, &format!("--against {against} --prompts FILE"))
            ),
            String::new(),
            "or talk with it: Esc, then :chat".to_owned(),
        ],
        yes: "measure".to_owned(),
        commands: vec![Cmd::Ask(Request::Measure(first.to_owned()))],
        action: None,
    }));
    Vec::new()
}

/// Shows what it came to, where nobody is busy with anything else.
pub(crate) fn measured(model: &mut Model, id: &str, outcome: Result<Vec<String>, String>) {
    let lines = match outcome {
        Ok(lines) => lines,
        Err(why) => return model.notify(format!("{id} was not measured: {why}"), Role::Bad),
    };
    if model.screen != ScreenKind::Dashboard || model.overlay != Overlay::None {
        return model.notify(format!("{id}: {}", lines.join("; ")), Role::Ok);
    }
    let command = command(model, id, "--problems arithmetic");
    model.ask(Question::Confirm(Confirmation {
        title: format!("{id} on made-up problems"),
        lines,
        yes: "copy the command".to_owned(),
        commands: vec![Cmd::Copy(command)],
        action: None,
    }));
}

fn command(model: &Model, run: &str, options: &str) -> String {
    let root = match model.root.as_str() {
        "runs" => String::new(),
        root => format!(" --run-dir {}", configs::draft::quoted(root)),
    };
    format!("concord{root} eval {run} {options}")
}
