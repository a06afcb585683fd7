//! Problems whose right answer is known.

use alignment::evaluation::problems::{Sample, Solved, summaries};
use alignment::oracles::PreferenceOracle;
use alignment::oracles::opening;
use alignment::oracles::verifiers::Verifier;
use alignment::responding::Ask;
use alignment::run::data::PromptRow;
use dataset::Response;
use serde_json::{Value, json};

use super::super::AdapterPlace;
use super::answering::{Choosing, Measured, Usual, answer, prompts};
use super::keeping::{Keeping, lines};
use super::{AssessArguments, Settings, Telling, USUAL_LENGTH};
use crate::exit::{BAD_CONFIG, Failure};

/// Answers problems and counts the right ones.
pub(super) fn solve(
    arguments: &AssessArguments,
    settings: &Settings,
    telling: &mut Telling,
) -> Result<Value, Failure> {
    let path = arguments.problems.as_deref().unwrap_or_default();
    let mut keeping = Keeping::new(arguments.output.as_deref())?;
    let rows = prompts(path, arguments, settings)?;
    let verifier = opening::verifier(settings.oracle.verifier);
    check_answers(path, &rows, verifier)?;
    let model = arguments.model.load_with_text(AdapterPlace::Merged)?;
    let choosing = Choosing::new(
        arguments,
        settings,
        model.folder.generation_config(),
        Usual {
            best_for_one: true,
            samples: arguments.samples,
            max_new_tokens: USUAL_LENGTH,
        },
    )?;
    let ways = arguments.ways();
    let samples = arguments.samples;
    // The ways of one problem are neighbours, so that an interrupted evaluation has both.
    let asks: Vec<Ask> = rows
        .iter()
        .flat_map(|row| ways.iter().map(move |way| (row, *way)))
        .enumerate()
        .map(|(number, (row, thinking))| Ask {
            id: row.id.clone(),
            content: row.prompt.clone(),
            thinking,
            stream: (number * samples) as u64,
        })
        .collect();
    let mut records: Vec<Option<Solved>> = vec![None; asks.len()];
    answer(
        &model,
        settings,
        &choosing,
        &asks,
        (samples, arguments.seed),
        (telling, "problems"),
        &mut |place, responses| {
            let row = &rows[place / ways.len()];
            records[place] = Some(Solved::new(
                row.id.clone(),
                asks[place].thinking,
                row.prompt.last_text(),
                row.answer.clone().unwrap_or_default(),
                responses.into_iter().map(sample).collect(),
                verifier,
            ));
            keeping.now_and_then(|| lines(records.iter().flatten()))
        },
    )?;
    keeping.write(|| lines(records.iter().flatten()))?;
    let of = records.len();
    let records: Vec<Solved> = records.into_iter().flatten().collect();
    Ok(json!({
        "task": "problems",
        "problems": path,
        "verifier": PreferenceOracle::name(&verifier),
        "sampling": choosing.described(),
        "finished": records.len(),
        "of": of,
        "summaries": summaries(&records),
        "output": keeping.path(),
    }))
}

fn sample(response: Response) -> Sample {
    let measured = Measured::of(&response);
    Sample {
        answer: response.text,
        trace: response.trace,
        closed: measured.closed,
        cut: measured.cut,
        answer_tokens: measured.answer_tokens,
        trace_tokens: measured.trace_tokens,
    }
}

/// Every problem needs an answer that the verifier can compare with, which is told before anything
/// is generated.
pub(super) fn check_answers(
    path: &str,
    rows: &[PromptRow],
    verifier: Verifier,
) -> Result<(), Failure> {
    let without = rows.iter().filter(|row| row.answer.is_none()).count();
    if without > 0 {
        return Err(Failure::new(
            BAD_CONFIG,
            format!(
                "{path}: {without} of {} rows have no answer - allowed: a column `answer` beside `problem`, `question` or `prompt`",
                rows.len()
            ),
        ));
    }
    let known = |row: &PromptRow| verifier.knows(&row.id, row.answer.as_deref(), 1);
    rows.iter().try_for_each(known).map_err(|error| {
        Failure::new(
            BAD_CONFIG,
            format!("{path}: {error} - or choose --verifier exact"),
        )
    })
}
