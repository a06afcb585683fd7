//! `concord config`.

use configs::{Problem, RunConfig, presets};
use serde_json::{Value, json};

use crate::arguments::{Config, Format, Settings};
use crate::failure::{BAD_ARGUMENTS, Failure};
use crate::output::{Table, print, print_json, tell};
use crate::settings::{load, load_or_fail, missing_file};

/// Runs the command.
pub(crate) fn config(command: &Config) -> Result<(), Failure> {
    match command {
        Config::Presets(format) => list(format.format),
        Config::Show {
            settings,
            changed,
            format,
        } => show(settings, *changed, format.format),
        Config::Check { settings, format } => check(settings, format.format),
    }
}

fn list(format: Format) -> Result<(), Failure> {
    let mut table = Table::new(&["name", "command", "description"]).hide(&["command"]);
    for preset in presets::all() {
        table.row(vec![
            json!(preset.name),
            json!(preset.command()),
            json!(preset.description()),
        ]);
    }
    table.print(format)
}

fn show(settings: &Settings, changed: bool, format: Format) -> Result<(), Failure> {
    let loaded = load_or_fail(settings, None)?;
    let defaults = loaded.config.job().default_config().values();
    let mut table = Table::new(&["setting", "value", "origin"]);
    for (path, value) in loaded.config.values() {
        if changed && defaults.get(&path) == Some(&value) {
            continue;
        }
        let origin = loaded.origins.get(&path).to_string();
        table.row(vec![json!(path), json!(value), json!(origin)]);
    }
    match format {
        Format::Json => print_json(&json!({
            "version": configs::VERSION,
            "job": loaded.config.job().name(),
            "settings": table.to_json(),
        })),
        Format::Csv => print(&table.to_csv()),
        // A file that can be trained, with the origins as comments.
        Format::Table if !changed => print(&with_origins(&loaded.config, &loaded.origins)),
        Format::Table => print(&table.to_text()),
    }
}

/// The configuration as TOML; values that are no defaults carry their origin.
fn with_origins(config: &RunConfig, origins: &configs::Origins) -> String {
    let mut section = String::new();
    let mut text = String::new();
    for line in config.to_toml().lines() {
        text.push_str(line);
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = format!("{name}.");
        } else if let Some((key, _)) = line.split_once(" = ") {
            let origin = origins.get(&format!("{section}{key}"));
            if *origin != configs::Origin::Default {
                text.push_str(&format!("  # {origin}"));
            }
        }
        text.push('\n');
    }
    text
}

fn check(settings: &Settings, format: Format) -> Result<(), Failure> {
    let (problems, good): (Vec<Problem>, bool) = match load(settings, None) {
        Ok(loaded) => {
            let missing = missing_file(&loaded.config);
            let good = missing.is_none();
            let problems = loaded.warnings.into_iter().chain(missing);
            (problems.collect(), good)
        }
        Err(problems) => (problems, false),
    };
    match format {
        Format::Json => {
            print_json(&json!({"target": settings.target, "good": good, "problems": problems}))?;
        }
        Format::Csv => {
            let mut table =
                Table::new(&["severity", "path", "message", "value", "allowed", "hint"]);
            for problem in &problems {
                let text = |text: &str| {
                    if text.is_empty() {
                        Value::Null
                    } else {
                        json!(text)
                    }
                };
                table.row(vec![
                    json!(problem.severity),
                    text(&problem.path),
                    text(&problem.message),
                    text(&problem.value),
                    text(&problem.allowed),
                    text(&problem.hint),
                ]);
            }
            print(&table.to_csv())?;
        }
        Format::Table => {
            for problem in &problems {
                print(&problem.to_string())?;
            }
            if good {
                tell(&format!("{}: ready to run", settings.target));
            }
        }
    }
    if good {
        Ok(())
    } else {
        Err(Failure::silent(BAD_ARGUMENTS))
    }
}
