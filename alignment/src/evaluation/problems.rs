//! Problems whose right answer is known: accuracy, pass@k, lengths, traces that never end.

use serde::Serialize;
use tracking::statistics::Interval;

use super::statistics::{mean, over_prompts, pass_at_k, told_k, wilson};
use crate::oracles::verifiers::Verifier;

/// One answer to a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was said, without its trace.
    pub answer: String,
    /// What was thought before it; none without a trace.
    pub trace: Option<String>,
    /// Whether a trace that was opened was closed; true without a trace.
    pub closed: bool,
    /// Whether it ended for its length and not by itself.
    pub cut: bool,
    /// Tokens of the answer.
    pub answer_tokens: u64,
    /// Tokens of the trace, 0 without one.
    pub trace_tokens: u64,
}

/// A problem and what a model made of it, a line of the file of records.
///
/// Its columns are those of the field's mathematics files (`id`, `problem`, `answer`, `samples`,
/// `correct`) and what else is known of each sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Solved {
    /// The problem's id in its file.
    pub id: String,
    /// Whether traces were asked for; none where the template's own way was taken.
    pub thinking: Option<bool>,
    /// What was asked.
    pub problem: String,
    /// The right answer.
    pub answer: String,
    /// K answers without their traces.
    pub samples: Vec<String>,
    /// Whether each is right; none where it holds no answer of the sort, which counts as wrong.
    pub correct: Vec<Option<bool>>,
    /// K traces.
    pub traces: Vec<Option<String>>,
    /// Whether each answer's trace was closed.
    pub closed: Vec<bool>,
    /// Whether each was cut for its length.
    pub cut: Vec<bool>,
    /// Tokens of each answer.
    pub answer_tokens: Vec<u64>,
    /// Tokens of each trace.
    pub trace_tokens: Vec<u64>,
}

impl Solved {
    /// Checks the samples. One whose trace never closed has no answer, whatever is in it.
    pub fn new(
        id: impl Into<String>,
        thinking: Option<bool>,
        problem: impl Into<String>,
        answer: impl Into<String>,
        samples: Vec<Sample>,
        verifier: Verifier,
    ) -> Self {
        let answer = answer.into();
        let check = |sample: &Sample| {
            sample
                .closed
                .then(|| verifier.check(&sample.answer, &answer))
                .flatten()
        };
        Self {
            id: id.into(),
            thinking,
            problem: problem.into(),
            correct: samples.iter().map(check).collect(),
            closed: samples.iter().map(|sample| sample.closed).collect(),
            cut: samples.iter().map(|sample| sample.cut).collect(),
            answer_tokens: samples.iter().map(|sample| sample.answer_tokens).collect(),
            trace_tokens: samples.iter().map(|sample| sample.trace_tokens).collect(),
            traces: samples.iter().map(|sample| sample.trace.clone()).collect(),
            samples: samples.into_iter().map(|sample| sample.answer).collect(),
            answer,
        }
    }

    /// Right ones among the K samples.
    pub fn right(&self) -> usize {
        let right = self.correct.iter().filter(|one| **one == Some(true));
        right.count()
    }
}

/// The chance that one of `k` samples is right, over problems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PassAtK {
    /// Samples that may be tried.
    pub k: usize,
    /// Mean of the unbiased estimate, with an interval over problems.
    pub rate: Interval,
}

/// What the records of one way of answering come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Whether traces were asked for; none where the template's own way was taken.
    pub thinking: Option<bool>,
    /// Problems.
    pub problems: usize,
    /// Samples of each, K.
    pub samples: usize,
    /// Share of right samples: pass@1, which is the average of K too. Wilson's interval for one
    /// sample each, a bootstrap over problems for several.
    pub accuracy: Interval,
    /// pass@k at powers of two and at K.
    pub pass_at: Vec<PassAtK>,
    /// Share of samples that hold no answer the verifier could read.
    pub without_answer: Option<f64>,
    /// Share of samples that ended for their length.
    pub cut: Option<f64>,
    /// Share of samples that have a trace.
    pub with_trace: Option<f64>,
    /// Share of samples whose trace never closed.
    pub unclosed: Option<f64>,
    /// Mean length of an answer in tokens, without its trace.
    pub answer_tokens: Option<f64>,
    /// Mean length of an answer in characters, without its trace.
    pub answer_characters: Option<f64>,
    /// Mean length of a trace in tokens, over the samples that have one.
    pub trace_tokens: Option<f64>,
}

/// Counts records; one summary for each way of answering, in the order of their first record.
/// Records without samples are left out.
pub fn summaries(records: &[Solved]) -> Vec<Summary> {
    let mut ways: Vec<Option<bool>> = Vec::new();
    for record in records {
        if !ways.contains(&record.thinking) {
            ways.push(record.thinking);
        }
    }
    let of_way = |thinking: Option<bool>| {
        let fits = |record: &&Solved| record.thinking == thinking && !record.samples.is_empty();
        let records: Vec<&Solved> = records.iter().filter(fits).collect();
        summary(thinking, &records)
    };
    ways.into_iter().map(of_way).collect()
}

fn summary(thinking: Option<bool>, records: &[&Solved]) -> Summary {
    // Every problem has K samples; an interrupted one is not among the records.
    let samples = records.iter().map(|record| record.samples.len()).min();
    let samples = samples.unwrap_or(0);
    let accuracy = if samples == 1 {
        let right: usize = records.iter().map(|record| record.right()).sum();
        wilson(right as f64, records.len())
    } else {
        let share = |record: &&Solved| record.right() as f64 / record.samples.len() as f64;
        over_prompts(&records.iter().map(share).collect::<Vec<f64>>())
    };
    let pass_at = told_k(samples).into_iter().map(|k| {
        let chance = |record: &&Solved| pass_at_k(record.samples.len(), record.right(), k);
        let chances: Vec<f64> = records.iter().filter_map(chance).collect();
        PassAtK {
            k,
            rate: if k == 1 {
                accuracy
            } else {
                over_prompts(&chances)
            },
        }
    });
    let share = |is: &dyn Fn(&Solved, usize) -> bool| {
        let all = records.iter().flat_map(|record| {
            let places = 0..record.samples.len();
            places.map(move |place| if is(record, place) { 1.0 } else { 0.0 })
        });
        mean(all)
    };
    let has_trace = |record: &Solved, place: usize| record.traces[place].is_some();
    Summary {
        thinking,
        problems: records.len(),
        samples,
        accuracy,
        pass_at: pass_at.collect(),
        without_answer: share(&|record, place| record.correct[place].is_none()),
        cut: share(&|record, place| record.cut[place]),
        with_trace: share(&has_trace),
        unclosed: share(&|record, place| !record.closed[place]),
        answer_tokens: mean(
            records
                .iter()
                .flat_map(|record| record.answer_tokens.iter().map(|count| *count as f64)),
        ),
        answer_characters: mean(records.iter().flat_map(|record| {
            let lengths = record.samples.iter();
            lengths.map(|text| text.chars().count() as f64)
        })),
        trace_tokens: mean(records.iter().flat_map(|record| {
            let traced = (0..record.traces.len()).filter(|place| has_trace(record, *place));
            traced.map(|place| record.trace_tokens[place] as f64)
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMERIC: Verifier = Verifier::Numeric { tolerance: 0.0 };

    fn sample(answer: &str) -> Sample {
        Sample {
            answer: answer.to_owned(),
            trace: None,
            closed: true,
            cut: false,
            answer_tokens: 3,
            trace_tokens: 0,
        }
    }

    fn thought(trace: &str, answer: &str, closed: bool) -> Sample {
        Sample {
            trace: Some(trace.to_owned()),
            closed,
            cut: !closed,
            trace_tokens: 10,
            ..sample(answer)
        }
    }

    fn solved(id: &str, thinking: Option<bool>, samples: Vec<Sample>) -> Solved {
        Solved::new(id, thinking, "6 * 7?", "42", samples, NUMERIC)
    }

    #[test]
    fn one_sample_has_wilsons_interval() {
        let records = [
            solved("1", None, vec![sample("It is 42.")]),
            solved("2", None, vec![sample("41")]),
            solved("3", None, vec![sample("I do not know")]),
            solved("4", None, vec![sample("42")]),
        ];
        assert_eq!(records[2].correct, [None]);
        let found = summaries(&records);
        assert_eq!(found.len(), 1);
        let one = &found[0];
        assert_eq!((one.problems, one.samples), (4, 1));
        assert_eq!(one.accuracy, wilson(2.0, 4));
        assert_eq!(one.pass_at.len(), 1);
        assert_eq!(one.pass_at[0].rate, one.accuracy);
        assert_eq!(one.without_answer, Some(0.25));
        assert_eq!((one.cut, one.unclosed), (Some(0.0), Some(0.0)));
        assert_eq!(
            (one.with_trace, one.trace_tokens, one.answer_tokens),
            (Some(0.0), None, Some(3.0))
        );
    }

    #[test]
    fn several_samples_are_averaged_by_problem() {
        let right = || sample("42");
        let wrong = || sample("7");
        let records = [
            solved("1", None, vec![right(), right(), wrong(), wrong()]),
            solved("2", None, vec![wrong(), wrong(), wrong(), wrong()]),
        ];
        let one = &summaries(&records)[0];
        assert_eq!(one.accuracy.estimate, 0.25);
        let rates: Vec<(usize, f64)> = one
            .pass_at
            .iter()
            .map(|pass| (pass.k, pass.rate.estimate))
            .collect();
        assert_eq!(rates[0], (1, 0.25));
        assert_eq!(rates[1].0, 2);
        assert!((rates[1].1 - 5.0 / 12.0).abs() < 1e-12);
        assert_eq!(rates[2], (4, 0.5));
    }

    #[test]
    fn a_trace_that_never_closes_has_no_answer() {
        let records = [
            solved("1", Some(true), vec![thought("6 * 7 = 42", "42", false)]),
            solved("1", Some(false), vec![sample("42")]),
            solved("2", Some(true), vec![thought("so", "42", true)]),
            solved("2", Some(false), vec![sample("40")]),
        ];
        assert_eq!(records[0].correct, [None]);
        let found = summaries(&records);
        assert_eq!(found[0].thinking, Some(true));
        assert_eq!(found[0].accuracy.estimate, 0.5);
        assert_eq!(
            (found[0].unclosed, found[0].cut, found[0].without_answer),
            (Some(0.5), Some(0.5), Some(0.5))
        );
        assert_eq!(
            (found[0].with_trace, found[0].trace_tokens),
            (Some(1.0), Some(10.0))
        );
        assert_eq!(found[1].thinking, Some(false));
        assert_eq!(found[1].with_trace, Some(0.0));
        assert!(summaries(&[]).is_empty());
    }

    #[test]
    fn records_have_the_columns_of_mathematics_files() {
        let record = solved("7", None, vec![sample("42"), sample("none")]);
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(value["id"], "7");
        assert_eq!(value["problem"], "6 * 7?");
        assert_eq!(value["answer"], "42");
        assert_eq!(value["samples"], serde_json::json!(["42", "none"]));
        assert_eq!(value["correct"], serde_json::json!([true, null]));
    }
}
