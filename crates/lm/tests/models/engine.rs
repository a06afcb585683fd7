//! The engine: requests that come and go, shared beginnings, ceilings.

use std::rc::Rc;

use crate::golden::{CASES, Expected, model};
use lm::decoder::Decoder;
use lm::generation::{
    Budget, Charge, Continuation, Engine, EngineSettings, Finish, GenerationSettings, Remember,
    Request, Verdict, generate, probabilities,
};
use lm::sampling::Sampling;
use nn::random::RandomStream;
use tch::Kind;

pub fn sampled(max_new_tokens: usize) -> GenerationSettings {
    GenerationSettings {
        sampling: Sampling::PLAIN,
        max_new_tokens,
        stop_ids: vec![5, 6],
        log_probabilities: true,
        seed: 9,
        ..GenerationSettings::default()
    }
}

pub fn request(ids: &[i64], settings: &Rc<GenerationSettings>, stream: u64) -> Request {
    Request {
        ids: ids.to_vec(),
        settings: Rc::clone(settings),
        stream,
    }
}

pub fn engine(decoder: &Decoder, settings: EngineSettings) -> Engine<'_> {
    Engine::new(decoder, settings).unwrap()
}

pub fn finish(engine: &mut Engine<'_>) -> Vec<Continuation> {
    while engine.step(&mut |_| Verdict::Continue).unwrap() {}
    let mut answers = engine.finished();
    answers.sort_by_key(|answer| (answer.prompt, answer.sample));
    answers
}

fn assert_same(ours: &Continuation, alone: &Continuation, what: &str) {
    assert_eq!(ours.ids, alone.ids, "{what}");
    assert_eq!(ours.finish, alone.finish, "{what}");
    let logs = ours.log_probabilities.iter().zip(&alone.log_probabilities);
    for (ours, alone) in logs {
        assert!((ours - alone).abs() < 1e-4, "{what}: {ours} and {alone}");
    }
}

/// Requests of unequal lengths, some added while others run, in few rows: every answer is
/// what the request gives alone.
#[test]
fn requests_that_join_a_running_batch_say_what_they_say_alone() {
    for case in [
        "llama",
        "mistral",
        "gemma3_full",
        "smollm3",
        "phi3_longrope_long",
    ] {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        let mut stream = RandomStream::new(3, "test", 0);
        let requests: Vec<Request> = (0..14)
            .map(|number| {
                let length = 1 + stream.below(40);
                let from = stream.below(ids.len() - length);
                let settings = Rc::new(GenerationSettings {
                    samples: 1 + stream.below(3),
                    ..sampled(1 + stream.below(30))
                });
                request(&ids[from..from + length], &settings, 10 * number)
            })
            .collect();
        let settings = EngineSettings {
            rows: 4,
            prefill_tokens: 24,
            ..EngineSettings::default()
        };
        let mut batch = engine(&decoder, settings.clone());
        let mut left = requests.iter().cloned();
        for one in left.by_ref().take(6) {
            batch.submit(one).unwrap();
        }
        for one in left {
            assert!(batch.step(&mut |_| Verdict::Continue).unwrap());
            assert!(batch.running() <= 4);
            batch.submit(one).unwrap();
        }
        let together = finish(&mut batch);
        let samples = requests.iter().map(|one| one.settings.samples);
        assert_eq!(together.len(), samples.sum::<usize>());
        let mut together = together.iter();
        for (number, one) in requests.into_iter().enumerate() {
            let mut alone = engine(
                &decoder,
                EngineSettings {
                    rows: 1,
                    ..settings.clone()
                },
            );
            alone.submit(one).unwrap();
            for alone in finish(&mut alone) {
                let ours = together.next().unwrap();
                assert_eq!((ours.prompt, ours.sample), (number, alone.sample));
                assert_same(ours, &alone, &format!("{case}, request {number}"));
                // On the CPU, to the last bit.
                assert_eq!(ours.log_probabilities, alone.log_probabilities, "{case}");
            }
        }
    }
}

/// As many prompts in a pass as fit, some with a cached beginning and some without.
#[test]
fn prompts_side_by_side_say_what_they_say_alone() {
    for case in ["llama", "mistral", "smollm3", "phi3_longrope_long"] {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        let settings = Rc::new(GenerationSettings {
            sampling: Sampling::GREEDY,
            samples: 2,
            ..sampled(10)
        });
        let prompts: [&[i64]; 8] = [
            &ids[..30],
            &ids[..33],
            &ids[40..60],
            &ids[..25],
            &ids[41..63],
            &ids[5..40],
            &ids[..3],
            &ids[70..71],
        ];
        let alone = |prompt: &[i64]| {
            let mut answers = generate(&decoder, &[prompt], &settings, &mut |_| Verdict::Continue);
            answers.as_mut().unwrap().remove(1)
        };
        for (prefill_tokens, prefix_tokens) in [(2048, 0), (90, 0), (2048, 400), (90, 60)] {
            let mut batch = engine(
                &decoder,
                EngineSettings {
                    rows: 6,
                    prefill_prompts: 8,
                    prefill_tokens,
                    prefix_tokens,
                    ..EngineSettings::default()
                },
            );
            for _ in 0..2 {
                let run = batch.run(&prompts, &settings, &mut |_| Verdict::Continue);
                for (prompt, ours) in prompts.iter().zip(run.unwrap().chunks(2)) {
                    assert_same(&ours[1], &alone(prompt), case);
                }
            }
            let statistics = batch.statistics();
            if prefix_tokens == 400 {
                // The second round computes a last token each, or what the others' cost them.
                let asked = statistics.prompt_tokens / 4;
                assert!(
                    statistics.prompt_tokens_computed < asked * 5 / 4,
                    "{case}: {statistics:?}"
                );
            }
        }
    }
}

#[test]
fn the_batch_stays_full() {
    let decoder = model("llama", Kind::Float, false);
    let ids = Expected::of("llama").ids("ids");
    let mut rows = engine(
        &decoder,
        EngineSettings {
            rows: 8,
            ..EngineSettings::default()
        },
    );
    let mut steps_of_static_batches = 0;
    let lengths: Vec<usize> = (0..64).map(|number| 2 + (number * 37) % 59).collect();
    for (number, length) in lengths.iter().enumerate() {
        let settings = GenerationSettings {
            stop_ids: Vec::new(),
            ..sampled(*length)
        };
        let ids = &ids[number % 20..number % 20 + 6];
        rows.submit(request(ids, &Rc::new(settings), number as u64))
            .unwrap();
    }
    for group in lengths.chunks(8) {
        steps_of_static_batches += group.iter().max().unwrap() - 1;
    }
    finish(&mut rows);
    let statistics = rows.statistics();
    assert!(statistics.occupancy() > 0.9, "{statistics:?}");
    assert!(
        statistics.steps * 10 < steps_of_static_batches * 7,
        "{} against {steps_of_static_batches}",
        statistics.steps
    );
}

/// Six levels of a search, three children each time of the best: what they share with
/// their parents is never computed again.
#[test]
fn a_tree_shares_its_paths() {
    for case in [
        "llama",
        "mistral",
        "gemma3",
        "smollm3",
        "phi3_longrope_long",
    ] {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        let settings = Rc::new(GenerationSettings {
            samples: 3,
            remember: Remember::Whole,
            stop_ids: Vec::new(),
            ..sampled(8)
        });
        let tree = |prefix_tokens: usize| {
            let mut engine = engine(
                &decoder,
                EngineSettings {
                    prefix_tokens,
                    ..EngineSettings::default()
                },
            );
            let mut path = ids[..12].to_vec();
            let mut all = Vec::new();
            for depth in 0..6 {
                engine
                    .submit(request(&path, &settings, 100 * depth))
                    .unwrap();
                let children = finish(&mut engine);
                path.extend(&children[1].ids);
                path.extend(&ids[40..42]); // an observation
                all.extend(children);
            }
            (all, engine.statistics())
        };
        let (shared, with) = tree(4096);
        let (computed, without) = tree(0);
        for (ours, alone) in shared.iter().zip(&computed) {
            assert_same(ours, alone, case);
        }
        assert_eq!(with.prompt_tokens, without.prompt_tokens);
        // Samples alone save two thirds; a path saves more than half of the rest.
        assert_eq!(without.prompt_tokens_computed * 3, without.prompt_tokens);
        assert!(
            with.prompt_tokens_computed * 2 < without.prompt_tokens_computed,
            "{case}: {with:?}"
        );
        if case == "llama" {
            // Twelve tokens, then the last sampled one and the observation, five times.
            assert_eq!(with.prompt_tokens_computed, 12 + 5 * 3);
        }
    }
}

/// Scores after a shared beginning against scores without, through their log-probabilities.
#[test]
fn a_shared_beginning_gives_the_scores_of_a_whole_pass() {
    for case in CASES {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        let vocabulary: Vec<Vec<i64>> = (0..131).map(|id| vec![id]).collect();
        let choices: Vec<&[i64]> = vocabulary.iter().map(Vec::as_slice).collect();
        let mut engine = engine(
            &decoder,
            EngineSettings {
                prefix_tokens: 1000,
                prefill_tokens: 16,
                ..EngineSettings::default()
            },
        );
        for length in [30, 50, 44, 79] {
            let text = &ids[..length];
            let ours = engine.score_choices(text, &choices).unwrap();
            // As a prompt of `length + 1` tokens is scored, where that has other angles.
            let longer = [text, &[7]].concat();
            let whole = decoder.logits_of(&longer).unwrap().get(length as i64 - 1);
            let whole = whole.log_softmax(-1, Kind::Float);
            for (id, ours) in ours.iter().enumerate() {
                let wanted = whole.double_value(&[id as i64]);
                assert!(
                    (f64::from(*ours) - wanted).abs() < 2e-5,
                    "{case}, {length} tokens, {id}: {ours}, {wanted}"
                );
            }
        }
        let saved = engine.statistics().prompt_tokens_saved();
        // 30 of 50, 43 of 44 and 50 of 79, unless all angles change on the way.
        let least = if case == "phi3_longrope_long" {
            70
        } else {
            123
        };
        assert!(saved >= least, "{case}: {saved} prompt tokens saved");
    }
}

#[test]
fn choices_have_the_log_probabilities_of_whole_texts() {
    for case in ["llama", "mistral", "phi3_longrope_long"] {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        for length in [9, 22, 60] {
            let prompt = &ids[..length];
            let choices: [&[i64]; 4] = [
                &[3],
                &[17, 4],
                &[17, 9, 2, 88, 1, 6, 7, 90, 11, 12, 13],
                &[40, 40],
            ];
            let mut engine = engine(&decoder, EngineSettings::default());
            let ours = engine.score_choices(prompt, &choices).unwrap();
            for (choice, ours) in choices.iter().zip(&ours) {
                let text = [prompt, choice].concat();
                let logs = decoder.logits_of(&text).unwrap();
                let logs = logs.log_softmax(-1, Kind::Float);
                let places = (length - 1..).zip(*choice);
                let wanted: f64 = places
                    .map(|(place, id)| logs.double_value(&[place as i64, *id]))
                    .sum();
                let error = (f64::from(*ours) - wanted).abs();
                assert!(
                    error < 1e-4,
                    "{case}, {length}, {choice:?}: {ours}, {wanted}"
                );
            }
            assert_eq!(
                engine.statistics().prompt_tokens,
                engine.statistics().prompt_tokens_computed
            );
            let chances = probabilities(&ours);
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let ratio = (chances[0] / chances[3]).ln();
            assert!((ratio - f64::from(ours[0] - ours[3])).abs() < 1e-5);
        }
    }
    let decoder = model("llama", Kind::Float, false);
    let mut engine = engine(&decoder, EngineSettings::default());
    let refused = |engine: &mut Engine<'_>, choices: &[&[i64]]| {
        engine.score_choices(&[1], choices).unwrap_err().to_string()
    };
    assert!(refused(&mut engine, &[]).contains("0 choices"));
    assert!(refused(&mut engine, &[&[]]).contains("no tokens"));
    assert!(refused(&mut engine, &[&[131]]).contains("token id 131"));
    engine.set_budget(Some(Budget {
        tokens: 1,
        charge: Charge::New,
    }));
    assert!(refused(&mut engine, &[&[1, 2], &[1]]).contains("2 tokens - allowed: 1"));
    engine.score_choices(&[1], &[&[1]]).unwrap();
    assert_eq!(engine.budget().unwrap().tokens, 0);
}

/// Whatever is submitted, cancelled and stepped in whatever order, a budget is spent to the
/// last token and never passed.
#[test]
fn a_budget_is_never_passed() {
    let decoder = model("llama", Kind::Float, false);
    let ids = Expected::of("llama").ids("ids");
    for seed in 0..30 {
        let mut stream = RandomStream::new(seed, "budget", 0);
        let charge = [Charge::New, Charge::NewAndPrompt][stream.below(2)];
        let tokens = 1 + stream.below(150);
        let mut batch = engine(
            &decoder,
            EngineSettings {
                rows: 1 + stream.below(5),
                prefix_tokens: 200 * stream.below(2),
                budget: Some(Budget { tokens, charge }),
                ..EngineSettings::default()
            },
        );
        let mut observed = 0;
        let mut prompts = Vec::new();
        let mut is_cancelled = false;
        for _ in 0..40 {
            match stream.below(8) {
                0 | 1 => {
                    let settings = Rc::new(GenerationSettings {
                        samples: 1 + stream.below(3),
                        ..sampled(1 + stream.below(20))
                    });
                    let length = 1 + stream.below(12);
                    prompts.push(length);
                    batch.submit(request(&ids[..length], &settings, 0)).unwrap();
                }
                2 if stream.below(4) == 0 => {
                    batch.cancel(stream.below(prompts.len() + 1));
                    is_cancelled = true;
                }
                _ => {
                    let step = batch.step(&mut |_| {
                        observed += 1;
                        Verdict::Continue
                    });
                    step.unwrap();
                }
            }
            assert!(batch.budget().unwrap().tokens <= tokens);
        }
        let answers = {
            while batch
                .step(&mut |_| {
                    observed += 1;
                    Verdict::Continue
                })
                .unwrap()
            {}
            batch.finished()
        };
        let new: usize = answers.iter().map(|answer| answer.ids.len()).sum();
        assert_eq!(new, observed);
        let left = batch.budget().unwrap().tokens;
        if charge == Charge::New {
            assert_eq!(new + left, tokens, "seed {seed}");
        } else {
            assert!(new + left <= tokens, "seed {seed}");
            let asked: usize = prompts.iter().sum();
            assert!(new + left + asked >= tokens, "seed {seed}");
        }
        let is_broke = answers.iter().any(|one| one.finish == Finish::Budget);
        if charge == Charge::New && is_broke && !is_cancelled {
            assert_eq!(left, 0, "seed {seed}: nothing is left unused");
        }
    }
}

#[test]
fn a_cancelled_request_ends_and_the_others_go_on() {
    let decoder = model("llama", Kind::Float, false);
    let settings = Rc::new(GenerationSettings {
        samples: 3,
        stop_ids: Vec::new(),
        ..sampled(12)
    });
    let mut batch = engine(
        &decoder,
        EngineSettings {
            rows: 4,
            ..EngineSettings::default()
        },
    );
    let first = batch.submit(request(&[1, 2, 3], &settings, 0)).unwrap();
    let second = batch.submit(request(&[4, 5], &settings, 3)).unwrap();
    for _ in 0..3 {
        assert!(batch.step(&mut |_| Verdict::Continue).unwrap());
    }
    assert_eq!((batch.running(), batch.waiting()), (4, 2));
    batch.cancel(second);
    assert_eq!((batch.running(), batch.waiting()), (3, 0));
    let answers = finish(&mut batch);
    let of = |number: usize| answers.iter().filter(move |one| one.prompt == number);
    assert!(of(second).all(|one| one.finish == Finish::Cancelled));
    let lengths: Vec<usize> = of(second).map(|one| one.ids.len()).collect();
    assert_eq!(lengths, [4, 0, 0], "a first token and three steps");
    let alone = generate(&decoder, &[&[1, 2, 3]], &settings, &mut |_| {
        Verdict::Continue
    });
    for (ours, alone) in of(first).zip(&alone.unwrap()) {
        assert_same(ours, alone, "beside a cancelled request");
    }
}

#[test]
fn memory_has_a_ceiling() {
    let decoder = model("llama", Kind::Float, false);
    let ids = Expected::of("llama").ids("ids");
    let ceiling = EngineSettings {
        rows: 16,
        cached_tokens: 200,
        ..EngineSettings::default()
    };
    let mut batch = engine(&decoder, ceiling);
    let mut stream = RandomStream::new(1, "test", 0);
    let mut wanted = Vec::new();
    for number in 0..20 {
        let length = 1 + stream.below(40);
        let settings = Rc::new(sampled(1 + stream.below(60)));
        let one = request(&ids[..length], &settings, number);
        wanted.extend(
            engine(&decoder, EngineSettings::default())
                .run(&[&ids[..length]], &settings, &mut |_| Verdict::Continue)
                .unwrap(),
        );
        batch.submit(Request { stream: 0, ..one }).unwrap();
    }
    let mut most = 0;
    let mut answers = Vec::new();
    while batch.step(&mut |_| Verdict::Continue).unwrap() {
        most = most.max(batch.running());
        answers.extend(batch.finished());
    }
    answers.extend(batch.finished());
    answers.sort_by_key(|answer| answer.prompt);
    for (ours, alone) in answers.iter().zip(&wanted) {
        assert_same(ours, alone, "under a ceiling");
    }
    let statistics = batch.statistics();
    assert!(statistics.cached_tokens <= 200, "{statistics:?}");
    assert!(most > 1 && most < 16, "{most} rows at a time");
    let refused = batch.submit(request(&ids[..61], &Rc::new(sampled(100)), 0));
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("161 tokens, prompt and new ones - allowed: 160"),
        "{message}"
    );
}
