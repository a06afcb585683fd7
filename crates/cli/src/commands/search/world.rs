//! `concord search world`: the made-up world as files, for other programs and to train on.

use std::fs;
use std::io::Write;
use std::path::Path;

use configs::{Job, RunConfig};
use search::world::export::{self, ExportError, ExportSettings};
use search::world::questions::{MADE_UP, QuestionSettings, Questions, WorldQuestion};
use search::world::traces::TraceSettings;
use search::world::{World as MadeUp, WorldSettings};
use serde_json::{Value, json};

use crate::arguments::{Settings, World};
use crate::failure::Failure;
use crate::output::Table;
use crate::settings;

/// Runs the command.
pub(super) fn write_out(arguments: &World) -> Result<(), Failure> {
    let wanted = Settings {
        target: arguments.target.clone(),
        sets: arguments.sets.clone(),
        device: None,
        threads: None,
        seed: None,
    };
    if arguments.rows > 0 && !(0.0..1.0).contains(&arguments.mistakes) {
        return Err(Failure::arguments(format!(
            "--mistakes {}: allowed are shares from 0 to below 1, such as 0.25",
            arguments.mistakes
        )));
    }
    let loaded = settings::load_or_fail(&wanted, Some(Job::Search))?;
    let RunConfig::Search(config) = &loaded.config else {
        return Err(Failure::arguments("this is no configuration of a search"));
    };
    let bad = |error: search::world::WorldError| Failure::arguments(error.to_string());
    let world = MadeUp::new(WorldSettings::of(&config.world)).map_err(bad)?;
    let asked = QuestionSettings::of(&config.world);
    let mut made = Questions::new(&world, &asked, config.world.seed).map_err(bad)?;
    let count = config.questions.count.unwrap_or(MADE_UP);
    let questions: Vec<WorldQuestion> = std::iter::from_fn(|| made.make())
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .collect();
    let documents = world.documents.iter();
    let documents: Vec<Value> = documents
        .map(|document| json!({"title": document.title, "text": document.text}))
        .collect();
    let questions: Vec<Value> = questions
        .iter()
        .map(|question| asked_line(&world, question))
        .collect();
    let folder = &arguments.export;
    make(folder)?;
    let mut table = Table::new(&["file", "lines", "what"]);
    for (name, lines, what) in [
        ("documents.jsonl", &documents, "what can be searched"),
        (
            "questions.jsonl",
            &questions,
            "with answers and what they cost",
        ),
    ] {
        write(&folder.join(name), lines)?;
        table.row(vec![
            json!(folder.join(name)),
            json!(lines.len()),
            json!(what),
        ]);
    }
    if arguments.rows > 0 {
        let (seed, entities) = (config.world.seed, config.world.entities);
        train(arguments, seed, entities, &mut table)?;
    }
    table.print(arguments.format.format)
}

/// What a searcher is trained from: other worlds than the exported one, and held-out prompts.
fn train(arguments: &World, seed: u64, entities: usize, table: &mut Table) -> Result<(), Failure> {
    let usual = ExportSettings::default();
    let settings = ExportSettings {
        rows: arguments.rows,
        held_out_rows: usual.held_out_rows.min(arguments.rows),
        entities,
        seed,
        traces: TraceSettings {
            mistakes: arguments.mistakes,
            ..usual.traces
        },
        ..usual
    };
    let folder = &arguments.export;
    export::export(folder, &settings).map_err(|error| match error {
        ExportError::Write(_) => Failure::environment(error.to_string()),
        _ => Failure::arguments(error.to_string()),
    })?;
    let mut row = |name: &str, lines: Value, what: &str| {
        table.row(vec![json!(folder.join(name)), lines, json!(what)]);
    };
    row("start", Value::Null, "a model without weights");
    row("train.jsonl", json!(settings.rows), "demonstrations");
    row(
        "held-out.jsonl",
        json!(settings.held_out_rows),
        "prompts with right replies",
    );
    Ok(())
}

fn asked_line(world: &MadeUp, question: &WorldQuestion) -> Value {
    json!({
        "id": question.id,
        "question": question.text,
        "answers": question.answers,
        "form": question.form.name(),
        "hops": question.hops.len(),
        "fewest_calls": question.fewest_calls(world),
        "answerable": question.answerable,
        "held_out_composition": question.held_out_composition,
    })
}

/// Makes the folder, which must not be there.
fn make(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::arguments(format!(
            "--export {}: it exists - name a new folder",
            folder.display()
        )));
    }
    fs::create_dir_all(folder)
        .map_err(|error| Failure::environment(format!("cannot make {}: {error}", folder.display())))
}

fn write(path: &Path, lines: &[Value]) -> Result<(), Failure> {
    let failed = |error| Failure::environment(format!("cannot write {}: {error}", path.display()));
    let file = fs::File::create(path).map_err(failed)?;
    let mut file = std::io::BufWriter::new(file);
    for line in lines {
        writeln!(file, "{line}").map_err(failed)?;
    }
    file.flush().map_err(failed)
}
