//! `concord search PRESET|FILE`: runs, one for each value of a sweep and each seed.

use configs::{Job, Loaded};
use search::datasets::{self, DataQuestion};
use serde_json::json;
use tracking::RunFolder;

use crate::arguments::{Format, Global, SearchRun, Settings};
use crate::commands::launching::{self, Launch, Variant};
use crate::commands::train::dry_run;
use crate::failure::Failure;
use crate::output::print;
use crate::settings::{self, missing_file};

use super::growing::Growing;

/// Runs the command.
pub(super) fn run(global: &Global, arguments: &SearchRun) -> Result<(), Failure> {
    let train = &arguments.train;
    let variants = variants(arguments)?;
    let asked = asked(arguments, &variants[0].loaded)?;
    let configs = variants.iter().map(|variant| &variant.loaded.config);
    // A queued run may wait for the one that makes its questions.
    let missing = configs.filter(|_| !train.queue).find_map(missing_file);
    if let Some(problem) = missing {
        let what = format!("`{}`", train.settings.target);
        return Err(Failure::problems(&what, &[problem]));
    }
    if train.dry_run {
        if variants.len() > 1 && train.format.format == Format::Table {
            print(&format!(
                "# The first of {} runs of the sweep:\n",
                variants.len()
            ))?;
        }
        return dry_run(global, train, &variants[0].loaded);
    }
    let launch = Launch {
        global,
        arguments: train,
        variants,
        prepare: &|run| keep(run, asked.as_deref()),
        watch: Some(&|run, label| Box::new(Growing::new(run, label))),
    };
    launch.run()
}

/// The settings that `--question` and `--question-file` stand for.
fn questions(arguments: &SearchRun, loaded: &Loaded) -> Result<Vec<String>, Failure> {
    if let Some(text) = &arguments.question {
        if text.trim().is_empty() {
            return Err(Failure::arguments(
                "--question is empty - ask something, or leave it out for the configured questions",
            ));
        }
        return Ok(vec![
            "questions.kind=text".to_owned(),
            format!("questions.text={}", toml_string(text)),
        ]);
    }
    match &arguments.question_file {
        Some(path) if reads_files(loaded) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let path = toml_string(&path.display().to_string());
            Ok(vec![format!("questions.path={path}")])
        }
        _ => Ok(Vec::new()),
    }
}

/// A text as a value of a setting, whatever it looks like.
fn toml_string(text: &str) -> String {
    // JSON's strings are TOML's too.
    serde_json::Value::from(text).to_string()
}

/// The text of `questions.jsonl` where a file of questions goes with documents that are configured.
fn asked(arguments: &SearchRun, loaded: &Loaded) -> Result<Option<String>, Failure> {
    let Some(path) = &arguments.question_file else {
        return Ok(None);
    };
    if reads_files(loaded) {
        return Ok(None);
    }
    // What is wrong is told of the user's file and before there is a run, not of its copy.
    let read = datasets::read(path, None, None)
        .map_err(|error| Failure::arguments(format!("--question-file: {error}")))?;
    if read.format == datasets::Format::Bamboogle {
        // Its tables are told by their ending, which the copy has not.
        return Ok(Some(read.questions.iter().map(line).collect()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::arguments(format!("--question-file {}: {error}", path.display()))
    })?;
    Ok(Some(text))
}

/// A question as a line of `questions.jsonl`.
fn line(question: &DataQuestion) -> String {
    let line = json!({"id": question.id, "question": question.text, "answers": question.answers});
    format!("{line}\n")
}

/// Whether questions come from a file, their documents with them.
fn reads_files(loaded: &Loaded) -> bool {
    let kind = loaded.config.values().remove("questions.kind");
    kind.is_some_and(|kind| kind.as_str() == Some("file"))
}

/// Writes the questions of the command into the run's folder.
fn keep(run: &RunFolder, asked: Option<&str>) -> Result<(), Failure> {
    let Some(text) = asked else { return Ok(()) };
    // The worker reads it line by line, and says what is wrong with which.
    Ok(tracking::write_atomic(&run.questions(), text.as_bytes())?)
}

/// The runs: every value of every sweep, with every seed.
fn variants(arguments: &SearchRun) -> Result<Vec<Variant>, Failure> {
    let train = &arguments.train;
    let mut cells: Vec<(Vec<String>, String)> = vec![(Vec::new(), launching::group(train))];
    for sweep in &arguments.sweep {
        let (path, values) = axis(sweep)?;
        let last = path.rsplit('.').next().unwrap_or(&path);
        let mut finer = Vec::new();
        for (sets, name) in &cells {
            for value in &values {
                let mut sets = sets.clone();
                sets.push(format!("{path}={value}"));
                finer.push((sets, format!("{name}-{last}-{value}")));
            }
        }
        cells = finer;
    }
    let mut all = Vec::new();
    for (sets, name) in cells {
        let mut wanted: Settings = train.settings.clone();
        wanted.sets.extend(sets);
        let mut loaded = settings::load_or_fail(&wanted, Some(Job::Search))?;
        let more = questions(arguments, &loaded)?;
        if !more.is_empty() {
            wanted.sets.extend(more);
            loaded = settings::load_or_fail(&wanted, Some(Job::Search))?;
        }
        all.extend(launching::seeds(train, &loaded, &name));
    }
    Ok(all)
}

/// A sweep as the path of a setting and its values; a bare name is a resource of the budget.
fn axis(sweep: &str) -> Result<(String, Vec<String>), Failure> {
    let wrong = |what: &str| {
        Failure::arguments(format!(
            "--sweep {sweep}: {what} - allowed: a resource or a setting with its values, such as tokens=500,1000 or method.kind=bavt,greedy"
        ))
    };
    let (name, values) = sweep.split_once('=').ok_or_else(|| wrong("no values"))?;
    let values: Vec<String> = values
        .split(',')
        .map(|value| value.trim().to_owned())
        .collect();
    if values.iter().any(String::is_empty) {
        return Err(wrong("a value is empty"));
    }
    for (place, value) in values.iter().enumerate() {
        if values[..place].contains(value) {
            return Err(wrong(&format!("{value} is there twice")));
        }
    }
    let path = match name.trim() {
        "" => return Err(wrong("no name")),
        name if name.contains('.') || name == "seed" => name.to_owned(),
        resource => format!("budget.{resource}"),
    };
    Ok((path, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_resource() {
        let values = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            axis("tokens=500, 1_000").unwrap(),
            ("budget.tokens".to_owned(), values(&["500", "1_000"]))
        );
        assert_eq!(
            axis("method.kind=bavt,greedy").unwrap(),
            ("method.kind".to_owned(), values(&["bavt", "greedy"]))
        );
    }

    #[test]
    fn mistakes_of_a_sweep_are_told() {
        for (sweep, what) in [
            ("tokens", "no values"),
            ("tokens=", "empty"),
            ("tokens=1,,2", "empty"),
            ("=1", "no name"),
            ("tokens=1,1", "1 is there twice"),
        ] {
            let message = axis(sweep).unwrap_err().message;
            assert!(message.contains(what), "{message}");
        }
    }
}
