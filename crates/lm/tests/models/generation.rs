//! Generation against `transformers` 5.23, and against itself in other batches.

use crate::golden::{CASES, Expected, model};
use lm::generation::{
    Continuation, Engine, EngineSettings, Finish, GenerationSettings, Verdict, generate,
};
use lm::sampling::Sampling;
use tch::Kind;

fn settings(max_new_tokens: usize) -> GenerationSettings {
    GenerationSettings {
        max_new_tokens,
        ..GenerationSettings::default()
    }
}

fn run(
    decoder: &lm::decoder::Decoder,
    prompts: &[&[i64]],
    settings: &GenerationSettings,
) -> Vec<Continuation> {
    generate(decoder, prompts, settings, &mut |_| Verdict::Continue).unwrap()
}

#[test]
fn greedy_text_is_that_of_transformers_with_and_without_cache() {
    for case in CASES {
        let expected = Expected::of(case);
        let decoder = model(case, Kind::Float, false);
        let greedy = expected.ids("greedy");
        let mut text = expected.ids("ids")[..expected.prompt()].to_vec();
        let cached = run(&decoder, &[&text], &settings(greedy.len()));
        assert_eq!(cached[0].ids, greedy, "{case}, with cache");
        assert_eq!(cached[0].finish, Finish::MaxNewTokens);
        for wanted in &greedy {
            let logits = decoder.logits_of(&text).unwrap();
            let next = logits.get(-1).argmax(-1, false).int64_value(&[]);
            assert_eq!(next, *wanted, "{case}, without cache, at {}", text.len());
            text.push(next);
        }
    }
}

#[test]
fn a_padded_batch_says_what_each_text_says_alone() {
    for case in CASES {
        let expected = Expected::of(case);
        let decoder = model(case, Kind::Float, false);
        let ids = expected.ids("ids");
        let texts: [&[i64]; 3] = [&ids[..expected.prompt()], &ids[30..37], &ids[40..78]];
        let together = run(&decoder, &texts, &settings(24));
        assert_eq!(together[0].ids, expected.ids("greedy"), "{case}");
        for (text, together) in texts.iter().zip(&together) {
            let alone = run(&decoder, &[text], &settings(24));
            assert_eq!(alone[0].ids, together.ids, "{case}");
        }
    }
}

#[test]
fn samples_do_not_depend_on_what_runs_beside_them() {
    let decoder = model("llama", Kind::Float, false);
    let ids = Expected::of("llama").ids("ids");
    let prompts: [&[i64]; 3] = [&ids[..12], &ids[20..27], &ids[40..60]];
    let settings = GenerationSettings {
        sampling: Sampling {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            ..Sampling::PLAIN
        },
        samples: 4,
        seed: 5,
        stop_ids: vec![7, 8, 9],
        log_probabilities: true,
        ..settings(30)
    };
    let together = run(&decoder, &prompts, &settings);
    assert_eq!(together.len(), 12);
    assert!(
        together.iter().any(|one| one.finish == Finish::StopId),
        "some row leaves early"
    );
    assert_ne!(together[0].ids, together[1].ids);
    let one_row = EngineSettings {
        rows: 1,
        ..EngineSettings::default()
    };
    let mut engine = Engine::new(&decoder, one_row).unwrap();
    let alone = engine.run(&prompts, &settings, &mut |_| Verdict::Continue);
    for (alone, together) in alone.unwrap().iter().zip(&together) {
        assert_eq!(
            (alone.prompt, alone.sample),
            (together.prompt, together.sample)
        );
        assert_eq!(alone.ids, together.ids);
        assert_eq!(alone.finish, together.finish);
    }
    // The log-probabilities are those of a plain pass over the whole text.
    let one = &together[5];
    let text = [prompts[one.prompt], &one.ids].concat();
    let logs = decoder
        .logits_of(&text)
        .unwrap()
        .log_softmax(-1, Kind::Float);
    for (at, (id, ours)) in one.ids.iter().zip(&one.log_probabilities).enumerate() {
        let place = (prompts[one.prompt].len() + at - 1) as i64;
        let plain = logs.double_value(&[place, *id]);
        assert!(
            (plain - f64::from(*ours)).abs() < 1e-4,
            "{plain} against {ours}"
        );
    }
}

#[test]
fn the_observer_sees_every_token_and_may_stop() {
    let decoder = model("qwen2", Kind::Float, false);
    let expected = Expected::of("qwen2");
    let prompt = &expected.ids("ids")[..expected.prompt()];
    let mut seen: Vec<i64> = Vec::new();
    let answers = generate(&decoder, &[prompt], &settings(24), &mut |step| {
        seen.extend(step.ids.last());
        if step.ids.len() == 5 {
            Verdict::Stop
        } else {
            Verdict::Continue
        }
    });
    let answers = answers.unwrap();
    assert_eq!(answers[0].finish, Finish::Observer);
    assert_eq!(answers[0].ids, expected.ids("greedy")[..5]);
    assert_eq!(seen, answers[0].ids);
}

#[test]
fn the_context_is_a_ceiling_and_a_longer_prompt_an_error() {
    let decoder = model("llama", Kind::Float, false); // 256 positions
    let long: Vec<i64> = (0..250).map(|id| id % 131).collect();
    let answers = run(&decoder, &[&long], &settings(100));
    assert_eq!(answers[0].finish, Finish::Context);
    assert_eq!(answers[0].ids.len(), 6);
    let refuse = |ids: &[i64]| {
        let answer = generate(&decoder, &[ids], &settings(1), &mut |_| Verdict::Continue);
        answer.unwrap_err().to_string()
    };
    let longer: Vec<i64> = (0..257).map(|id| id % 131).collect();
    assert!(
        refuse(&longer).contains("257 tokens - allowed: 256"),
        "{}",
        refuse(&longer)
    );
    assert!(refuse(&[3, 131]).contains("token id 131 - allowed: 0 to 130"));
    assert!(refuse(&[]).contains("no tokens"));
}
