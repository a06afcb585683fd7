//! Runs as comma-separated values (RFC 4180, header line, `NaN` `inf` `-inf` by name).

use std::borrow::Cow;
use std::io::{self, Write};

use super::RunRecord;
use crate::event::EvaluationPurpose;
use crate::statistics::{interquartile_mean, mean, range};

/// One line per scored episode:
/// `run,environment,task,algorithm,seed,purpose,step,updates,seconds,episode,return,length`.
///
/// # Errors
/// The writer's.
pub fn episodes(records: &[RunRecord], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "run,environment,task,algorithm,seed,purpose,step,updates,seconds,episode,return,length"
    )?;
    for record in records {
        let run = run_fields(record);
        for one in &record.history.evaluations {
            let at = one.progress;
            let purpose = purpose_name(one.purpose);
            for (episode, value) in one.returns.iter().enumerate() {
                let length = one
                    .lengths
                    .get(episode)
                    .map_or_else(String::new, u64::to_string);
                writeln!(
                    out,
                    "{run},{purpose},{},{},{},{episode},{},{length}",
                    at.step,
                    at.updates,
                    number(at.seconds),
                    number(*value),
                )?;
            }
        }
    }
    Ok(())
}

/// One line per evaluation: `run,environment,task,algorithm,seed,purpose,step,updates,`
/// `seconds,episodes,return_mean,return_iqm,return_min,return_max,length_mean`.
///
/// # Errors
/// The writer's.
pub fn evaluations(records: &[RunRecord], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "run,environment,task,algorithm,seed,purpose,step,updates,seconds,episodes,return_mean,return_iqm,return_min,return_max,length_mean"
    )?;
    for record in records {
        let run = run_fields(record);
        for one in &record.history.evaluations {
            let (lowest, highest) = range(&one.returns);
            writeln!(
                out,
                "{run},{},{},{},{},{},{},{},{},{},{}",
                purpose_name(one.purpose),
                one.progress.step,
                one.progress.updates,
                number(one.progress.seconds),
                one.returns.len(),
                number(mean(&one.returns)),
                number(interquartile_mean(&one.returns)),
                number(lowest),
                number(highest),
                number(crate::measure::mean_length(&one.lengths, &one.extra)),
            )?;
        }
    }
    Ok(())
}

/// One line per point of every curve: `run,seed,name,axis,step,time,value`.
///
/// # Errors
/// The writer's.
pub fn scalars(records: &[RunRecord], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "run,seed,name,axis,step,time,value")?;
    for record in records {
        let run = field(&record.meta.id);
        for (name, axis, series) in record.history.all_series() {
            for point in series.points() {
                writeln!(
                    out,
                    "{run},{},{},{},{},{},{}",
                    record.meta.seed,
                    field(name),
                    axis.name(),
                    point.step,
                    number(point.time),
                    number(point.value),
                )?;
            }
        }
    }
    Ok(())
}

fn run_fields(record: &RunRecord) -> String {
    let (environment, task, algorithm) = record.labels();
    [
        field(&record.meta.id),
        field(&environment),
        field(&task),
        field(&algorithm),
        Cow::Owned(record.meta.seed.to_string()),
    ]
    .join(",")
}

fn purpose_name(purpose: EvaluationPurpose) -> &'static str {
    match purpose {
        EvaluationPurpose::Interval => "interval",
        EvaluationPurpose::Absolute => "absolute",
    }
}

/// The shortest text that reads back as the same number.
pub(crate) fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else {
        format!("{value}")
    }
}

pub(crate) fn field(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_numbers_follow_the_rules() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(field("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(
            [0.1, 1e-7, 5.0, f64::NAN, f64::NEG_INFINITY].map(number),
            ["0.1", "1e-7", "5.0", "NaN", "-inf"]
        );
    }
}
