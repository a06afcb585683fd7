//! What a request may ask for: stop strings, log-probabilities, forbidden ids, a shorter prompt.

use std::rc::Rc;

use crate::engine::{engine, finish, request, sampled};
use crate::golden::{Expected, model};
use lm::generation::{EngineSettings, Finish, GenerationSettings, LongPrompt, Verdict, generate};
use lm::sampling::Sampling;
use tch::Kind;

#[test]
fn a_stop_string_trims_what_comes_with_it() {
    let decoder = model("qwen2", Kind::Float, false);
    let prompt = &Expected::of("qwen2").ids("ids")[..10];
    let settings = GenerationSettings {
        log_probabilities: true,
        alternatives: 3,
        max_new_tokens: 24,
        ..GenerationSettings::default()
    };
    let whole = generate(&decoder, &[prompt], &settings, &mut |_| Verdict::Continue);
    let whole = whole.unwrap().remove(0);
    let stopped = generate(&decoder, &[prompt], &settings, &mut |step| {
        if step.ids.len() == 7 {
            Verdict::StopString { keep: 5 }
        } else {
            Verdict::Continue
        }
    });
    let stopped = stopped.unwrap().remove(0);
    assert_eq!(stopped.finish, Finish::StopString);
    assert_eq!(stopped.ids, whole.ids[..5]);
    assert_eq!(stopped.log_probabilities, whole.log_probabilities[..5]);
    assert_eq!(stopped.alternatives, whole.alternatives[..5]);
    // Greedily, the best alternative is the token.
    for (at, best) in whole.alternatives.iter().enumerate() {
        assert_eq!(best.len(), 3);
        assert_eq!(best[0], (whole.ids[at], whole.log_probabilities[at]));
        assert!(best[0].1 >= best[1].1 && best[1].1 >= best[2].1);
    }
}

#[test]
fn a_prompt_tells_its_log_probabilities() {
    let decoder = model("llama", Kind::Float, false);
    let ids = Expected::of("llama").ids("ids");
    let settings = Rc::new(GenerationSettings {
        prompt_log_probabilities: true,
        samples: 2,
        ..sampled(3)
    });
    let mut batch = engine(
        &decoder,
        EngineSettings {
            prefill_tokens: 7, // chunks of a prompt
            prefix_tokens: 500,
            ..EngineSettings::default()
        },
    );
    for (number, length) in [33, 40, 1].into_iter().enumerate() {
        let one = request(&ids[..length], &settings, number as u64);
        batch.submit(one).unwrap();
    }
    let answers = finish(&mut batch);
    let logs = decoder.logits_of(&ids[..40]).unwrap();
    let logs = logs.log_softmax(-1, Kind::Float);
    for (answer, length) in answers.iter().zip([33, 33, 40, 40, 1, 1]) {
        assert_eq!(answer.prompt_log_probabilities.len(), length - 1);
        for (at, ours) in answer.prompt_log_probabilities.iter().enumerate() {
            let wanted = logs.double_value(&[at as i64, ids[at + 1]]);
            assert!((f64::from(*ours) - wanted).abs() < 1e-4);
        }
    }
}

#[test]
fn some_ids_are_never_chosen() {
    let decoder = model("llama", Kind::Float, false);
    let prompt = &Expected::of("llama").ids("ids")[..10];
    let count = |settings: &GenerationSettings| {
        let answers = generate(&decoder, &[prompt], settings, &mut |_| Verdict::Continue);
        answers.unwrap()
    };
    let plain = GenerationSettings {
        samples: 20,
        stop_ids: Vec::new(),
        ..sampled(20)
    };
    let answers = count(&plain);
    let ids = || answers.iter().flat_map(|answer| &answer.ids);
    assert!(ids().any(|id| *id >= 100) && ids().any(|id| *id == 17));
    for sampling in [Sampling::PLAIN, Sampling::GREEDY] {
        let answers = count(&GenerationSettings {
            sampling,
            vocabulary: Some(100),
            bias: vec![(17, f32::NEG_INFINITY), (18, 2.0)],
            ..plain.clone()
        });
        let mut ids = answers.iter().flat_map(|answer| &answer.ids);
        assert!(ids.all(|id| *id < 100 && *id != 17));
    }
    let forced = count(&GenerationSettings {
        bias: vec![(18, 1e4)],
        ..plain.clone()
    });
    assert!(forced.iter().all(|answer| answer.ids == [18; 20]));
    // A stop id that is nearly certain waits for the shortest length.
    let late = count(&GenerationSettings {
        bias: vec![(18, 1e4)],
        stop_ids: vec![18],
        min_new_tokens: 4,
        ..plain.clone()
    });
    for answer in late {
        assert_eq!((answer.ids.len(), answer.finish), (5, Finish::StopId));
        assert!(answer.ids[..4].iter().all(|id| *id != 18));
    }
    let refused = |settings: GenerationSettings| {
        let answer = generate(&decoder, &[prompt], &settings, &mut |_| Verdict::Continue);
        answer.unwrap_err().to_string()
    };
    let all = (0..4).map(|id| (id, f32::NEG_INFINITY)).collect();
    let message = refused(GenerationSettings {
        vocabulary: Some(4),
        bias: all,
        ..plain.clone()
    });
    assert!(message.contains("all 4 ids are forbidden"), "{message}");
    let message = refused(GenerationSettings {
        vocabulary: Some(132),
        ..plain.clone()
    });
    assert!(message.contains("132 - allowed: 1 to 131"), "{message}");
    let message = refused(GenerationSettings {
        bias: vec![(-1, 0.0)],
        ..plain
    });
    assert!(message.contains("token id -1"), "{message}");
}

#[test]
fn a_long_prompt_may_lose_its_front() {
    let decoder = model("llama", Kind::Float, false); // 256 positions
    let long: Vec<i64> = (0..400).map(|id| id % 131).collect();
    let settings = GenerationSettings {
        max_new_tokens: 10,
        long_prompt: LongPrompt::DropFront,
        ..GenerationSettings::default()
    };
    let run = |ids: &[i64], settings: &GenerationSettings| {
        let answers = generate(&decoder, &[ids], settings, &mut |_| Verdict::Continue);
        answers.unwrap().remove(0)
    };
    let answer = run(&long, &settings);
    assert_eq!(answer.prompt_tokens, 246);
    assert_eq!(answer.finish, Finish::MaxNewTokens);
    let same = run(&long[154..], &settings);
    assert_eq!(answer.ids, same.ids);
}

#[test]
fn scores_that_are_not_numbers_are_told() {
    let mut decoder = model("llama", Kind::Float, false);
    _ = decoder.weights_mut().flat_mut().fill_(f64::NAN);
    for sampling in [Sampling::GREEDY, Sampling::PLAIN] {
        let settings = GenerationSettings {
            sampling,
            ..GenerationSettings::default()
        };
        let answer = generate(&decoder, &[&[1, 2]], &settings, &mut |_| Verdict::Continue);
        let message = answer.unwrap_err().to_string();
        assert!(
            message.contains("prompt 0, new token 0") && message.contains("not numbers"),
            "{message}"
        );
    }
}
