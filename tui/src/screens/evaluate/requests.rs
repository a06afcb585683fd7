//! What the screen asks of the program around it, and what it is answered.

use tracking::evaluation::Results;

use super::Listed;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Play what a command says: its words, without the program's name. Answered by
    /// [`Answer::Progress`] on the way and [`Answer::Done`].
    Start(Vec<String>),
    /// Play what is missing of an evaluation; answered in the same way.
    Resume {
        /// The evaluation.
        id: String,
        /// Workers at the same time.
        jobs: u32,
    },
    /// End the process that plays an evaluation.
    Cancel(String),
    /// All evaluations of the folder of runs; answered by [`Answer::List`].
    List,
    /// The results of one; answered by [`Answer::Read`].
    Read(String),
}

impl Request {
    /// Whether it takes longer than a moment.
    #[must_use]
    pub fn is_long(&self) -> bool {
        !matches!(self, Request::Cancel(_))
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// All evaluations, newest first, or why they cannot be listed.
    List(Result<Vec<Listed>, String>),
    /// The results of an evaluation by its id, or why they cannot be read.
    Read(String, Result<Box<Results>, String>),
    /// So many games of so many are played.
    Progress {
        /// The evaluation.
        id: String,
        /// Games that are played.
        done: usize,
        /// Games in all.
        units: usize,
    },
    /// It ended: what it came to, or why it broke off, in words.
    Done {
        /// The evaluation; none when it did not even begin.
        id: Option<String>,
        /// The words.
        outcome: Result<String, String>,
    },
}
