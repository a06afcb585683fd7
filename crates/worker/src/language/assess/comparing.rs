//! Two models on the same prompts.

use std::path::Path;

use alignment::FinetuneError;
use alignment::evaluation::comparison::{Answer, Compared, shown, summary};
use alignment::oracles::{Candidates, opening};
use alignment::responding::Ask;
use alignment::run::data::PromptRow;
use configs::finetune::OracleKind;
use dataset::Response;
use lm::config::ModelConfig;
use serde_json::{Value, json};

use super::super::{AdapterPlace, ModelArguments};
use super::answering::{Choosing, Measured, Usual, answer, prompts};
use super::keeping::{Keeping, lines};
use super::solving::check_answers;
use super::{AssessArguments, Settings, Telling, USUAL_LENGTH};
use crate::exit::Failure;

/// Prompts that are judged together.
const JUDGED_AT_ONCE: usize = 16;

/// Lets both models answer and the oracle say which is better.
pub(super) fn compare(
    arguments: &AssessArguments,
    other: &Path,
    settings: &Settings,
    telling: &mut Telling,
) -> Result<Value, Failure> {
    let path = arguments.prompts.as_deref().unwrap_or_default();
    let way = arguments.way("a comparison")?;
    let mut keeping = Keeping::new(arguments.output.as_deref())?;
    let rows = prompts(path, arguments, settings)?;
    if settings.oracle.kind == OracleKind::Verifier {
        check_answers(path, &rows, opening::verifier(settings.oracle.verifier))?;
    }
    // What is wrong with the oracle is told before anything is generated.
    let scalars = ModelConfig::read(&arguments.model.model)?.scalars();
    let mut oracle = opening::open(&settings.oracle, arguments.model.place(scalars)?)?;
    for row in &rows {
        oracle
            .knows(&row.id, row.answer.as_deref(), 2 * arguments.samples)
            .map_err(FinetuneError::from)?;
    }
    let others = ModelArguments {
        model: other.to_owned(),
        adapter: arguments.against_adapter.clone(),
        ..arguments.model.clone()
    };
    let asks: Vec<Ask> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| Ask {
            id: row.id.clone(),
            content: row.prompt.clone(),
            thinking: way,
            stream: (number * arguments.samples) as u64,
        })
        .collect();
    let (ours, choosing) = answers(
        &arguments.model,
        arguments,
        settings,
        &asks,
        telling,
        "answers",
    )?;
    let stage = "answers of the other model";
    let (theirs, other_choosing) = answers(&others, arguments, settings, &asks, telling, stage)?;

    let pairs = rows.iter().zip(ours.into_iter().zip(theirs));
    let pairs: Vec<(&PromptRow, Vec<Answer>, Vec<Answer>)> = pairs
        .filter_map(|(row, (ours, theirs))| Some((row, ours?, theirs?)))
        .collect();
    let before = telling.is_interrupted();
    let mut records: Vec<Compared> = Vec::with_capacity(pairs.len());
    let stage = "judgements";
    for batch in pairs.chunks(JUDGED_AT_ONCE) {
        telling.progress(stage, records.len(), pairs.len());
        let asked: Vec<Candidates> = batch
            .iter()
            .map(|(row, ours, theirs)| candidates(row, ours, theirs))
            .filter(|one| !one.responses.is_empty())
            .collect();
        let mut judgements = oracle
            .judge(&asked)
            .map_err(FinetuneError::from)?
            .into_iter();
        for (row, ours, theirs) in batch {
            let asked = !shown(ours, theirs).is_empty();
            let judgement = asked.then(|| judgements.next()).flatten();
            records.push(Compared::new(
                row.id.clone(),
                row.prompt.last_text(),
                ours.clone(),
                theirs.clone(),
                judgement.as_ref(),
            ));
        }
        keeping.now_and_then(|| lines(records.iter()))?;
        // Told to stop while answering, what both answered is judged; told so here, it ends here.
        if telling.is_interrupted() && !before {
            break;
        }
    }
    telling.progress(stage, records.len(), pairs.len());
    keeping.write(|| lines(records.iter()))?;
    Ok(json!({
        "task": "comparison",
        "against": other,
        "against_adapter": arguments.against_adapter,
        "prompts": path,
        "oracle": oracle.name(),
        "sampling": choosing.described(),
        "other_sampling": other_choosing.described(),
        "finished": records.len(),
        "of": rows.len(),
        "summary": summary(&records),
        "output": keeping.path(),
    }))
}

/// Of each ask.
type Answers = Vec<Option<Vec<Answer>>>;

/// A model's answers to each ask; none where it was told to stop before. The model is gone when
/// they are there: two of them need not fit into memory.
fn answers(
    which: &ModelArguments,
    arguments: &AssessArguments,
    settings: &Settings,
    asks: &[Ask],
    telling: &mut Telling,
    stage: &str,
) -> Result<(Answers, Choosing), Failure> {
    let model = which.load_with_text(AdapterPlace::Merged)?;
    let choosing = Choosing::new(
        arguments,
        settings,
        model.folder.generation_config(),
        Usual {
            best_for_one: false,
            samples: arguments.samples,
            max_new_tokens: USUAL_LENGTH,
        },
    )?;
    let mut all: Vec<Option<Vec<Answer>>> = vec![None; asks.len()];
    answer(
        &model,
        settings,
        &choosing,
        asks,
        (arguments.samples, arguments.seed),
        (telling, stage),
        &mut |place, responses| {
            all[place] = Some(responses.into_iter().map(answer_of).collect());
            Ok(())
        },
    )?;
    Ok((all, choosing))
}

fn answer_of(response: Response) -> Answer {
    let measured = Measured::of(&response);
    Answer {
        text: response.text,
        tokens: measured.answer_tokens,
        trace_tokens: measured.trace_tokens,
        cut: measured.cut,
        closed: measured.closed,
    }
}

fn candidates(row: &PromptRow, ours: &[Answer], theirs: &[Answer]) -> Candidates {
    Candidates {
        id: row.id.clone(),
        prompt: row.prompt.last_text().to_owned(),
        messages: row.prompt.messages("user"),
        answer: row.answer.clone(),
        responses: shown(ours, theirs),
    }
}
