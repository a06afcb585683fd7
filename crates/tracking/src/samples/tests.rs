use super::*;
use crate::event::{Event, EventKind};

fn sample(step: u64, text: &str) -> Sample {
    Sample {
        axis: Axis::LearnerUpdates,
        step,
        iteration: 1,
        prompt: "p".to_owned(),
        responses: vec![Response {
            text: text.to_owned(),
            label: Some(Label::Chosen),
            win_rate: Some(0.75),
            tokens: 3,
            token_log_probs: vec![TokenLogProb("a".to_owned(), -0.5)],
            ..Response::default()
        }],
    }
}

fn stage(iteration: u32, index: u32, done: u64) -> Stage {
    Stage {
        iteration,
        iterations: 3,
        name: ["generate", "score", "train"][index as usize - 1].to_owned(),
        index,
        count: 3,
        done,
        total: 10,
        unit: "prompts".to_owned(),
        progress: Progress {
            updates: u64::from(iteration) * 100 + u64::from(index),
            ..Progress::default()
        },
    }
}

#[test]
fn the_lines_are_the_documented_ones() {
    let event = |kind| Event {
        version: 1,
        sequence: 9,
        time: 1.5,
        kind,
    };
    let line = event(EventKind::Sample(sample(40, "x"))).to_line();
    assert_eq!(
        line,
        r#"{"v":1,"seq":9,"time":1.5,"kind":"sample","axis":"learner_updates","step":40,"iteration":1,"prompt":"p","responses":[{"text":"x","label":"chosen","win_rate":0.75,"tokens":3,"token_log_probs":[["a",-0.5]]}]}"#
    );
    let line = event(EventKind::Stage(stage(1, 2, 4))).to_line();
    assert_eq!(
        line,
        r#"{"v":1,"seq":9,"time":1.5,"kind":"stage","iteration":1,"iterations":3,"name":"score","index":2,"count":3,"done":4,"total":10,"unit":"prompts","step":0,"updates":102,"seconds":0.0}"#
    );
}

#[test]
fn what_a_later_version_writes_is_still_a_sample() {
    let line = r#"{"v":2,"seq":1,"time":0,"kind":"sample","prompt":"p","responses":[{"text":"x","label":"tie","judge":{"a":1},"win_rate":"NaN"},{}]}"#;
    let event: Event = serde_json::from_str(line).unwrap();
    let EventKind::Sample(sample) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(sample.responses[0].label, Some(Label::Other));
    assert!(sample.responses[0].win_rate.unwrap().is_nan());
    assert_eq!(sample.responses[1], Response::default());
    assert!(sample.labelled(Label::Chosen).is_none());
}

#[test]
fn stages_are_done_current_and_planned() {
    let mut stages = Stages::default();
    for (iteration, index, done) in [(1, 1, 10), (1, 2, 10), (1, 3, 10), (2, 1, 10), (2, 2, 4)] {
        stages.apply(stage(iteration, index, done));
    }
    let states = |stages: &Stages, iteration| -> Vec<StageState> {
        let of = stages.of(iteration).into_iter();
        of.map(|(state, _)| state).collect()
    };
    use StageState::{Current, Done, Planned};
    assert_eq!(states(&stages, 1), [Done; 3]);
    assert_eq!(states(&stages, 2), [Done, Current, Planned]);
    assert_eq!(states(&stages, 3), [Planned; 3]);
    assert_eq!(stages.of(3)[2].1.name, "train");
    assert_eq!(
        (stages.iterations(), stages.current().unwrap().done),
        (3, 4)
    );

    // A run that goes on from within the first iteration reports the rest again.
    stages.resume(&Progress {
        updates: 102,
        ..Progress::default()
    });
    assert_eq!(states(&stages, 1), [Done, Done, Planned]);
    assert_eq!(states(&stages, 2), [Planned; 3]);
}

#[test]
fn absurd_stage_numbers_do_not_make_lists() {
    let mut stages = Stages::default();
    stages.apply(Stage {
        iterations: u32::MAX,
        count: u32::MAX,
        ..stage(1, 1, 1)
    });
    assert_eq!((stages.iterations(), stages.of(1).len()), (10_000, 10_000));
    stages.apply(Stage {
        index: u32::MAX,
        ..stage(1, 1, 1)
    });
    assert_eq!(stages.current().unwrap().index, 1);
}

#[test]
fn samples_are_bounded_in_number_and_bytes() {
    let mut samples = Samples::default();
    for step in 0..SAMPLES_KEPT as u64 + 50 {
        samples.push(0.0, sample(step, "x"));
    }
    assert_eq!(
        (samples.len(), samples.seen(), samples.get(0).unwrap().step),
        (SAMPLES_KEPT, SAMPLES_KEPT as u64 + 50, 50)
    );
    let long = "y".repeat(SAMPLE_BYTES_KEPT / 3);
    for step in 0..5 {
        samples.push(0.0, sample(1_000 + step, &long));
    }
    assert_eq!(samples.len(), 2);
    let before = samples.bytes;
    samples.resume(&Progress {
        updates: 1_003,
        ..Progress::default()
    });
    assert_eq!((samples.len(), samples.get(0).unwrap().step), (1, 1_003));
    assert_eq!(samples.bytes * 2, before);
}

#[test]
fn long_texts_are_cut_and_lose_their_tokens() {
    let cut = sample(1, &"z".repeat(crate::event::LONGEST_TEXT + 1)).bounded();
    assert!(cut.responses[0].text.ends_with("kept]"));
    assert!(cut.responses[0].token_log_probs.is_empty());
    assert_eq!(sample(1, "z").bounded(), sample(1, "z"));
}
