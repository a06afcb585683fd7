//! `concord search`: answers within a budget, and what can be asked about searches.

mod answers;
mod comparison;
mod growing;
mod picture;
mod replaying;
mod starting;
mod table;
mod world;

use crate::arguments::{Global, Search, SearchCommand};
use crate::failure::Failure;

pub(crate) use answers::{are_searches, report};
pub(crate) use picture::written as written_report;
pub(crate) use replaying::branch_of;

/// Runs the command.
pub(crate) fn search(global: &Global, search: &Search) -> Result<(), Failure> {
    match search {
        Search::Run(arguments) => starting::run(global, arguments),
        Search::About(SearchCommand::Compare(arguments)) => comparison::compare(global, arguments),
        Search::About(SearchCommand::Report(arguments)) => picture::report(arguments),
        Search::About(SearchCommand::Replay(arguments)) => replaying::replay(global, arguments),
        Search::About(SearchCommand::Table(arguments)) => table::table(arguments),
        Search::About(SearchCommand::World(arguments)) => world::write_out(arguments),
    }
}
