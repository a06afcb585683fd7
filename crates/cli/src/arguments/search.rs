//! Arguments of `concord search`.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand, ValueEnum};

use super::{FormatArgument, SearchTable, Train};

/// Searches to be run, or something about searches that were.
#[derive(Debug, Clone)]
pub(crate) enum Search {
    /// `concord search PRESET|FILE`.
    Run(Box<SearchRun>),
    /// `concord search replay` and the like.
    About(SearchCommand),
}

/// What is searched for, and how the runs are made.
#[derive(Debug, Clone, Args)]
pub(crate) struct SearchRun {
    #[command(flatten)]
    pub(crate) train: Train,
    /// Search for this question's answer instead of the configured questions
    #[arg(long, value_name = "TEXT", conflicts_with = "question_file")]
    pub(crate) question: Option<String>,
    /// Search for the answers of this file's questions instead: JSON lines with `question`, and
    /// where known `id` and `answer`
    #[arg(long, value_name = "FILE")]
    pub(crate) question_file: Option<PathBuf>,
    /// A run for each value of a resource's budget or of a setting, such as tokens=500,1000,2000 or
    /// method.kind=bavt,greedy; may be repeated
    #[arg(long, value_name = "NAME=VALUES")]
    pub(crate) sweep: Vec<String>,
}

/// What can be asked about searches.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SearchCommand {
    /// Replay a search from its log, check that it gives the same tree, and print it
    Replay(Replay),
    /// Two runs, question by question
    Compare(CompareSearches),
    /// Write the made-up world: documents, questions, and what a searcher is trained from
    World(World),
    /// Methods of search beside each other, on made-up questions with a scripted model
    Table(SearchTable),
    /// A search as a picture: a page for browsers, DOT, Mermaid, JSON
    Report(Report),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Replay {
    /// The log: a file of a run's folder `search/`
    #[arg(value_name = "LOG")]
    pub(crate) log: PathBuf,
    /// Make a new run that goes on from the moment in which this node was there
    #[arg(long, value_name = "NODE")]
    pub(crate) branch_from: Option<u32>,
    /// Change a setting of the new run, such as budget.tokens=2000; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "branch_from")]
    pub(crate) sets: Vec<String>,
    /// Seed of what comes after the branch [default: one more than the log's]
    #[arg(long, value_name = "N", requires = "branch_from")]
    pub(crate) seed: Option<u64>,
    /// Name of the new run [default: branch-QUESTION-NODE]
    #[arg(long, value_name = "NAME", requires = "branch_from")]
    pub(crate) name: Option<String>,
    /// How the new run's progress is shown [default: $CONCORD_UI or auto]
    #[arg(long, value_enum, value_name = "UI", requires = "branch_from")]
    pub(crate) ui: Option<super::Ui>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CompareSearches {
    /// A run of searches: id, part of it that fits one run only, path, or `last`
    #[arg(value_name = "A")]
    pub(crate) first: String,
    /// The run that it is compared with
    #[arg(value_name = "B")]
    pub(crate) second: String,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct World {
    /// A preset or file whose `[world]` is meant
    #[arg(value_name = "PRESET|FILE", default_value = "bavt-world")]
    pub(crate) target: String,
    /// Folder to write into; it must not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) export: PathBuf,
    /// Demonstrations to train a searcher on; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) rows: usize,
    /// Share of the steps of demonstrations that go wrong
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    pub(crate) mistakes: f64,
    /// Change a setting, such as world.entities=2000; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) sets: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Report {
    /// The log: a file of a run's folder `search/`
    #[arg(value_name = "LOG")]
    pub(crate) log: PathBuf,
    /// What is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    pub(crate) format: ReportFormat,
    /// What tokens and calls cost, such as input=0.15,output=0.6,call=0.005 (per million tokens, per
    /// call) [default: the run's `[prices]`]
    #[arg(long, value_name = "PRICES")]
    pub(crate) prices: Option<String>,
    /// File to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Forms of a search's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page with everything in it; needs no network
    Html,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
    /// The tree as one JSON value
    Json,
}

// Derived, the arguments of a run would be required beside a subcommand too.
impl Args for Search {
    fn augment_args(command: Command) -> Command {
        SearchCommand::augment_subcommands(SearchRun::augment_args(command))
            .subcommand_required(false)
            .arg_required_else_help(false)
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Search {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if matches.subcommand_name().is_some() {
            SearchCommand::from_arg_matches(matches).map(Self::About)
        } else {
            SearchRun::from_arg_matches(matches).map(|run| Self::Run(Box::new(run)))
        }
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Err(clap::Error::raw(
            ErrorKind::InvalidValue,
            "a search is read once",
        ))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::Arguments;

    fn search(arguments: &[&str]) -> Result<Search, clap::Error> {
        let all = ["concord", "search"].iter().chain(arguments);
        match Arguments::try_parse_from(all)?.command {
            Some(crate::arguments::Command::Search(search)) => Ok(search),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_preset_is_run_and_a_word_is_about_searches() {
        let run = search(&["demo", "--question", "Who?", "--sweep", "tokens=1,2"]).unwrap();
        let Search::Run(run) = run else {
            panic!("{run:?}")
        };
        assert_eq!(run.train.settings.target, "demo");
        assert_eq!(run.question.as_deref(), Some("Who?"));
        assert_eq!(run.sweep, ["tokens=1,2"]);
        let replay = search(&["replay", "q1.jsonl", "--branch-from", "3"]).unwrap();
        assert!(
            matches!(&replay, Search::About(SearchCommand::Replay(replay)) if replay.branch_from == Some(3)),
            "{replay:?}"
        );
    }

    #[test]
    fn mistakes_are_told() {
        assert!(search(&[]).is_err());
        assert!(search(&["demo", "--question", "a", "--question-file", "b"]).is_err());
        assert!(search(&["replay", "q1.jsonl", "--set", "seed=1"]).is_err());
        let world = search(&["world"]).unwrap_err();
        assert!(world.to_string().contains("--export"), "{world}");
    }
}
