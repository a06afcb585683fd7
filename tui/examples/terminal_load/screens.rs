//! Frames of the screens of models and of the chat.

use std::path::PathBuf;
use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use serde_json::json;
use tracking::unix_seconds;
use tui::host;
use tui::model::Model;
use tui::screens::chat;
use tui::screens::models::requests as models;
use tui::theme::Surroundings;
use tui::{Msg, update};

use crate::{Outcome, timed};

fn opened(command: &str) -> Model {
    let mut model = Model::new("runs", Surroundings::default(), unix_seconds());
    update(&mut model, Msg::Resized(200, 60));
    update(&mut model, Msg::Runs(Vec::new()));
    key(&mut model, KeyCode::Char(':'));
    typed(&mut model, command);
    model
}

fn key(model: &mut Model, code: KeyCode) {
    update(model, Msg::Key(KeyEvent::from(code)));
}

/// Types a line.
fn typed(model: &mut Model, text: &str) {
    for letter in text.chars() {
        key(model, KeyCode::Char(letter));
    }
    key(model, KeyCode::Enter);
}

fn hear(model: &mut Model, event: &serde_json::Value) -> Result<(), serde_json::Error> {
    let event = serde_json::from_value(event.clone())?;
    let heard = chat::requests::Answer::Heard(model.chat.id, event);
    update(model, Msg::Answer(host::Answer::Chat(heard)));
    Ok(())
}

fn token(number: usize) -> serde_json::Value {
    let alternative = |other: usize| {
        json!({"id": number + other, "text": format!(" word {other}"),
               "log_probability": -0.5 - other as f64})
    };
    let text = if number % 80 == 79 { "\n" } else { " word" };
    json!({"event": "token", "text": text, "id": number,
           "log_probability": -((number % 13) as f64) / 2.0,
           "alternatives": (0..5).map(alternative).collect::<Vec<_>>()})
}

/// An answer that grows from frame to frame, then its tokens one after the other.
pub fn chat(tokens: usize) -> Outcome {
    let mut model = opened("chat owner/tiny");
    hear(
        &mut model,
        &json!({"event": "ready", "model": "owner/tiny", "family": "llama", "parameters": 1,
                "context": 2 * tokens, "template": true, "device": "cpu", "dtype": "f32"}),
    )?;
    typed(&mut model, "Go on");
    let started = Instant::now();
    for number in 0..tokens {
        hear(&mut model, &token(number))?;
    }
    let taken = started.elapsed().as_secs_f64() * 1e6 / tokens.max(1) as f64;
    let mut refused = Ok(());
    let writing = timed(&mut model, |model, frame| {
        let heard = hear(model, &token(tokens + frame));
        refused = std::mem::replace(&mut refused, Ok(())).and(heard);
    })?;
    refused?;
    hear(
        &mut model,
        &json!({"event": "done", "finish": "stop_id", "tokens": tokens}),
    )?;
    key(&mut model, KeyCode::Esc);
    key(&mut model, KeyCode::Char('t'));
    key(&mut model, KeyCode::Char('G'));
    let walking = timed(&mut model, |model, _| key(model, KeyCode::Char('h')))?;
    Ok(json!({
        "tokens": tokens,
        "token_taken_microseconds": taken,
        "writing": writing,
        "walking": walking,
    }))
}

fn listed(number: usize) -> models::Listed {
    models::Listed {
        name: format!("owner-{}/model-{number}-Instruct", number % 7),
        commit: format!("{number:040x}"),
        revisions: vec!["main".to_owned()],
        folder: PathBuf::from(format!("/cache/{number}")),
        kind: "language".to_owned(),
        family: Some("llama".to_owned()),
        parameters: Some(1_000_000 * number as u64),
        bytes: 2_000_000 * number as u64,
        template: true,
        modified: unix_seconds(),
        problem: None,
    }
}

/// What is known of a model: more facts, files and sample text than the screen holds.
fn known() -> models::Inspected {
    models::Inspected {
        facts: (0..30)
            .map(|fact| (format!("fact_{fact}"), "a value of some words ".repeat(6)))
            .collect(),
        files: (0..60)
            .map(|file| {
                (
                    format!("model-{file:05}-of-00060.safetensors"),
                    5_000_000_000,
                )
            })
            .collect(),
        problems: vec!["something that is wrong - and what to do".to_owned()],
        preview: Ok(models::Preview {
            pieces: (0..200)
                .map(|piece| ("some words of a turn\n".repeat(3), piece % 2 == 1))
                .collect(),
            tokens: (3000, 1500),
            notes: Vec::new(),
        }),
    }
}

/// Another model is chosen from frame to frame, with its details or its sample conversation.
pub fn models(count: usize) -> Outcome {
    let mut model = opened("models");
    let answer = |model: &mut Model, answer| {
        update(model, Msg::Answer(host::Answer::Models(answer)));
    };
    let list = models::List {
        cache: "/cache".to_owned(),
        offline: false,
        models: (0..count).map(listed).collect(),
    };
    answer(&mut model, models::Answer::List(Ok(list)));
    let mut found = timed(&mut model, |model, frame| {
        key(model, KeyCode::Char('j'));
        if frame % 5 == 0 {
            key(model, KeyCode::Char('p'));
        }
        if let Some(folder) = model.models.chosen().map(|one| one.folder.clone()) {
            answer(
                model,
                models::Answer::Inspected(folder, Ok(Box::new(known()))),
            );
        }
    })?;
    found["models"] = count.into();
    Ok(found)
}
