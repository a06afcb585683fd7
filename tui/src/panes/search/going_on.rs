//! Going on from a node in another way: a run of its own that shares the log up to the node.

use crate::host::Request;
use crate::model::{Confirmation, Model, Question};
use crate::theme::Role;
use crate::update::Cmd;

/// A branch that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The run.
    pub run: String,
    /// The question by the name of its file.
    pub question: String,
    /// The node, by its identity in the log.
    pub node: u64,
}

impl Branch {
    /// The command that does the same over this folder of runs.
    #[must_use]
    pub fn command(&self, root: &str) -> String {
        let log = format!("{root}/{}/search/{}.jsonl", self.run, self.question);
        format!(
            "concord search replay {} --branch-from {}",
            configs::draft::quoted(&log),
            self.node
        )
    }
}

/// Shows the command and asks whether it is to be run; it is copied in any case.
pub(super) fn ask(model: &mut Model) -> Vec<Cmd> {
    let state = &model.panes.search;
    let Some(node) = state.selected() else {
        model.notify("there is no node to go on from".to_owned(), Role::Warn);
        return Vec::new();
    };
    let branch = Branch {
        run: model.selected.clone().unwrap_or_default(),
        question: state.question.clone(),
        node: state.replay.log().nodes()[node as usize].id,
    };
    let command = branch.command(&model.root);
    let lines = vec![
        format!(
            "A new run shares the search up to node {} and goes on with another seed.",
            branch.node
        ),
        String::new(),
        format!("$ {command}"),
        "The command is copied: add --seed N, or --set budget.tokens=N, to have it otherwise."
            .to_owned(),
    ];
    model.ask(Question::Confirm(Confirmation {
        title: format!("Go on from node {}?", branch.node),
        lines,
        yes: "start the run".to_owned(),
        commands: vec![Cmd::Ask(Request::SearchBranch(branch))],
        action: None,
    }));
    vec![Cmd::Copy(command)]
}
