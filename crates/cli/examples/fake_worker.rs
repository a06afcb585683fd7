//! A worker for the tests of the command line: it keeps the contract of
//! `concord-worker` and trains nothing. `FAKE_WORKER` says how it behaves.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for tests"
)]

#[path = "fake/search.rs"]
mod fake_search;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracking::{
    Axis, ControlCommand, ControlServer, EvaluationPurpose, EventKind, LiveFrame, LiveStage,
    Progress, RunFolder, RunState, SinkOptions, Status, StatusWriter, Tracker, TrackerThread,
};

/// Nobody waits longer for a test.
const LONGEST: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    match arguments.first().map(String::as_str) {
        Some("run") => {
            if std::env::var("FAKE_WORKER").is_ok_and(|behaviour| behaviour == "slow") {
                // As if it loaded a large library: no handler, no socket yet.
                std::thread::sleep(Duration::from_secs(1));
            }
            let folder = PathBuf::from(after("--run-dir").expect("concord names the run folder"));
            run(
                &RunFolder::open(&folder).expect("concord made the run folder"),
                arguments.contains(&"--resume".to_owned()),
            )
        }
        Some("chat")
            if std::env::var("FAKE_WORKER").is_ok_and(|behaviour| behaviour == "parrot") =>
        {
            talk();
            ExitCode::SUCCESS
        }
        Some("generate") => {
            let word = |name: &str| {
                let given = arguments.iter().find_map(|word| word.strip_prefix(name));
                given.unwrap_or("none").to_owned()
            };
            let text = format!("{}/{}", word("--prompt="), word("--temperature="));
            println!(
                "{}",
                serde_json::json!({"event": "answer", "prompt": 0, "sample": 0, "ids": [5, 6],
                "finish": "stop_id", "prompt_tokens": 3, "prompt_text": "p", "text": text})
            );
            println!(
                "{}",
                serde_json::json!({"event": "done", "sequences": 1, "finished": 1, "tokens": 2})
            );
            ExitCode::SUCCESS
        }
        Some("create") => {
            let words: Vec<&String> = arguments.iter().skip(1).collect();
            if arguments.contains(&"--config=none".to_owned()) {
                eprintln!("error: none - allowed: a config.json");
                return ExitCode::from(2);
            }
            println!(
                "{}",
                json!({"family": "llama", "parameters": 75, "dtype": "bf16", "words": words})
            );
            ExitCode::SUCCESS
        }
        Some("assess") => {
            // The words come back, so that a test sees what was asked.
            println!(
                "{}",
                json!({"event": "progress", "stage": "problems", "finished": 1, "of": 2, "seconds": 1.0})
            );
            let rate = json!({"estimate": 0.5, "low": 0.1, "high": 0.9});
            println!(
                "{}",
                json!({"event": "done", "task": "problems", "words": arguments, "finished": 1, "of": 2,
                "interrupted": true, "samples": 1, "output": null,
                "sampling": {"greedy": true, "max_new_tokens": 1024},
                "summaries": [{"thinking": null, "problems": 1, "samples": 1, "accuracy": rate,
                "pass_at": [{"k": 1, "rate": rate}], "answer_tokens": 7.0}]})
            );
            ExitCode::from(5)
        }
        Some("eval") => {
            let checkpoint = after("--checkpoint").expect("concord names the checkpoint");
            if let Some(partner) = after("--with") {
                println!(
                    "{{\"policies\":[{{\"checkpoint\":\"ckpt/{checkpoint}\",\"step\":10,\"algorithm\":\"iql\"}},{{\"checkpoint\":{partner:?},\"step\":10,\"algorithm\":\"qmix\"}}],\"environment\":\"Foraging\",\"teams\":[{{\"seats\":[0,1],\"returns\":[0.5,0.5],\"lengths\":[5,5]}}]}}"
                );
                return ExitCode::SUCCESS;
            }
            println!(
                "{{\"checkpoint\":\"ckpt/{checkpoint}\",\"step\":10,\"environment\":\"Foraging\",\"returns\":[0.0,1.0,1.0,1.0],\"lengths\":[5,5,5,9],\"gif\":null}}"
            );
            ExitCode::SUCCESS
        }
        Some("export") => {
            let out = after("--out").expect("concord names the folder");
            println!(
                "{{\"checkpoint\":\"ckpt/best\",\"files\":[{:?}]}}",
                format!("{out}/policy.json")
            );
            ExitCode::SUCCESS
        }
        Some("probe") => {
            println!(
                "{{\"libtorch_version\":\"2.11.0\",\"libtorch_folder\":\"/x\",\"threads\":2,\"cuda_backend\":{{\"state\":\"no_driver\"}},\"cuda_devices\":0,\"cudnn\":false}}"
            );
            ExitCode::SUCCESS
        }
        Some("chat") => chat(&after("--model").expect("concord names the model")),
        other => {
            eprintln!("unknown command {other:?}");
            ExitCode::from(2)
        }
    }
}

/// Answers every word with itself. `FAKE_WORKER=mute` never loads, `dies` ends at the first words,
/// `deaf` writes on and on and hears nothing.
fn chat(model: &str) -> ExitCode {
    let behaviour = std::env::var("FAKE_WORKER").unwrap_or_default();
    if behaviour == "mute" {
        std::thread::sleep(LONGEST);
    }
    println!(
        "{}",
        json!({"event": "ready", "model": model, "family": "llama", "parameters": 1_000,
               "context": 64, "template": true, "device": "cpu", "dtype": "f32", "settings": {}})
    );
    let mut said: Vec<String> = Vec::new();
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        let order: Value = serde_json::from_str(&line).expect("concord writes JSON");
        if let Some(text) = order["say"].as_str() {
            if behaviour == "dies" {
                eprintln!("error: out of memory - choose a smaller model");
                return ExitCode::from(3);
            }
            said.push(text.to_owned());
        } else if order["retry"] != true {
            if order["quit"] == true {
                break;
            }
            continue;
        }
        let words: Vec<&str> = said.last().map_or("", String::as_str).split(' ').collect();
        let endless = behaviour == "deaf";
        for (index, word) in words.iter().cycle().enumerate() {
            if index >= words.len() && !endless {
                break;
            }
            let text = format!(" {}", word.to_uppercase());
            let token = json!({"event": "token", "text": text, "id": index, "log_probability": -0.25,
                "alternatives": [{"id": index, "text": text, "log_probability": -0.25},
                                 {"id": 900, "text": " else", "log_probability": -1.75}]});
            println!("{token}");
            if endless {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let text: String = words
            .iter()
            .map(|word| format!(" {}", word.to_uppercase()))
            .collect();
        println!(
            "{}",
            json!({"event": "done", "finish": "stop_id", "text": text, "tokens": words.len(),
                   "prompt_tokens": 9, "cached_tokens": 4, "seconds": 0.1, "tokens_per_second": 50.0})
        );
    }
    ExitCode::SUCCESS
}

struct Writing {
    writer: StatusWriter,
    status: Status,
    tracker: Tracker,
}

impl Writing {
    fn state(&mut self, state: RunState, code: Option<i32>, message: &str) {
        self.status.state = state;
        self.status.exit_code = code;
        self.status.message = message.to_owned();
        self.writer
            .write(&self.status, true)
            .expect("a writable status");
        let progress = self.status.progress;
        let message = message.to_owned();
        self.tracker.event(match code {
            Some(exit_code) => EventKind::Finished {
                outcome: state,
                exit_code,
                progress,
                message,
            },
            None => EventKind::State {
                state,
                progress,
                message,
            },
        });
    }
}

fn run(run: &RunFolder, resumed: bool) -> ExitCode {
    let _lock = run
        .lock_within(Duration::from_secs(5))
        .expect("nobody else writes this run");
    let behaviour = std::env::var("FAKE_WORKER").unwrap_or_default();
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signals");
    let options = SinkOptions {
        tensorboard: false,
        ..SinkOptions::default()
    };
    let (tracker, thread) = TrackerThread::start(run, options).expect("a writable log");
    let stage = LiveStage::new(2);
    let server = (behaviour != "deaf")
        .then(|| ControlServer::start_on_stage(run, stage.clone()).expect("a socket"));
    let status = Status {
        total_steps: 100,
        steps_per_second: Some(10.0),
        ..Status::default()
    };
    let mut writing = Writing {
        writer: StatusWriter::new(run),
        status,
        tracker,
    };
    println!("fake worker: resumed {resumed}");
    if behaviour == "leave" {
        eprintln!("no such symbol: at_rest");
        std::process::exit(9);
    }
    if let Some(questions) = fake_search::search(run) {
        writing.status.total_steps = questions;
        writing.status.progress.step = questions;
        writing.state(RunState::Finished, Some(0), "");
        drop(writing);
        thread.close();
        return ExitCode::SUCCESS;
    }
    writing.status.progress = Progress {
        step: 10,
        updates: 2,
        ..Progress::default()
    };
    writing.state(RunState::Running, None, "");
    writing
        .tracker
        .scalar("train/return", 0.5, Axis::EnvSteps, 10);
    writing.tracker.event(EventKind::Evaluation {
        purpose: EvaluationPurpose::Interval,
        progress: writing.status.progress,
        returns: vec![0.0, 1.0, 1.0, 1.0],
        lengths: vec![5, 5, 5, 9],
        extra: std::collections::BTreeMap::new(),
        checkpoint: String::new(),
    });
    let (state, code, message) = match behaviour.as_str() {
        "wait" | "deaf" | "slow" => wait(
            &mut signals,
            server.as_ref().map(|(commands, _)| commands),
            &stage,
            run,
            &mut writing,
        ),
        "stubborn" => stubborn(&mut signals),
        "diverge" => (RunState::Failed, 4, "the loss is NaN at update 310"),
        "die" => {
            for line in 0..30 {
                eprintln!("last words {line}");
            }
            std::process::abort();
        }
        _ => {
            writing.status.progress.step = 100;
            std::fs::create_dir_all(run.checkpoint(100)).expect("a checkpoint");
            (RunState::Finished, 0, "")
        }
    };
    writing.state(state, Some(i32::from(code)), message);
    drop(writing);
    thread.close();
    ExitCode::from(code)
}

type Ending = (RunState, u8, &'static str);

fn wait(
    signals: &mut Signals,
    commands: Option<&crossbeam::channel::Receiver<ControlCommand>>,
    stage: &LiveStage,
    run: &RunFolder,
    writing: &mut Writing,
) -> Ending {
    let start = Instant::now();
    let mut stop = false;
    while start.elapsed() < LONGEST {
        play(stage);
        let command =
            commands.and_then(|commands| commands.recv_timeout(Duration::from_millis(5)).ok());
        match command {
            Some(ControlCommand::Stop) => stop = true,
            Some(ControlCommand::Pause) => writing.state(RunState::Paused, None, ""),
            Some(ControlCommand::Resume) => writing.state(RunState::Running, None, ""),
            Some(ControlCommand::CheckpointNow) => {
                let _ = std::fs::remove_dir_all(run.checkpoint(10));
                std::fs::create_dir_all(run.checkpoint(10)).expect("a checkpoint");
            }
            Some(ControlCommand::Ping) | None => {}
        }
        if stop || signals.pending().next().is_some() {
            std::fs::create_dir_all(run.checkpoint(10)).expect("a checkpoint");
            return (RunState::Interrupted, 5, "");
        }
    }
    (RunState::Failed, 1, "nobody stopped the test's worker")
}

/// An episode of two steps for everybody who waits for one.
fn play(stage: &LiveStage) {
    for watcher in stage.waiting(0..2) {
        for step in 0..3 {
            watcher.show(LiveFrame {
                environment: watcher.environment(),
                step,
                scene: serde_json::json!({
                    "title": "Foraging", "rows": 1, "cols": 3, "step": step, "step_limit": 2,
                    "note": "", "marks": [
                        {"row": 0, "col": step, "kind": "agent", "label": "A", "level": 1},
                    ],
                }),
                central: (step < 2).then_some(step == 1),
                budget_left: Some(0.5),
                episode_return: step as f64 / 2.0,
                reward: 0.5,
                actions: vec![4],
                over: step == 2,
            });
        }
    }
}

/// In the middle of a long step: only the second signal is heard.
fn stubborn(signals: &mut Signals) -> Ending {
    let start = Instant::now();
    let mut heard = 0;
    while start.elapsed() < LONGEST {
        heard += signals.pending().count();
        if heard >= 2 {
            return (RunState::Interrupted, 130, "told twice to leave");
        }
        std::thread::yield_now();
    }
    (RunState::Failed, 1, "nobody stopped the test's worker")
}

/// `parrot`: a model that thinks and says everything back, as the protocol of `concord-worker chat` has it; `die` kills it.
fn talk() {
    println!(
        "{}",
        json!({"event": "ready", "family": "parrot", "template": true, "context": 9,
        "parameters": 1, "dtype": "f32", "device": "cpu", "settings": {"temperature": 1.0}})
    );
    for line in std::io::stdin().lines() {
        let command: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        if let Some(text) = command["say"].as_str() {
            if text == "die" {
                println!("{}", json!({"event": "token", "text": "I d"}));
                std::process::abort();
            }
            if text == "refuse" {
                println!(
                    "{}",
                    json!({"event": "error", "message": "the template says no"})
                );
                continue;
            }
            println!("{}", json!({"event": "begin", "thinking": false}));
            for part in ["<think>hm</th", "ink>", text] {
                println!("{}", json!({"event": "token", "text": part}));
            }
            println!(
                "{}",
                json!({"event": "done", "finish": "stop_id", "text": format!("<think>hm</think>{text}")})
            );
        } else if !command["settings"].is_null() {
            println!(
                "{}",
                json!({"event": "note", "message": "taken", "settings": command["settings"]})
            );
        } else if command["quit"] == true {
            return;
        }
    }
}
