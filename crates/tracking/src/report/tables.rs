//! The report as CSV and Markdown.

use std::fmt::Write as _;

use super::{Cell, Measure, OverSeeds, Report};
use crate::export::csv::{field, number};
use crate::statistics::Interval;

/// Joins cells that are written by the rules of [`crate::export::csv`].
fn line(cells: &[String]) -> String {
    let mut text = cells.join(",");
    text.push('\n');
    text
}

fn interval(interval: Interval) -> [String; 3] {
    [interval.estimate, interval.low, interval.high].map(number)
}

fn optional(over: Option<&OverSeeds>) -> [String; 3] {
    over.map_or_else(<[String; 3]>::default, |over| interval(over.mean))
}

/// A value with its interval for people: `0.950 [0.900, 0.990]`.
fn shown(interval: Interval) -> String {
    if interval.estimate.is_nan() {
        return "-".to_owned();
    }
    format!(
        "{:.3} [{:.3}, {:.3}]",
        interval.estimate, interval.low, interval.high
    )
}

fn shown_optional(over: Option<&OverSeeds>) -> String {
    over.map_or_else(|| "-".to_owned(), |over| shown(over.mean))
}

/// A bar would end a cell of a Markdown table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

impl Report {
    /// Method, and the value of every swept setting.
    fn variant_cells(&self, variant: usize) -> Vec<String> {
        let variant = &self.variants[variant];
        vec![
            field(&variant.method).into_owned(),
            field(&variant.label).into_owned(),
        ]
    }

    /// `summary.csv`: a line per task and variant, every number with its interval.
    pub fn summary_csv(&self) -> String {
        let axes = self.axes();
        let mut head: Vec<String> = ["task", "method", "point"].map(str::to_owned).into();
        head.extend(axes.iter().map(|axis| field(axis).into_owned()));
        head.extend(["seeds", "unfinished", "evaluations"].map(str::to_owned));
        let mut with_interval = |name: &str| {
            head.extend(["", "_low", "_high"].map(|end| format!("{name}{end}")));
        };
        for name in ["final_return", "max_return", "average_return"] {
            with_interval(name);
        }
        with_interval("absolute_return");
        with_interval("absolute_iqm");
        let names = self.measure_names();
        for name in &names {
            for part in ["last", "mean", "absolute"] {
                with_interval(&field(&format!("{name}_{part}")));
            }
        }
        head.extend(["max_return_step", "absolute_std", "seconds"].map(str::to_owned));
        let mut text = line(&head);
        for cell in &self.cells {
            let mut cells = vec![field(&cell.task).into_owned()];
            cells.extend(self.variant_cells(cell.variant));
            for axis in &axes {
                let point = &self.variants[cell.variant].point;
                let value = point.iter().find(|(path, _)| path == axis);
                cells.push(value.map_or_else(String::new, |(_, v)| field(v).into_owned()));
            }
            cells.push(cell.seeds.len().to_string());
            cells.push(cell.unfinished.to_string());
            cells.push(cell.curve.len().to_string());
            cells.extend(interval(cell.final_return.mean));
            cells.extend(interval(cell.max_return.mean));
            cells.extend(interval(cell.average_return.mean));
            cells.extend(optional(cell.absolute_return.as_ref()));
            cells.extend(interval(cell.interquartile_mean));
            for name in &names {
                let measure = cell.measure(name);
                cells.extend(optional(measure.and_then(|one| one.last.as_ref())));
                cells.extend(optional(measure.and_then(|one| one.mean.as_ref())));
                cells.extend(optional(measure.and_then(|one| one.absolute.as_ref())));
            }
            cells.push(cell.max_return.step.to_string());
            cells.push(number(cell.standard_deviation));
            cells.push(number(cell.seconds));
            text.push_str(&line(&cells));
        }
        text
    }

    /// Swept settings, in the order of the sweep.
    pub fn axes(&self) -> Vec<String> {
        let mut axes: Vec<String> = Vec::new();
        for (path, _) in self.variants.iter().flat_map(|one| &one.point) {
            if !axes.contains(path) {
                axes.push(path.clone());
            }
        }
        axes
    }

    /// `runs.csv`: a line per run, the numbers behind the summary.
    pub fn runs_csv(&self) -> String {
        let names = self.measure_names();
        let mut head: Vec<String> = [
            "task",
            "method",
            "point",
            "seed",
            "run",
            "final_return",
            "average_return",
            "absolute_return",
        ]
        .map(str::to_owned)
        .into();
        for name in &names {
            for part in ["last", "mean", "absolute"] {
                head.push(field(&format!("{name}_{part}")).into_owned());
            }
        }
        let mut text = line(&head);
        let value = |over: Option<&OverSeeds>, index: usize| {
            over.map_or_else(String::new, |over| number(over.values[index]))
        };
        for cell in &self.cells {
            for (index, seed) in cell.seeds.iter().enumerate() {
                let mut cells = vec![field(&cell.task).into_owned()];
                cells.extend(self.variant_cells(cell.variant));
                cells.push(seed.to_string());
                cells.push(field(&cell.runs[index]).into_owned());
                cells.push(number(cell.final_return.values[index]));
                cells.push(number(cell.average_return.values[index]));
                cells.push(value(cell.absolute_return.as_ref(), index));
                for name in &names {
                    let measure = cell.measure(name);
                    let of = |part: fn(&Measure) -> Option<&OverSeeds>| {
                        value(measure.and_then(part), index)
                    };
                    cells.push(of(|one| one.last.as_ref()));
                    cells.push(of(|one| one.mean.as_ref()));
                    cells.push(of(|one| one.absolute.as_ref()));
                }
                text.push_str(&line(&cells));
            }
        }
        text
    }

    /// `curves.csv`: every curve over the seeds; the metric is `return` or a measure.
    pub fn curves_csv(&self) -> String {
        let mut text = "task,method,point,metric,step,mean,low,high\n".to_owned();
        for cell in &self.cells {
            let measures = cell.measures.iter();
            let all = measures.map(|one| (one.name.as_str(), &one.curve));
            for (metric, curve) in std::iter::once(("return", &cell.curve)).chain(all) {
                for point in curve {
                    let mut cells = vec![field(&cell.task).into_owned()];
                    cells.extend(self.variant_cells(cell.variant));
                    cells.push(field(metric).into_owned());
                    cells.push(point.step.to_string());
                    cells.extend(interval(point.mean));
                    text.push_str(&line(&cells));
                }
            }
        }
        text
    }

    /// `aggregate.csv`: normalised scores over all tasks.
    pub fn aggregate_csv(&self) -> String {
        let mut text = "method,point,tasks,runs,iqm,iqm_low,iqm_high,mean,mean_low,mean_high,median,median_low,median_high,optimality_gap,optimality_gap_low,optimality_gap_high\n".to_owned();
        for one in &self.overall.aggregates {
            let mut cells = self.variant_cells(one.variant);
            cells.push(one.tasks.to_string());
            cells.push(one.runs.to_string());
            for each in [
                one.interquartile_mean,
                one.mean,
                one.median,
                one.optimality_gap,
            ] {
                cells.extend(interval(each));
            }
            text.push_str(&line(&cells));
        }
        text
    }

    /// `probability_of_improvement.csv`: every ordered pair, over all tasks (`all`) and
    /// per task.
    pub fn improvement_csv(&self) -> String {
        let mut text = "task,first,second,probability,low,high\n".to_owned();
        for one in &self.overall.improvements {
            let mut cells = vec![
                field(one.task.as_deref().unwrap_or("all")).into_owned(),
                field(&self.variants[one.first].name()).into_owned(),
                field(&self.variants[one.second].name()).into_owned(),
            ];
            cells.extend(interval(one.probability));
            text.push_str(&line(&cells));
        }
        text
    }

    /// `performance_profile.csv`: share of runs above each normalised score.
    pub fn profile_csv(&self) -> String {
        let mut text = "method,point,threshold,share,low,high\n".to_owned();
        for one in &self.overall.profiles {
            for (threshold, share) in &one.points {
                let mut cells = self.variant_cells(one.variant);
                cells.push(number(*threshold));
                cells.extend(interval(*share));
                text.push_str(&line(&cells));
            }
        }
        text
    }

    /// `summary.md`: everything that a reader looks at first.
    pub fn summary_markdown(&self, command: &str) -> String {
        let mut text = format!(
            "# {}\n\nMade by `{command}`.\nMachine: {}.\n\n\
             Every number is the mean over seeds with its 95% bootstrap interval (2000 \
             resamples over seeds) unless it says otherwise. Final: last evaluation. Max: \
             the evaluation with the highest mean over seeds. Average: over all \
             evaluations. Absolute IQM: interquartile mean over seeds of the best \
             checkpoint's return in the final evaluation. Sd: standard deviation of these \
             over seeds.\n",
            self.name, self.machine
        );
        for note in &self.notes {
            let _ = writeln!(text, "\n> {note}");
        }
        for task in &self.tasks {
            let cells: Vec<&Cell> = self.cells.iter().filter(|one| one.task == *task).collect();
            if !cells.is_empty() {
                self.task_markdown(task, &cells, &mut text);
            }
        }
        self.overall_markdown(&mut text);
        text
    }

    fn task_markdown(&self, task: &str, cells: &[&Cell], text: &mut String) {
        let names: Vec<&str> = self
            .measure_names()
            .into_iter()
            .filter(|name| cells.iter().any(|cell| cell.measure(name).is_some()))
            .collect();
        let mut head = vec![
            "method".to_owned(),
            "seeds".to_owned(),
            "final".to_owned(),
            "max".to_owned(),
            "average".to_owned(),
            "absolute IQM".to_owned(),
            "sd".to_owned(),
        ];
        for name in &names {
            head.push(format!("{} (last)", escaped(name)));
            head.push(format!("{} (mean)", escaped(name)));
        }
        head.push("minutes".to_owned());
        let _ = writeln!(text, "\n## {task}\n");
        markdown_row(text, &head);
        markdown_row(text, &vec!["---".to_owned(); head.len()]);
        for cell in cells {
            let mut row = vec![
                escaped(&self.variants[cell.variant].name()),
                cell.seeds.len().to_string(),
                shown(cell.final_return.mean),
                shown(cell.max_return.mean),
                shown(cell.average_return.mean),
                shown(cell.interquartile_mean),
                if cell.standard_deviation.is_nan() {
                    "-".to_owned()
                } else {
                    format!("{:.3}", cell.standard_deviation)
                },
            ];
            for name in &names {
                let measure = cell.measure(name);
                row.push(shown_optional(measure.and_then(|one| one.last.as_ref())));
                row.push(shown_optional(measure.and_then(|one| one.mean.as_ref())));
            }
            row.push(format!("{:.1}", cell.seconds / 60.0));
            markdown_row(text, &row);
        }
    }

    fn overall_markdown(&self, text: &mut String) {
        if self.overall.aggregates.is_empty() {
            return;
        }
        let ranges: Vec<String> = self
            .overall
            .ranges
            .iter()
            .map(|(task, low, high)| format!("{task} {low:.3} to {high:.3}"))
            .collect();
        let _ = writeln!(
            text,
            "\n## All tasks\n\nScores are absolute returns, normalised per task ({}).\n",
            ranges.join(", ")
        );
        let head = [
            "method",
            "tasks",
            "runs",
            "IQM",
            "mean",
            "median",
            "optimality gap",
        ];
        markdown_row(text, &head.map(str::to_owned));
        markdown_row(text, &head.map(|_| "---".to_owned()));
        for one in &self.overall.aggregates {
            let row = [
                escaped(&self.variants[one.variant].name()),
                one.tasks.to_string(),
                one.runs.to_string(),
                shown(one.interquartile_mean),
                shown(one.mean),
                shown(one.median),
                shown(one.optimality_gap),
            ];
            markdown_row(text, &row);
        }
        let over_all: Vec<_> = self
            .overall
            .improvements
            .iter()
            .filter(|one| one.task.is_none())
            .collect();
        if over_all.is_empty() {
            return;
        }
        let _ = writeln!(
            text,
            "\n## Probability of improvement\n\nThat a run of the row scores higher than one \
             of the column, ties counted half, mean over tasks.\n"
        );
        let known: Vec<usize> = self
            .overall
            .aggregates
            .iter()
            .map(|one| one.variant)
            .collect();
        let mut head = vec![String::new()];
        head.extend(known.iter().map(|one| escaped(&self.variants[*one].name())));
        markdown_row(text, &head);
        markdown_row(text, &vec!["---".to_owned(); head.len()]);
        for first in &known {
            let mut row = vec![escaped(&self.variants[*first].name())];
            for second in &known {
                let found = over_all
                    .iter()
                    .find(|one| one.first == *first && one.second == *second);
                row.push(found.map_or_else(String::new, |one| shown(one.probability)));
            }
            markdown_row(text, &row);
        }
    }
}

fn markdown_row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}
