//! Which runs are compared, and what comes of it.

use std::sync::Arc;

use tracking::statistics::Bootstrap;

use super::State;
use crate::comparison::{
    self, EVALUATION, Member, Searched, difference_sheet, differences, improvement_sheet,
    improvements, question_sheet, result_sheet, results, search_sheet, unfolded_name, unstamped,
    without_seed,
};
use crate::detail::Detail;
use crate::model::Model;
use crate::panes::chart::progress;
use crate::pattern::Pattern;
use crate::run::RunSummary;
use crate::theme::Role;
use crate::widgets::plot::{Curve, Plot, View};

/// Runs compared at once; each holds some megabytes of curves.
const MOST: usize = 32;
/// Seconds between computations while news come in.
const EVERY: f64 = 1.0;
/// Draws of the bootstrap behind the tables.
const RESAMPLES: usize = 500;

/// Takes the marked runs, or the selected one with the other seeds of its group.
pub(super) fn choose(model: &mut Model) {
    let marked = &model.panes.runs.marked;
    let mut ids: Vec<String> = if marked.len() > 1 {
        let all = model.runs.iter().map(|run| run.id.clone());
        all.filter(|id| marked.contains(id)).collect()
    } else {
        let only = model.runs.iter().find(|run| marked.contains(&run.id));
        only.or_else(|| model.run())
            .map_or_else(Vec::new, |run| seeds(model, run))
    };
    if ids.len() > MOST {
        let text = format!("{} runs chosen; the newest {MOST} are compared", ids.len());
        model.notify(text, Role::Warn);
        ids.truncate(MOST);
    }
    model.compare.searched.retain(|id, _| ids.contains(id));
    model.compared = ids
        .into_iter()
        .map(|id| {
            // The source goes on where it is with a run that it reads already.
            let known = model.compared.remove(&id);
            let selected = || (model.detail.id == id).then(|| without_log(&model.detail));
            let detail = known.or_else(selected).unwrap_or_else(|| Detail::new(&id));
            (id, detail)
        })
        .collect();
}

/// Whether all compared runs search.
pub(super) fn are_searches(model: &Model) -> bool {
    let searches = |id: &String| {
        let run = model.runs.iter().find(|run| run.id == *id);
        run.is_some_and(|run| run.job == "search")
    };
    !model.compared.is_empty() && model.compared.keys().all(searches)
}

fn without_log(detail: &Detail) -> Detail {
    Detail {
        history: Arc::clone(&detail.history),
        evaluations: Arc::clone(&detail.evaluations),
        absolute: detail.absolute,
        ..Detail::new(&detail.id)
    }
}

/// The runs that seem to differ from this one in nothing but their seed.
fn seeds(model: &Model, of: &RunSummary) -> Vec<String> {
    let group = |run: &RunSummary| {
        let name = without_seed(unstamped(&run.id), Some(run.seed)).to_owned();
        (name, run.algorithm.clone(), run.task.clone())
    };
    let own = group(of);
    let alike = model
        .runs
        .iter()
        .filter(|run| run.id == of.id || !run.archived && group(run) == own);
    alike.map(|run| run.id.clone()).collect()
}

/// News came of a run that is compared.
pub(crate) fn changed(model: &mut Model) {
    model.compare.stale = true;
}

/// Time passed: what is stale is computed again, now and then.
pub(crate) fn tick(model: &mut Model) {
    let state = &model.compare;
    let due = (model.now - state.computed).abs() >= EVERY;
    if state.stale && due {
        compute(model);
    }
}

pub(super) fn members(model: &Model) -> Vec<Member<'_>> {
    let member = |detail| {
        let Detail { id, history, .. }: &Detail = detail;
        let mut member = Member::of(id, history);
        if let Some(run) = model.runs.iter().find(|run| run.id == *id) {
            member.seed = member.seed.or(Some(run.seed));
            member.state = run.state;
            member.progress = progress(run);
            member.device.clone_from(&run.device);
            if !run.task.is_empty() {
                member.task.clone_from(&run.task);
            }
        }
        member
    };
    model.compared.values().map(member).collect()
}

/// Computes everything anew.
pub(super) fn compute(model: &mut Model) {
    let members = members(model);
    let request = &model.compare.request;
    let bootstrap = Bootstrap {
        resamples: RESAMPLES,
        ..Bootstrap::default()
    };
    let groups = comparison::groups(&members);
    let (fold, centre) = (request.fold, request.centre);
    let rows = results(&members, &groups, fold, centre, &bootstrap);
    let name = |run: &str| match members.iter().find(|member| member.id == run) {
        Some(member) => unfolded_name(&members, member),
        None => unstamped(run).to_owned(),
    };
    let searched = &model.compare.searched;
    let names: Vec<String> = searched.keys().map(|run| name(run)).collect();
    let searched: Vec<Searched<'_>> = searched
        .values()
        .zip(&names)
        .map(|(outcomes, name)| Searched { name, outcomes })
        .collect();
    let sheets = vec![
        search_sheet(&searched, &bootstrap),
        question_sheet(&searched),
        result_sheet(&rows, fold, centre),
        difference_sheet(&differences(&members, &groups), &groups),
        improvement_sheet(&improvements(&members, &groups, &bootstrap)),
    ];
    let metrics = comparison::metrics(&members);
    model.compare.sheets = sheets;
    model.compare.metrics = metrics;
    model.compare.stale = false;
    model.compare.computed = model.now;
    compute_curves(model);
}

/// Computes the curves anew.
pub(super) fn compute_curves(model: &mut Model) {
    let state = &model.compare;
    let known = |name: &&String| state.metrics.contains(name);
    let metric = state
        .metric
        .as_ref()
        .filter(known)
        .or_else(|| state.metrics.first());
    let metric = metric.map_or_else(|| EVALUATION.to_owned(), String::clone);
    model.compare.request.metric = metric;
    let found = comparison::compare(&members(model), &model.compare.request);
    model.compare.found = found;
}

/// The metrics that fit the filter.
#[must_use]
pub fn metric_names(state: &State) -> Vec<&str> {
    let pattern = Pattern::new(&state.filter);
    let names = state.metrics.iter().map(String::as_str);
    names.filter(|name| pattern.matches(name)).collect()
}

/// The curves as they are looked at.
#[must_use]
pub fn plot(model: &Model) -> Plot {
    let state = &model.compare;
    let curves: Vec<Curve> = state
        .found
        .curves
        .iter()
        .map(|compared| compared.curve.clone())
        .collect();
    let view: View = state.view.over(state.found.axis);
    Plot { curves, view }
}
