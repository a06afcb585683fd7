//! Plans: counts, and memory against what real runs were measured to take.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use configs::train::TrainConfig;
use configs::{LoadRequest, RunConfig, load};
use tui::plan::{Earlier, Plan, Sizes, bytes};

fn config(preset: &str, sets: &[&str]) -> TrainConfig {
    let request = LoadRequest {
        preset: Some(preset.to_owned()),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ..LoadRequest::default()
    };
    match load(&request).unwrap().config {
        RunConfig::Train(config) => config,
        other => panic!("{other:?}"),
    }
}

/// Level-based foraging with two agents: rows, foods, limit, dots of a picture.
fn foraging(side: u64, foods: u64, episode_limit: u64, picture: u64) -> Sizes {
    Sizes {
        environment: format!("Foraging-{side}x{side}-2p-{foods}f-coop-v3"),
        agents: 2,
        actions: 6,
        observation: 3 * (foods + 2),
        episode_limit,
        picture,
    }
}

/// The peak of `concord-worker` (VmHWM) with the settings beside it, in MiB, on a machine
/// with two cores, LibTorch 2.11.0 on the CPU.
const MEASURED: [(&str, &str, &str, f64); 9] = [
    ("smoke", "2000", "", 149.8),
    ("demo", "30000", "", 201.9),
    ("iql-lbf-coop", "30000", "", 227.5),
    ("iql-lbf-coop", "280000", "", 266.7),
    ("iql-lbf-coop", "30000", "network.hidden_size=512", 267.2),
    ("iql-lbf-coop", "30000", "replay.batch_episodes=128", 240.8),
    ("qmix-lbf-coop", "30000", "", 239.7),
    ("mappo-lbf-coop", "30000", "", 242.1),
    ("mansa-policies-lbf-coop", "30000", "", 282.8),
];

#[test]
fn memory_is_within_five_percent_of_what_was_measured() {
    for (preset, steps, more, measured) in MEASURED {
        let steps = format!("total_steps={steps}");
        let mut sets = vec![steps.as_str(), "evaluation.absolute_episodes=20"];
        sets.extend((!more.is_empty()).then_some(more));
        let config = config(preset, &sets);
        let sizes = match preset {
            "smoke" => foraging(5, 1, 20, 182_280),
            "demo" => foraging(5, 1, 50, 182_280),
            _ => foraging(8, 2, 50, 414_656),
        };
        let plan = Plan::of(&config, sizes, &[]);
        let estimate = plan.memory.total() as f64 / f64::from(1 << 20);
        let error = estimate / measured - 1.0;
        assert!(
            error.abs() < 0.05,
            "{preset} {more}: {estimate:.1} MiB against {measured} MiB"
        );
    }
}

#[test]
fn parameters_are_those_of_saved_policies() {
    // The tensors in `ckpt/best/parameters.safetensors` of these presets.
    for (preset, sizes, learnt) in [
        ("iql-lbf-coop", foraging(8, 2, 50, 0), 19_206),
        ("smoke", foraging(5, 1, 20, 0), 566),
    ] {
        assert_eq!(
            Plan::of(&config(preset, &[]), sizes, &[]).parameters,
            learnt,
            "{preset}"
        );
    }
}

#[test]
fn counts_follow_from_the_settings() {
    let plan = Plan::of(&config("smoke", &[]), foraging(5, 1, 20, 0), &[]);
    assert_eq!((plan.episodes_at_least, plan.updates_at_least), (100, 93));
    assert_eq!(
        (
            plan.evaluations,
            plan.evaluation_episodes,
            plan.final_episodes
        ),
        (3, 8, 16)
    );
    assert_eq!((plan.checkpoints, plan.checkpoints_kept), (3, 3));
    let few = config("smoke", &["max_updates=5"]);
    assert_eq!(
        Plan::of(&few, foraging(5, 1, 20, 0), &[]).updates_at_least,
        5
    );
    let huge = config(
        "smoke",
        &[
            "total_steps=9223372036854775807",
            "replay.capacity_episodes=1000000000",
        ],
    );
    let plan = Plan::of(&huge, foraging(5, 1, 1_000_000, u64::MAX), &[]);
    assert!(
        plan.memory.total() > 1 << 40,
        "it saturates instead of wrapping around"
    );
}

#[test]
fn time_comes_from_the_likest_runs_and_is_unknown_without() {
    let wanted = config("smoke", &["seed=7"]);
    let unknown = Plan::of(&wanted, foraging(5, 1, 20, 0), &[]).time;
    assert_eq!(unknown.seconds, None);
    assert!(unknown.from.starts_with("unknown"));
    let run = |sets: &[&str], speed: f64| Earlier {
        id: "run".to_owned(),
        config: RunConfig::Train(config("smoke", sets)),
        steps: 1,
        steps_per_second: speed,
    };
    let other = run(&["algorithm.kind=vdn"], 1.0);
    let akin = run(&["replay.batch_episodes=16"], 10.0);
    let time = |earlier: &[Earlier]| Plan::of(&wanted, foraging(5, 1, 20, 0), earlier).time;
    assert_eq!(time(std::slice::from_ref(&other)).seconds, None);
    assert_eq!(time(&[other.clone(), akin.clone()]).seconds, Some(200.0));
    let earlier = [
        other,
        akin,
        run(&["seed=3"], 100.0),
        run(&[], 400.0),
        run(&[], 200.0),
    ];
    assert_eq!(time(&earlier).seconds, Some(10.0));
    assert_eq!(time(&earlier).range, Some((5.0, 20.0)));
}

#[test]
fn amounts_of_bytes_are_written_short() {
    let written = [0, 1_023, 1_024, 1_535_000, 200 << 20, u64::MAX].map(bytes);
    assert_eq!(
        written,
        [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 MiB",
            "200 MiB",
            "16384 PiB"
        ]
    );
}

mod finetune {
    use configs::finetune::FinetuneConfig;
    use configs::{LoadRequest, RunConfig, load};
    use tui::plan::{Earlier, FinetunePlan, FinetuneSizes, Item, JobPlan};

    fn config(preset: &str, sets: &[&str]) -> FinetuneConfig {
        let request = LoadRequest {
            preset: Some(preset.to_owned()),
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            ..LoadRequest::default()
        };
        match load(&request).unwrap().config {
            RunConfig::Finetune(config) => config,
            other => panic!("{other:?}"),
        }
    }

    fn sizes() -> FinetuneSizes {
        FinetuneSizes {
            model: "assets/arithmetic-start".to_owned(),
            parameters: Some(1_000_000),
            trained: Some(1_000_000),
            number_bytes: 4,
            memory: Some(vec![Item {
                name: "weights".to_owned(),
                bytes: 4_000_000,
                from: String::new(),
            }]),
            missing: String::new(),
            rows: Some(6_000),
            counted: "of 6000 in prompts.jsonl".to_owned(),
            held_out: Some(50),
        }
    }

    const SMALL: [&str; 13] = [
        "data.path=prompts.jsonl",
        "data.evaluation=held-out.jsonl",
        "iterations.count=3",
        "iterations.prompts=1000",
        "generation.responses=5",
        "generation.max_new_tokens=32",
        "optimiser.rows_per_update=64",
        "optimiser.epochs=1.0",
        "data.max_prompt_tokens=64",
        "data.max_tokens=128",
        "evaluation.prompts=100",
        "evaluation.every_updates=10",
        "evaluation.responses=1",
    ];

    #[test]
    fn counts_follow_from_the_settings() {
        let config = config("sppo-arithmetic", &SMALL);
        let plan = FinetunePlan::of(&config, sizes(), &[]);
        assert_eq!(plan.iterations, 3);
        assert_eq!(plan.responses_per_iteration, Some(5_000));
        assert_eq!(plan.updates_per_iteration, Some(16), "1000 pairs by 64");
        assert_eq!(plan.updates, Some(48));
        assert_eq!(plan.generated_tokens, Some(3 * 5_000 * 32));
        assert_eq!(plan.learnt_tokens, Some(3 * 1_000 * 2 * 128));
        assert_eq!(plan.evaluations, Some(1 + 3 + 4));
        assert_eq!(plan.evaluation_responses, 50, "as many as there are");
        assert_eq!(plan.models_kept, 4);
        assert_eq!(plan.time.seconds, None);
        let rows = JobPlan::Finetune(plan).rows();
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row("updates").shown, "48");
        assert_eq!(row("models of iterations").value, Some(12e6));
        assert_eq!(
            row("prompts per iteration").from,
            "of 6000 in prompts.jsonl"
        );
    }

    #[test]
    fn a_model_and_data_that_are_not_here_leave_amounts_unknown() {
        let config = config("sppo-arithmetic", &["data.path=prompts.jsonl"]);
        let config = FinetuneConfig {
            iterations: configs::finetune::IterationsConfig {
                prompts: None,
                ..config.iterations
            },
            data: configs::finetune::DataConfig {
                rows: None,
                ..config.data
            },
            ..config
        };
        let missing = FinetuneSizes {
            model: "owner/name".to_owned(),
            missing: "owner/name is not in the cache".to_owned(),
            counted: "cannot read prompts.jsonl".to_owned(),
            ..FinetuneSizes::default()
        };
        let plan = FinetunePlan::of(&config, missing, &[]);
        assert_eq!((plan.updates, plan.memory.clone()), (None, None));
        let rows = JobPlan::Finetune(plan).rows();
        let memory = rows.iter().find(|row| row.part == "memory").unwrap();
        assert_eq!(memory.shown, "unknown");
        assert!(memory.from.contains("not in the cache"));
        let updates = rows.iter().find(|row| row.name == "updates").unwrap();
        assert_eq!((updates.value, updates.shown.as_str()), (None, "unknown"));
    }

    #[test]
    fn time_comes_from_runs_of_the_same_model() {
        let wanted = config("sppo-arithmetic", &SMALL);
        let earlier = |config: FinetuneConfig, updates_per_second: f64| Earlier {
            id: "earlier".to_owned(),
            config: RunConfig::Finetune(config),
            steps: 48,
            steps_per_second: updates_per_second,
        };
        let other_model = FinetuneConfig {
            model: configs::finetune::ModelConfig {
                name: Some("another".to_owned()),
                ..wanted.model.clone()
            },
            ..wanted.clone()
        };
        let plan = |runs: &[Earlier]| FinetunePlan::of(&wanted, sizes(), runs).time;
        assert_eq!(plan(&[earlier(other_model, 4.0)]).seconds, None);
        let akin = FinetuneConfig {
            seed: 9,
            ..wanted.clone()
        };
        let time = plan(&[earlier(akin, 0.5)]);
        assert_eq!(time.seconds, Some(96.0));
        assert_eq!(
            time.from,
            "0.50 updates per second in 1 earlier run with these settings"
        );
        // A trial of a few updates says nothing of a whole run.
        let tiny = Earlier {
            steps: 2,
            ..earlier(wanted.clone(), 0.01)
        };
        let time = plan(std::slice::from_ref(&tiny));
        assert_eq!(time.seconds, None);
        assert!(
            time.from.contains("took 2 updates at most"),
            "{}",
            time.from
        );
        assert_eq!(
            plan(&[tiny, earlier(wanted.clone(), 0.5)]).seconds,
            Some(96.0)
        );
    }
}

fn searching() -> configs::search::SearchConfig {
    let mut config = configs::search::SearchConfig::default();
    config.model.name = Some("assets/searcher".to_owned());
    config.questions.count = Some(50);
    config.budget.tokens = Some(1_000);
    config.budget.tool_calls = Some(5);
    config
}

#[test]
fn a_search_is_planned_by_its_ceilings() {
    use tui::plan::{JobPlan, SearchPlan, SearchSizes};
    let mut config = searching();
    let shown = |config: &configs::search::SearchConfig, earlier: &[Earlier]| {
        let plan = JobPlan::Search(SearchPlan::of(config, SearchSizes::default(), earlier));
        move |name: &str| {
            let rows = plan.rows();
            let row = rows.iter().find(|row| row.name == name);
            row.map(|row| row.shown.clone()).unwrap_or_default()
        }
    };
    let plan = shown(&config, &[]);
    assert_eq!(plan("questions"), "50");
    assert_eq!(
        (plan("tokens"), plan("tool calls")),
        ("50k".to_owned(), "250".to_owned())
    );
    assert_eq!(
        (plan("model calls"), plan("money")),
        ("unknown".to_owned(), "$0".to_owned())
    );
    assert_eq!(plan("duration"), "unknown");
    // Output and calls have a price: at most 1,000 tokens and 5 calls for each question.
    config.prices.output_per_million = 2.0;
    config.prices.tool_unit = 0.005;
    assert_eq!(shown(&config, &[])("money"), "$1.350");
    // Prompts have one and are not counted: nothing bounds them.
    config.prices.input_per_million = 0.5;
    assert_eq!(shown(&config, &[])("money"), "unknown");
    config.budget.count = configs::search::TokenCount::InputPlusOutput;
    assert_eq!(shown(&config, &[])("money"), "$1.350");
    config.budget.dollars = Some(0.01);
    assert_eq!(shown(&config, &[])("money"), "$0.500");
    config.budget.seconds = Some(3.0);
    assert_eq!(shown(&config, &[])("duration"), "2m 30s");
    let mut before = config.clone();
    before.seed = 9;
    before.questions.count = Some(10);
    let earlier = [Earlier {
        id: "x".to_owned(),
        config: RunConfig::Search(before),
        steps: 1,
        steps_per_second: 0.5,
    }];
    assert_eq!(shown(&config, &earlier)("duration"), "1m 40s");
    config.questions.kind = configs::search::QuestionsKind::Text;
    assert_eq!(shown(&config, &[])("questions"), "1");
}

#[test]
fn budgets_of_a_sweep_are_read() {
    use tui::host::Budgets;
    let read = |text: &str| Budgets::read(text).map(|budgets| budgets.written());
    assert_eq!(
        read("500, 1_000,2000"),
        Ok("tokens=500,1000,2000".to_owned())
    );
    assert_eq!(read("tool_calls=0,5"), Ok("tool_calls=0,5".to_owned()));
    for (text, what) in [
        ("", "`` is no number"),
        ("0,1", "0 tokens allow nothing"),
        ("1,1", "1 is there twice"),
        ("seconds=1", "`seconds` is no resource"),
        ("1,x", "`x` is no number"),
    ] {
        let told = read(text).unwrap_err();
        assert!(told.contains(what) && told.contains("allowed"), "{told}");
    }
}
