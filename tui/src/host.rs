//! What the dashboard asks of the program around it: everything that touches processes,
//! or files beyond what [`crate::source`] reads.

use crate::panes::search;
use crate::screens::chat::requests as chat;
use crate::screens::evaluate::requests as evaluate;
use crate::screens::launcher::requests as launcher;
use crate::screens::models::requests as models;

/// The program around the dashboard. Called on threads of their own.
pub trait Host: Send + Sync {
    /// Carries out a request; `tell` takes answers on the way, the last one is returned.
    fn carry_out(&self, request: Request, tell: &dyn Fn(Answer)) -> Answer;
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Ask a run to stop with a checkpoint.
    Stop(String),
    /// End a run's process at once.
    Kill(String),
    /// Park a run between steps.
    Pause(String),
    /// Let a parked run go on.
    Unpause(String),
    /// Write a checkpoint now.
    Checkpoint(String),
    /// Start a run's worker again from its last checkpoint.
    Resume(String),
    /// Hide runs from the list, or show them again; nothing is deleted.
    Archive {
        /// The runs.
        ids: Vec<String>,
        /// Show them again.
        undo: bool,
    },
    /// Make a run and start it.
    Launch(Launch),
    /// The runs that wait for a device, answered by [`Answer::Queue`].
    Queue,
    /// Let a waiting run go earlier or later by one place; answered by [`Answer::Queue`].
    QueueMove {
        /// The run.
        id: String,
        /// Earlier.
        up: bool,
    },
    /// Take a waiting run out of the queue; its folder stays. Answered by [`Answer::Queue`].
    QueueRemove(String),
    /// What the launcher needs: [`launcher::Request`].
    Launcher(launcher::Request),
    /// Measure the language model of a run on made-up problems; answered by [`Answer::Measured`].
    Measure(String),
    /// What the evaluations need: [`evaluate::Request`].
    Evaluation(evaluate::Request),
    /// What the list of models needs: [`models::Request`].
    Models(models::Request),
    /// What a chat needs: [`chat::Request`].
    Chat(chat::Request),
    /// Write a report of a recorded search.
    SearchReport(search::ReportAsk),
    /// Make a run that goes on from a node of a recorded search, and start it; answered by
    /// [`Answer::Launched`].
    SearchBranch(search::Branch),
    /// Write a text to a file that must not exist, unless `replace`.
    Save {
        /// The file.
        path: String,
        /// What is written.
        text: String,
        /// Whether an existing file is replaced.
        replace: bool,
    },
}

impl Request {
    /// Whether it takes longer than a moment and must not hold up others.
    #[must_use]
    pub fn is_long(&self) -> bool {
        match self {
            Request::Evaluation(request) => request.is_long(),
            Request::Models(request) => request.is_long(),
            Request::Chat(request) => request.is_long(),
            Request::SearchReport(_) | Request::SearchBranch(_) | Request::Measure(_) => true,
            _ => false,
        }
    }
}

/// A run to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Launch {
    /// What it was made from: a preset's name or a file, for the run's name.
    pub target: String,
    /// Name of the run; empty for the target's.
    pub name: String,
    /// The whole configuration as TOML.
    pub config_toml: String,
    /// Where each value came from, as in `origin.json`; empty where it is not known.
    pub origin_json: String,
    /// Further seeds after the configuration's own, counted up; they wait in the queue.
    pub further_seeds: u32,
    /// Wait for the device in the queue instead of starting now.
    pub queued: bool,
    /// Of a search: a run for each of these budgets; the first one starts, the others wait.
    pub budgets: Option<Budgets>,
}

/// Budgets that are tried one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// The resource, as in `[budget]`.
    pub resource: String,
    /// Its ceilings.
    pub values: Vec<u64>,
}

impl Budgets {
    /// Resources that can be given.
    pub const RESOURCES: [&str; 3] = ["tokens", "tool_calls", "model_calls"];

    /// Reads `500,1000,2000`, which are tokens, or `tool_calls=2,5,10`.
    ///
    /// # Errors
    /// What is wrong with it, what is allowed.
    pub fn read(text: &str) -> Result<Self, String> {
        let refused = |what: String| {
            format!(
                "budgets: {what} - allowed: whole numbers with commas between, such as \
                 500,1000,2000 or tool_calls=2,5,10"
            )
        };
        let (resource, list) = text.split_once('=').unwrap_or(("tokens", text));
        let resource = resource.trim().trim_start_matches("budget.").to_owned();
        if !Self::RESOURCES.contains(&resource.as_str()) {
            return Err(refused(format!("`{resource}` is no resource to sweep")));
        }
        let mut values = Vec::new();
        for word in list.split(',').map(|word| word.trim().replace('_', "")) {
            match word.parse() {
                Ok(0) if resource != "tool_calls" => {
                    return Err(refused(format!("0 {resource} allow nothing")));
                }
                Ok(value) if values.contains(&value) => {
                    return Err(refused(format!("{value} is there twice")));
                }
                Ok(value) => values.push(value),
                Err(_) => return Err(refused(format!("`{word}` is no number"))),
            }
        }
        Ok(Self { resource, values })
    }

    /// As the command line reads it.
    #[must_use]
    pub fn written(&self) -> String {
        let values: Vec<String> = self.values.iter().map(u64::to_string).collect();
        format!("{}={}", self.resource, values.join(","))
    }
}

/// A run that waits for a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueEntry {
    /// The run's id.
    pub id: String,
    /// The device that it waits for.
    pub device: String,
    /// What it waits for, in words.
    pub reason: String,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was done, or why not; in words for the user.
    Said(Result<String, String>),
    /// What the language model of a run came to, line by line, or why it was not measured.
    Measured {
        /// The run.
        id: String,
        /// The lines.
        outcome: Result<Vec<String>, String>,
    },
    /// A run was made: its id, or why not.
    Launched(Result<String, String>),
    /// The queue, first to last, or why it cannot be read or changed.
    Queue(Result<Vec<QueueEntry>, String>),
    /// For the launcher.
    Launcher(launcher::Answer),
    /// For the evaluations.
    Evaluation(evaluate::Answer),
    /// For the list of models.
    Models(models::Answer),
    /// For the chat.
    Chat(chat::Answer),
}
