//! Which policies take part.

use std::path::Path;

use tracking::evaluation::Contender;
use tracking::{RunFolder, TrackingError};

use crate::commands::compare::find_all;
use crate::commands::eval::target;
use crate::failure::Failure;

/// Which checkpoints of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one with the best evaluation, or the newest where there is none.
    Best,
    /// The newest.
    Last,
    /// Every one by step.
    All,
    /// Every so many, the newest among them.
    Every(usize),
    /// One by its name.
    Named(String),
}

impl Which {
    /// Reads `best`, `last`, `all`, `every:N` or `step-N`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = || {
            Failure::arguments(format!(
                "checkpoints: {text} - allowed: best, last, all, every:N with N from 1, step-N - `concord show RUN` lists the steps"
            ))
        };
        let every = text.strip_prefix("every");
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            "all" => Ok(Self::All),
            _ if every.is_some() => {
                let number = every.unwrap_or("").trim_start_matches([':', '=', ' ', '-']);
                match number.parse() {
                    Ok(number @ 1..) => Ok(Self::Every(number)),
                    _ => Err(refuse()),
                }
            }
            _ if text.starts_with("step-") => Ok(Self::Named(text.to_owned())),
            _ => Err(refuse()),
        }
    }

    /// The names of a run's checkpoints.
    fn names(&self, run: &RunFolder) -> Result<Vec<String>, Failure> {
        let steps: Vec<String> = run
            .checkpoints()
            .iter()
            .filter(|(_, path)| path.join("policy.json").is_file())
            .map(|(step, _)| format!("step-{step}"))
            .collect();
        let has = |name: &str| {
            run.checkpoints_folder()
                .join(name)
                .join("policy.json")
                .is_file()
        };
        let found: Vec<String> = match self {
            Self::Best if has("best") => vec!["best".to_owned()],
            Self::Best | Self::Last => steps.last().cloned().into_iter().collect(),
            Self::All => steps,
            Self::Every(number) => {
                let mut kept: Vec<String> = steps.into_iter().rev().step_by(*number).collect();
                kept.reverse();
                kept
            }
            Self::Named(name) if has(name) => vec![name.clone()],
            Self::Named(_) => Vec::new(),
        };
        if found.is_empty() {
            let what = match self {
                Self::Named(name) => format!("no checkpoint {name}"),
                _ => "no checkpoint yet".to_owned(),
            };
            return Err(Failure::arguments(format!(
                "{}: {what} - `concord show {}` lists them",
                run.path().display(),
                run.id()
            )));
        }
        Ok(found)
    }
}

/// Policies, and what the user should know about how they were found.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// The policies, each once.
    pub(crate) contenders: Vec<Contender>,
    /// Names that meant the same policy, runs without one.
    pub(crate) notes: Vec<String>,
}

/// The policies that names mean, each once. `which` applies to runs; a name of a
/// checkpoint's folder means that one.
pub(crate) fn contenders(
    root: &Path,
    names: &[String],
    which: Option<&Which>,
) -> Result<Selected, Failure> {
    let mut found: Vec<Contender> = Vec::new();
    let mut notes = Vec::new();
    for name in names {
        for contender in of_name(root, name, which.unwrap_or(&Which::Best), &mut notes)? {
            match found
                .iter()
                .find(|known| known.fingerprint == contender.fingerprint)
            {
                Some(known) if known.name() == contender.name() => {
                    notes.push(format!("{} is named twice; it plays once", known.name()));
                }
                Some(known) => notes.push(format!(
                    "{} is the same policy as {}; it plays once",
                    contender.name(),
                    known.name()
                )),
                None => found.push(contender),
            }
        }
    }
    Ok(Selected {
        contenders: found,
        notes,
    })
}

fn of_name(
    root: &Path,
    name: &str,
    which: &Which,
    notes: &mut Vec<String>,
) -> Result<Vec<Contender>, Failure> {
    let is_checkpoint = Path::new(name).join("policy.json").is_file();
    let runs = if is_checkpoint {
        let (run, checkpoint) = target(root, name, None)?;
        return Ok(vec![read(&run, &checkpoint)?]);
    } else {
        match find_all(root, name) {
            Ok(runs) => runs,
            // A preset's name may be no part of an id, or of the id of a run without policy.
            Err(failure) => match target(root, name, None) {
                Ok((run, _)) => vec![run],
                Err(_) => return Err(failure),
            },
        }
    };
    let mut all = Vec::new();
    let several = runs.len() > 1;
    for run in runs {
        match which.names(&run) {
            Ok(names) => {
                for checkpoint in names {
                    all.push(read(&run, &checkpoint)?);
                }
            }
            Err(failure) if several => notes.push(format!("left out: {}", failure.message)),
            Err(failure) => return Err(failure),
        }
    }
    if all.is_empty() {
        return Err(Failure::arguments(format!(
            "{name}: none of its runs has a checkpoint - train one first"
        )));
    }
    Ok(all)
}

fn read(run: &RunFolder, checkpoint: &str) -> Result<Contender, Failure> {
    Contender::of_run(run, checkpoint).map_err(|error| match error {
        // Not the disk's fault but the name's.
        TrackingError::Io { .. } | TrackingError::Malformed { .. } => {
            Failure::arguments(error.to_string())
        }
        other => other.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_chosen_by_words() {
        assert_eq!(Which::parse("every:3"), Ok(Which::Every(3)));
        assert_eq!(Which::parse("every 3"), Ok(Which::Every(3)));
        assert_eq!(
            Which::parse("step-7"),
            Ok(Which::Named("step-7".to_owned()))
        );
        for wrong in ["every:0", "every", "first", "7", ""] {
            let failure = Which::parse(wrong).expect_err(wrong);
            assert!(failure.message.contains("every:N"), "{}", failure.message);
        }
    }

    #[test]
    fn the_newest_is_always_among_every_nth() {
        let root = tempfile::tempdir().expect("a folder");
        let run = RunFolder::create(root.path(), &tracking::NewRun::default()).expect("a run");
        for step in [100, 200, 300, 400, 1000] {
            let folder = run.checkpoint(step);
            std::fs::create_dir_all(&folder).expect("a checkpoint");
            std::fs::write(folder.join("policy.json"), "{}").expect("a policy");
        }
        let names = |which: Which| which.names(&run).expect("checkpoints");
        assert_eq!(
            names(Which::Every(2)),
            ["step-100", "step-300", "step-1000"]
        );
        assert_eq!(names(Which::Every(9)), ["step-1000"]);
        assert_eq!(names(Which::Best), ["step-1000"]);
        assert_eq!(names(Which::All).len(), 5);
        assert!(Which::Named("step-5".to_owned()).names(&run).is_err());
    }
}
