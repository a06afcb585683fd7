//! `concord search world`: the made-up world as files, for other programs and to train on.

use std::fs;
use std::io::Write;
use std::path::Path;

use configs::{Job, RunConfig};
use search::world::World as MadeUp;
use search::world::WorldSettings;
use search::world::questions::{QuestionSettings, Questions, WorldQuestion};
use search::world::random::Draws;
use search::world::traces::{TraceSettings, trace};
use serde_json::{Value, json};

use crate::arguments::{Format, Settings, World};
use crate::failure::Failure;
use crate::output::{Table, print, print_json};
use crate::settings;

/// Questions that are made up where the configuration does not say how many.
const MADE_UP: u64 = 100;

/// Runs the command.
pub(super) fn export(arguments: &World) -> Result<(), Failure> {
    let wanted = Settings {
        target: arguments.target.clone(),
        sets: arguments.sets.clone(),
        device: None,
        threads: None,
        seed: None,
    };
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
    let mut draws = Draws::new(config.world.seed, "traces");
    let lessons: Vec<Value> = questions
        .iter()
        .flat_map(|question| trace(&world, question, &TraceSettings::default(), &mut draws))
        .map(|row| {
            json!({
                "messages": [
                    {"role": "user", "content": row.prompt},
                    {"role": "assistant", "content": row.reply},
                ],
                "lesson": row.lesson.name(),
                "question_id": row.question,
            })
        })
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
        ("questions.jsonl", &questions, "with answers and what they cost"),
        ("traces.jsonl", &lessons, "prompts and right replies, to train on"),
    ] {
        write(&folder.join(name), lines)?;
        table.row(vec![json!(folder.join(name)), json!(lines.len()), json!(what)]);
    }
    match arguments.format.format {
        Format::Json => print_json(&table.to_json()),
        Format::Csv => print(&table.to_csv()),
        Format::Table => print(&table.to_text()),
    }
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
    fs::create_dir_all(folder).map_err(|error| {
        Failure::environment(format!("cannot make {}: {error}", folder.display()))
    })
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
