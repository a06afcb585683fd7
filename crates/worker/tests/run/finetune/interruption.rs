//! Runs that are killed, stopped, paused and resumed end as if nothing had been.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tracking::{ControlClient, ControlCommand, EventKind, RunState};

use super::{Place, finished, tree};
use crate::folder::{TestRun, outcome};
use crate::interruption::signal;

/// An evaluation in the middle of the training, too.
const OFTEN: &[&str] = &["evaluation.every_updates=2"];
const LORA: &[&str] = &["adapter.kind=lora", "adapter.rank=4", "adapter.dropout=0.1"];
const CARRIED: &[&str] = &["optimiser.carry_state=true", "iterations.keep_models=false"];

/// What a run makes, in the order in which it does.
fn made(run: &TestRun, iterations: usize) -> Vec<String> {
    let folder = run.folder.path();
    let state = |step: u64| -> serde_json::Value {
        let path = folder.join(format!("ckpt/step-{step}/state.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let mut steps: Vec<u64> = run
        .folder
        .checkpoints()
        .iter()
        .map(|(step, _)| *step)
        .collect();
    steps.sort_unstable();
    let evaluation = |step: u64| format!("evaluations/update-{step}.jsonl");
    let wins = |step: u64| format!("evaluations/wins-{step}.jsonl");
    let mut names = vec![evaluation(0), wins(0)];
    for iteration in 1..=iterations {
        for stage in ["responses", "judgements", "pairs", "reference"] {
            names.push(format!("iterations/{iteration}/{stage}.jsonl"));
        }
        let of_iteration = steps
            .iter()
            .filter(|step| state(**step)["iteration"] == iteration);
        let mut last = 0;
        for step in of_iteration {
            names.push(format!("ckpt/step-{step}"));
            last = *step;
            if folder.join(evaluation(last)).exists() {
                names.extend([evaluation(last), wins(last)]);
            }
        }
        // The one after the iteration comes after its model.
        let wins_after = names.pop_if(|name| *name == wins(last));
        let after = names.pop_if(|name| *name == evaluation(last));
        names.push(format!("iterations/{iteration}/counters.json"));
        names.push(format!("iterations/{iteration}/model"));
        names.extend(after.into_iter().chain(wins_after));
    }
    names.push("model".to_owned());
    names.retain(|name| folder.join(name).exists());
    names
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for name in tree(from) {
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

/// The folder as a kill leaves it that came when `next` was being made and all of `made` was there.
fn killed(straight: &TestRun, made: &[String], next: &str) -> TestRun {
    let from = straight.folder.path();
    let config = fs::read_to_string(straight.folder.config()).unwrap();
    let run = TestRun::of(config);
    let to = run.folder.path();
    copy(
        &from.join("iterations/inputs.json"),
        &to.join("iterations/inputs.json"),
    );
    for name in made {
        copy(&from.join(name), &to.join(name));
    }
    let grows = ["responses", "judgements", "/wins-"];
    if grows.iter().any(|stage| next.contains(stage)) {
        let whole = fs::read_to_string(from.join(next)).unwrap();
        let mut lines: Vec<&str> = whole.lines().take(4).collect();
        let half = lines.pop().unwrap();
        if next.ends_with("responses.jsonl") {
            // Prompts are done in any order.
            lines.reverse();
        }
        let text = format!("{}\n{}", lines.join("\n"), &half[..half.len() / 2]);
        fs::create_dir_all(to.join(next).parent().unwrap()).unwrap();
        fs::write(to.join(format!("{next}.part")), text).unwrap();
    } else if let Some(step) = next.strip_prefix("ckpt/") {
        let unfinished = to.join(format!("ckpt/.tmp-{step}"));
        fs::create_dir_all(&unfinished).unwrap();
        fs::write(unfinished.join("training.safetensors"), "half").unwrap();
    } else if let Some(before) = next.strip_suffix("model") {
        let unfinished = to.join(before).join(".model.unfinished-1");
        fs::create_dir_all(&unfinished).unwrap();
        fs::write(unfinished.join("model.safetensors"), "half").unwrap();
    }
    run
}

/// Every file that the stages made, the clock of checkpoints aside.
fn contents(run: &TestRun) -> Vec<(String, Vec<u8>)> {
    let folder = run.folder.path();
    let of_stages = ["iterations", "evaluations", "ckpt", "model"];
    let names = of_stages.iter().flat_map(|name| {
        let inside = tree(&folder.join(name));
        inside
            .into_iter()
            .map(move |inner| format!("{name}/{inner}"))
    });
    names
        .filter(|name| name != "iterations/inputs.json")
        .map(|name| {
            let bytes = fs::read(folder.join(&name)).unwrap();
            if !name.ends_with("state.json") && !name.ends_with("counters.json") {
                return (name, bytes);
            }
            let mut state: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let counters = match name.ends_with("state.json") {
                true => &mut state["counters"],
                false => &mut state,
            };
            counters["seconds"] = 0.0.into();
            (name, serde_json::to_vec(&state).unwrap())
        })
        .collect()
}

fn equal(left: &TestRun, right: &TestRun, when: &str) {
    let (left, right) = (contents(left), contents(right));
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&left), names(&right), "{when}");
    for ((name, left), (_, right)) in left.iter().zip(&right) {
        assert!(left == right, "{name} differs: {when}");
    }
}

fn written(path: PathBuf) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// Resumes after a kill at every `stride`-th thing that is made, from the `first` on.
fn killed_anywhere_ends_alike(sets: &[&str], first: usize, stride: usize) {
    let place = Place::new();
    let straight = finished(place.run(&[OFTEN, sets].concat()));
    let all = made(&straight, 2);
    for at in (first..all.len()).step_by(stride) {
        let when = format!("killed when {} was made", all[at]);
        // A model that is no longer wanted goes when the next one is there.
        let run = killed(&straight, &all[..at], &all[at]);
        let answers = run.folder.path().join("iterations/1/responses.jsonl");
        let before = answers.exists().then(|| written(answers.clone()));
        assert_eq!(outcome(&run.resume()), (0, String::new()), "{when}");
        equal(&straight, &run, &when);
        if let Some(before) = before {
            assert_eq!(before, written(answers), "generated a second time, {when}");
        }
        let losses = |run: &TestRun| run.curve("finetune/loss");
        let (wanted, found) = (losses(&straight), losses(&run));
        assert!(wanted.ends_with(&found), "{when}: {found:?}");
    }
}

#[test]
fn a_run_killed_in_any_stage_ends_bit_for_bit_as_if_it_had_not_been() {
    killed_anywhere_ends_alike(&[], 0, 2);
}

#[test]
fn so_it_does_killed_at_the_other_half_of_the_stages() {
    killed_anywhere_ends_alike(&[], 1, 2);
}

#[test]
fn so_does_a_run_that_trains_an_adapter() {
    killed_anywhere_ends_alike(LORA, 2, 4);
}

#[test]
fn so_does_a_run_that_carries_its_optimiser_from_iteration_to_iteration() {
    killed_anywhere_ends_alike(&["optimiser.carry_state=true"], 3, 4);
}

#[test]
fn so_does_one_that_ends_early() {
    let place = Place::new();
    let straight = finished(place.run(&["max_updates=2", "iterations.count=1"]));
    let all = made(&straight, 1);
    let model = all
        .iter()
        .position(|name| name == "iterations/1/model")
        .unwrap();
    let run = killed(&straight, &all[..model], &all[model]);
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    equal(&straight, &run, "killed before the model was kept");
}

/// The result is written last, so that whatever else is missing still comes from the checkpoint.
#[test]
fn a_run_on_rows_of_the_data_killed_before_its_last_evaluation_ends_alike() {
    let place = Place::new();
    let lesson = |number: usize| {
        json!({"messages": [
            {"role": "user", "content": format!("say {number}")},
            {"role": "assistant", "content": "hello again"},
        ]})
    };
    place.write("lessons.jsonl", (0..8).map(lesson));
    let sets = ["algorithm.kind=sft", "optimiser.learning_rate=0.01"];
    let straight = finished(place.run_of("lessons.jsonl", &sets));
    let all = made(&straight, 1);
    let last = all
        .iter()
        .rposition(|name| name.starts_with("evaluations"))
        .unwrap();
    let path = |name: &str| straight.folder.path().join(name);
    assert!(last > 0 && written(path(&all[last])) <= written(path("model/model.safetensors")));
    let run = killed(&straight, &all[..last], &all[last]);
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    equal(&straight, &run, "killed before its last evaluation");
}

/// What the message about a damaged checkpoint offers, where it was the only one.
#[test]
fn without_checkpoints_a_run_goes_on_from_the_last_finished_iteration() {
    let place = Place::new();
    let straight = finished(place.run(&[]));
    let mut all = made(&straight, 2);
    let training = all
        .iter()
        .position(|name| name == "iterations/2/counters.json")
        .unwrap();
    all.truncate(training);
    all.retain(|name| !name.starts_with("ckpt"));
    let run = killed(&straight, &all, "nothing");
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    for step in straight.folder.checkpoints() {
        let first = made(&run, 2).contains(&format!("ckpt/step-{}", step.0));
        if !first {
            fs::remove_dir_all(step.1).unwrap();
        }
    }
    equal(&straight, &run, "without checkpoints");
}

/// The stage of this iteration that was begun and not done when the events end.
fn is_in(run: &TestRun, since: usize, stage: &str, iteration: u32) -> bool {
    let events = run.events();
    let mut stages = events[since.min(events.len())..]
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Stage(stage) => Some(stage),
            _ => None,
        });
    stages.next_back().is_some_and(|last| {
        last.name == stage && last.iteration == iteration && last.done > 0 && last.done < last.total
    })
}

fn started(run: &TestRun, resume: bool) -> Child {
    let mut command = run.command();
    if resume {
        command.arg("--resume");
    }
    let quiet = std::process::Stdio::null;
    command.stdout(quiet()).stderr(quiet()).spawn().unwrap()
}

/// Starts the run, meets it in a stage with `then`, and waits for its end.
fn meet(
    run: &TestRun,
    resume: bool,
    stage: &str,
    iteration: u32,
    then: impl FnOnce(&Child),
) -> std::process::ExitStatus {
    let since = run.events().len();
    let mut child = started(run, resume);
    run.wait_until(stage, |run| is_in(run, since, stage, iteration));
    then(&child);
    child.wait().unwrap()
}

/// Slower than the other runs, so that it can be met in a stage.
const LONG: &[&str] = &[
    "generation.max_new_tokens=24",
    "generation.batch_tokens=64",
    "optimiser.rows_per_update=1",
    "optimiser.rows_per_pass=1",
    "evaluation.prompts=10",
];

#[test]
fn a_worker_that_is_killed_and_resumed_again_and_again_ends_alike() {
    for sets in [&[][..], LORA, CARRIED] {
        let place = Place::new();
        let sets = [LONG, sets].concat();
        let straight = finished(place.run(&sets));
        let run = place.run(&sets);
        let stages = [
            ("evaluate", 1),
            ("generate", 1),
            ("train", 1),
            ("generate", 2),
            ("train", 2),
        ];
        let mut resume = false;
        for (stage, iteration) in stages {
            let status = meet(&run, resume, stage, iteration, |child| {
                signal(child, "-KILL");
            });
            assert_eq!(status.signal(), Some(9), "{stage} {iteration}");
            resume = true;
        }
        assert!(!run.folder.path().join("model").exists(), "killed too late");
        assert_eq!(outcome(&run.resume()), (0, String::new()));
        equal(&straight, &run, &format!("{sets:?}"));
    }
}

#[test]
fn a_run_that_is_told_to_stop_exits_5_and_goes_on_later() {
    let place = Place::new();
    let straight = finished(place.run(LONG));
    let run = place.run(LONG);
    let mut resume = false;
    for (stage, iteration) in [("evaluate", 1), ("generate", 1), ("train", 1), ("train", 2)] {
        let status = meet(&run, resume, stage, iteration, |child| {
            signal(child, "-TERM");
        });
        assert_eq!(status.code(), Some(5), "{stage} {iteration}");
        let status = run.folder.status().unwrap();
        assert_eq!(status.state, RunState::Interrupted);
        if stage == "train" {
            let (step, _) = run.folder.checkpoints().into_iter().max().unwrap();
            assert_eq!(step, status.progress.step, "an old checkpoint");
        }
        resume = true;
    }
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    equal(&straight, &run, "stopped");
}

#[test]
fn a_run_that_is_paused_goes_on_when_told() {
    let place = Place::new();
    let straight = finished(place.run(LONG));
    let run = place.run(LONG);
    let send = |command| ControlClient::send(&run.folder, command, Duration::from_secs(10));
    let status = meet(&run, false, "generate", 1, |_| {
        send(ControlCommand::Pause).unwrap();
        // Events are written by a thread of their own: what came before the pause may be on its way.
        run.wait_until("the pause among the events", |run| {
            run.events().iter().any(|event| {
                matches!(
                    event.kind,
                    EventKind::State {
                        state: RunState::Paused,
                        ..
                    }
                )
            })
        });
        let worked = |run: &TestRun| {
            let stages = |event: &tracking::Event| matches!(event.kind, EventKind::Stage(_));
            run.events().iter().filter(|event| stages(event)).count()
        };
        let before = worked(&run);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(worked(&run), before, "it works while it is paused");
        send(ControlCommand::Resume).unwrap();
    });
    assert_eq!(status.code(), Some(0));
    equal(&straight, &run, "paused");
}

/// Ended at the last update of an iteration: the stop is not forgotten in the next one.
#[test]
fn a_stop_in_the_last_update_is_a_stop() {
    let place = Place::new();
    let run = place.run(&[LONG, &["max_updates=1"]].concat());
    let mut child = started(&run, false);
    run.wait_until("the last stage before the training", |run| {
        run.folder
            .path()
            .join("iterations/1/reference.jsonl")
            .exists()
    });
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(!run.folder.path().join("model").exists());
    assert_eq!(outcome(&run.resume()), (0, String::new()));
}
