//! What compared runs came to, as tables.

use tracking::statistics::Interval;

use super::{Centre, Difference, Group, Improvement, ResultRow};
use crate::figures::duration;
use crate::sheet::{Cell, Sheet};

/// Results of groups over their seeds, or of runs over their episodes.
#[must_use]
pub fn result_sheet(rows: &[ResultRow], fold: bool, centre: Centre) -> Sheet {
    let first = if fold { "group" } else { "run" };
    let columns = [
        first,
        "seeds",
        "absolute_return",
        "final_return",
        "best_return",
        "steps",
        "seconds",
        "steps_per_second",
        "device",
    ];
    let mut sheet = Sheet::new("results", "", &columns);
    for row in rows {
        sheet.row(vec![
            row.name.as_str().into(),
            row.seeds.into(),
            score(row.absolute),
            score(row.last),
            score(row.best),
            row.steps.into(),
            row.seconds.into(),
            row.steps_per_second.into(),
            row.device.as_str().into(),
        ]);
    }
    let longest = rows.iter().map(|row| row.seconds).fold(0.0, f64::max);
    sheet.noted(if fold {
        format!(
            "{} over the seeds of each seed's mean return, 95% bootstrap interval over seeds; \
             the longest run took {}",
            centre.title(),
            duration(longest)
        )
    } else {
        format!(
            "mean return, 95% bootstrap interval over episodes; the longest run took {}",
            duration(longest)
        )
    })
}

/// One seed has no interval.
fn score(interval: Option<Interval>) -> Cell {
    match interval {
        None => Cell::Empty,
        Some(one) if one.low.is_finite() && one.high.is_finite() => one.into(),
        Some(one) => one.estimate.into(),
    }
}

/// The settings that differ, a column per group.
#[must_use]
pub fn difference_sheet(differences: &[Difference], groups: &[Group]) -> Sheet {
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let columns: Vec<&str> = ["setting"].into_iter().chain(names).collect();
    let mut sheet = Sheet::new("settings", "", &columns);
    for difference in differences {
        let values = difference.values.iter().map(|value| match value {
            Some(value) => Cell::Text(value.clone()),
            None => Cell::Empty,
        });
        let path = Cell::Text(difference.path.clone());
        sheet.row([path].into_iter().chain(values).collect());
    }
    sheet.noted(match (groups.len(), differences.len()) {
        (0 | 1, _) => "a single configuration: nothing to compare",
        (_, 0) => "no reported setting differs",
        _ => "only settings that differ; the seed is left out",
    })
}

/// How probable it is that one group beats another.
#[must_use]
pub fn improvement_sheet(improvements: &[Improvement]) -> Sheet {
    let columns = ["first", "second", "probability", "compared"];
    let mut sheet = Sheet::new("improvement", "", &columns);
    for found in improvements {
        sheet.row(vec![
            found.first.as_str().into(),
            found.second.as_str().into(),
            score(Some(found.probability)),
            if found.absolute {
                "absolute returns".into()
            } else {
                "final returns".into()
            },
        ]);
    }
    sheet.noted(if improvements.is_empty() {
        "two configurations on one task are needed"
    } else {
        "that a run of the first scores higher than one of the second, ties counted half, \
         95% bootstrap interval over runs"
    })
}
