//! Answer files of AlpacaEval, Arena-Hard and MT-Bench.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use alignment::evaluation::exports::{Author, Export, ExportError, Question, Turn};
use alignment::responding::Ask;
use dataset::{Content, Message};
use serde_json::{Value, json};

use super::super::AdapterPlace;
use super::answering::{Choosing, Measured, Usual, answer};
use super::keeping::Keeping;
use super::{AssessArguments, Settings, Telling, name_of};
use crate::exit::{BAD_CONFIG, Failure, note};

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        Self::new(BAD_CONFIG, error.to_string())
    }
}

/// One choice of one question on its way: the turns that are answered.
#[derive(Clone, Debug, Default)]
struct Choice {
    turns: Vec<Turn>,
}

/// What was noticed of the answers.
#[derive(Clone, Copy, Debug, Default)]
struct Noticed {
    answers: usize,
    characters: usize,
    tokens: u64,
    trace_tokens: u64,
    cut: usize,
    unclosed: usize,
    empty: usize,
}

/// Answers a tool's questions and writes its file.
pub(super) fn export(
    arguments: &AssessArguments,
    settings: &Settings,
    telling: &mut Telling,
) -> Result<Value, Failure> {
    let export: Export = arguments.export.as_deref().unwrap_or_default().parse()?;
    let path = arguments.questions.as_deref().unwrap_or(Path::new(""));
    let output = arguments.output.as_deref();
    let way = arguments.way("an answer file")?;
    if arguments.samples > 1 && !export.takes_choices() {
        return Err(Failure::new(
            BAD_CONFIG,
            format!(
                "--samples {}: {export} has one answer to each question - allowed: 1",
                arguments.samples
            ),
        ));
    }
    let mut questions = export.questions(path)?;
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    questions.truncate(limit);
    let own_temperatures = questions.iter().any(|one| one.temperature.is_some());
    if own_temperatures && arguments.sampling.says_temperature() {
        return Err(Failure::new(
            BAD_CONFIG,
            format!(
                "{export} generates at a temperature of each question's category - leave --temperature and --greedy out"
            ),
        ));
    }
    let author = author(arguments, export, output)?;
    let mut keeping = Keeping::new(output)?;
    let model = arguments.model.load_with_text(AdapterPlace::Merged)?;
    let choosing = Choosing::new(
        arguments,
        settings,
        model.folder.generation_config(),
        Usual {
            best_for_one: false,
            // At the categories' own temperatures choices may be alike, as in the tool.
            samples: if own_temperatures {
                1
            } else {
                arguments.samples
            },
            max_new_tokens: export.max_new_tokens(),
        },
    )?;

    let choices = arguments.samples;
    let turns = questions
        .iter()
        .map(|one| one.turns.len())
        .max()
        .unwrap_or(0);
    let mut said: Vec<Vec<Choice>> = vec![vec![Choice::default(); choices]; questions.len()];
    let mut noticed = Noticed::default();
    let mut temperatures: Vec<Option<f64>> = Vec::new();
    for question in &questions {
        if !temperatures.contains(&question.temperature) {
            temperatures.push(question.temperature);
        }
    }
    let sequences = questions.iter().map(|one| one.turns.len()).sum::<usize>() * choices;
    for turn in 0..turns {
        for temperature in &temperatures {
            let places: Vec<(usize, usize)> = (0..questions.len())
                .filter(|place| questions[*place].temperature == *temperature)
                .flat_map(|place| (0..choices).map(move |choice| (place, choice)))
                .filter(|(place, choice)| {
                    said[*place][*choice].turns.len() == turn
                        && turn < questions[*place].turns.len()
                })
                .collect();
            if places.is_empty() || telling.is_interrupted() {
                continue;
            }
            let asks: Vec<Ask> = places
                .iter()
                .map(|(place, choice)| Ask {
                    id: questions[*place].name(),
                    content: conversation(&questions[*place], &said[*place][*choice]),
                    thinking: way,
                    stream: ((place * choices + choice) * turns + turn) as u64,
                })
                .collect();
            let stage = format!(
                "turn {} of {turns}, {} of {sequences} answers",
                turn + 1,
                asks.len()
            );
            answer(
                &model,
                settings,
                &choosing.at(*temperature),
                &asks,
                (1, arguments.seed),
                (telling, &stage),
                &mut |number, responses| {
                    let (place, choice) = places[number];
                    for response in responses {
                        let measured = Measured::of(&response);
                        noticed.answers += 1;
                        noticed.characters += response.text.chars().count();
                        noticed.tokens += measured.answer_tokens;
                        noticed.trace_tokens += measured.trace_tokens;
                        noticed.cut += usize::from(measured.cut);
                        noticed.unclosed += usize::from(!measured.closed);
                        noticed.empty += usize::from(response.text.is_empty());
                        said[place][choice].turns.push(Turn {
                            text: response.text,
                            tokens: measured.answer_tokens,
                        });
                    }
                    keeping
                        .now_and_then(|| export.file(&finished(export, &questions, &said, &author)))
                },
            )?;
        }
    }
    let answers = finished(export, &questions, &said, &author);
    keeping.write(|| export.file(&answers))?;
    let mean = |sum: f64| (noticed.answers > 0).then(|| sum / noticed.answers as f64);
    Ok(json!({
        "task": "export",
        "export": export.to_string(),
        "questions": path,
        "name": author.name,
        "sampling": choosing.described(),
        "temperatures": own_temperatures.then_some("of each category"),
        "finished": answers.len(),
        "of": questions.len(),
        "lengths": {
            "characters": mean(noticed.characters as f64),
            "tokens": mean(noticed.tokens as f64),
            "trace_tokens": mean(noticed.trace_tokens as f64),
        },
        "cut": noticed.cut,
        "unclosed": noticed.unclosed,
        "empty": noticed.empty,
        "output": keeping.path(),
    }))
}

/// The turns so far, with traces left out of what was said, as chat templates leave them out.
fn conversation(question: &Question, choice: &Choice) -> Content {
    let asked = &question.turns;
    if choice.turns.is_empty() {
        return Content::Text(asked.first().cloned().unwrap_or_default());
    }
    let mut messages = Vec::new();
    for (turn, answered) in asked.iter().zip(&choice.turns) {
        messages.push(Message::new("user", turn.as_str()));
        messages.push(Message::new("assistant", answered.text.as_str()));
    }
    let next = asked.get(choice.turns.len());
    messages.extend(next.map(|turn| Message::new("user", turn.as_str())));
    Content::Messages(messages)
}

/// The answers to the questions whose every turn is answered.
fn finished(
    export: Export,
    questions: &[Question],
    said: &[Vec<Choice>],
    author: &Author,
) -> Vec<Value> {
    let whole = questions.iter().zip(said).filter(|(question, choices)| {
        let answered = |choice: &Choice| choice.turns.len() == question.turns.len();
        choices.iter().all(answered)
    });
    whole
        .map(|(question, choices)| {
            let turns: Vec<Vec<Turn>> = choices.iter().map(|one| one.turns.clone()).collect();
            export.answer(question, &turns, author)
        })
        .collect()
}

/// The model's name in the tool's tables: that of its file, where the tool takes it from there.
fn author(
    arguments: &AssessArguments,
    export: Export,
    output: Option<&Path>,
) -> Result<Author, Failure> {
    let stem = output.and_then(Path::file_stem);
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
    let by_file = stem.filter(|_| export.is_named_by_its_file());
    let name = match (&arguments.name, by_file) {
        (Some(name), Some(stem)) if *name != stem => {
            note(&format!(
                "{export} knows a model by the name of its file: {stem} instead of {name} - name the file {name}.jsonl"
            ));
            name.clone()
        }
        (Some(name), _) => name.clone(),
        (None, Some(stem)) => stem,
        (None, None) => name_of(&arguments.model.model),
    };
    if name.trim().is_empty() {
        return Err(Failure::new(
            BAD_CONFIG,
            "--name: is empty - allowed: the model's name in the tool's tables",
        ));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Author {
        name,
        seconds: now.map_or(0.0, |now| now.as_secs_f64()),
    })
}
