//! Several policies, or one at several settings: scores that are kept.

use std::path::Path;

use tracking::evaluation::plan::Sweep;
use tracking::evaluation::{Contender, Kind, Parameter, Plan, PlayOptions};

use crate::arguments::{Eval, Global};
use crate::commands::evaluation::{self, Planned, options, selection};
use crate::failure::Failure;
use crate::surroundings::runs_root;

/// Runs the command.
pub(super) fn eval(global: &Global, arguments: &Eval) -> Result<(), Failure> {
    let planned = plan(&runs_root(global), arguments)?;
    evaluation::run(global, planned, &arguments.kept, arguments.format.format)
}

/// What the arguments mean, checked.
pub(crate) fn plan(root: &Path, arguments: &Eval) -> Result<Planned, Failure> {
    alone_only(arguments)?;
    let which = arguments.checkpoint.as_deref();
    let which = which.map(selection::Which::parse).transpose()?;
    let selected = selection::contenders(root, &arguments.targets, which.as_ref())?;
    let options = options(&arguments.playing)?;
    let sweep = arguments.sweep.as_deref().map(Sweep::parse).transpose();
    let sweep = sweep.map_err(|problem| Failure::arguments(format!("--sweep {problem}")))?;
    check(&selected.contenders, &options, sweep.as_ref())?;
    let kind = match sweep {
        Some(_) => Kind::Sweep,
        None => Kind::Scores,
    };
    let mut plan = Plan::new(kind, selected.contenders, options);
    plan.sweep = sweep;
    evaluation::planned(plan, selected.notes)
}

/// What only makes sense for one policy and one setting.
fn alone_only(arguments: &Eval) -> Result<(), Failure> {
    let given = [
        ("--with", !arguments.with.is_empty()),
        ("--gif", arguments.gif.is_some()),
        ("--record", arguments.record.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some(("--with", _)) => Err(Failure::arguments(
            "--with: it goes with one policy that is not kept - teams of several are scored and kept by `concord tournament`",
        )),
        Some((name, _)) => Err(Failure::arguments(format!(
            "{name}: one episode of one policy is recorded - name one run, without --sweep, --keep and --out"
        ))),
    }
}

/// Everything that can be known before an episode is played.
fn check(
    contenders: &[Contender],
    options: &PlayOptions,
    sweep: Option<&Sweep>,
) -> Result<(), Failure> {
    let halves = |what: &str| {
        let without = contenders.iter().find(|one| !one.switched);
        without.map_or(Ok(()), |one| {
            Err(Failure::arguments(format!(
                "{what}: {} has one half and makes no central calls - allowed: policies of mansa - leave it out",
                one.name()
            )))
        })
    };
    let half = |half: &&str| *half != "mansa";
    if let Some(half) = options.execution.as_deref().filter(half) {
        halves(&format!("--execution {half}"))?;
    }
    match sweep.map(|sweep| sweep.parameter) {
        Some(Parameter::BudgetCalls) => {
            if let Some(half) = options.execution.as_deref().filter(half) {
                return Err(Failure::arguments(format!(
                    "--sweep budget_calls with --execution {half}: no switch decides then - allowed: mansa - leave --execution out"
                )));
            }
            halves("--sweep budget_calls")
        }
        Some(Parameter::Execution) => halves("--sweep execution"),
        Some(Parameter::Epsilon) | None => Ok(()),
    }
}
