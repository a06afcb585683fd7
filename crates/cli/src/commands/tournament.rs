//! `concord tournament`: policies score with each other in the seats of one team.

use std::path::Path;

use tracking::evaluation::{Contender, Kind, Plan, PlayOptions, mismatch};

use super::evaluation::{self, Planned, options, selection};
use crate::arguments::{Global, Tournament};
use crate::failure::Failure;
use crate::surroundings::runs_root;

/// More policies would be a matter of days, and no table of them could be read.
const MOST_POLICIES: usize = 32;
/// Teams that the worker scores in one call.
const MOST_TEAMS: u64 = 256;

/// Runs the command.
pub(crate) fn tournament(global: &Global, arguments: &Tournament) -> Result<(), Failure> {
    let planned = plan(&runs_root(global), arguments)?;
    evaluation::run(global, planned, &arguments.kept, arguments.format.format)
}

/// What the arguments mean, checked.
pub(crate) fn plan(root: &Path, arguments: &Tournament) -> Result<Planned, Failure> {
    let which = selection::Which::parse(&arguments.checkpoints)?;
    let selected = selection::contenders(root, &arguments.targets, Some(&which))?;
    let options = options(&arguments.playing)?;
    check(&selected.contenders, &options)?;
    let plan = Plan::new(Kind::Tournament, selected.contenders, options);
    evaluation::planned(plan, selected.notes)
}

/// Everything that can be known before an episode is played.
fn check(contenders: &[Contender], options: &PlayOptions) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::arguments(message));
    if let [only] = contenders {
        return refuse(format!(
            "a tournament of one policy: {} - two are needed at least - name another run, take more checkpoints with --checkpoints all, or score it alone with `concord eval`",
            only.name()
        ));
    }
    if contenders.len() > MOST_POLICIES {
        return refuse(format!(
            "a tournament of {} policies - {MOST_POLICIES} at most - take fewer with --checkpoints every:N",
            contenders.len()
        ));
    }
    if let Some(problem) = mismatch(
        contenders,
        options.environment.as_deref(),
        options.time_limit,
    ) {
        return refuse(problem);
    }
    let agents = contenders.first().map_or(0, |one| one.sizes.agents);
    let teams = 2_u64.checked_pow(agents as u32).unwrap_or(u64::MAX);
    if agents < 2 || teams > MOST_TEAMS {
        return refuse(format!(
            "a tournament of teams of {agents} agents - 2 to 8 share the seats of two policies - score the policies alone with `concord eval`"
        ));
    }
    Ok(())
}
