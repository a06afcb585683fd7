//! A configuration written down and read back is the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use configs::{
    AlgorithmConfig, CheckpointConfig, DeviceChoice, EnvironmentConfig, EvaluationConfig,
    ExplorationConfig, FreeMode, HardTargetUpdate, LockstepMode, LoggingConfig, NetworkConfig,
    NetworkKind, OptimizerKind, ReplayConfig, RunConfig, RuntimeConfig, RuntimeMode,
    SoftTargetUpdate, TargetUpdate, TimeLimitAs, TrainConfig, validate,
};
use proptest::option;
use proptest::prelude::*;

prop_compose! {
    fn environment()(
        id in "[A-Za-z\"\\\\\u{e9}#= -]{0,12}x",
        time_limit in option::of(1_usize..=1_000),
        truncation: bool,
        flags: [bool; 3],
        sight in option::of(0_usize..=20),
        penalty in option::of(0.0..1e12_f64),
        normalize_reward: Option<bool>,
        observe_levels: Option<bool>,
    ) -> EnvironmentConfig {
        EnvironmentConfig {
            id,
            time_limit,
            time_limit_as: if truncation { TimeLimitAs::Truncation } else { TimeLimitAs::Termination },
            common_reward: flags[0],
            action_masks: flags[1],
            exact: flags[2],
            sight,
            penalty,
            normalize_reward,
            observe_levels,
        }
    }
}

prop_compose! {
    fn algorithm()(
        learning_rate in 1e-300..=1.0_f64,
        discount in 0.0..=1.0_f64,
        gradient_clip in 0.0..1e300_f64,
        flags: [bool; 3],
        target_update in prop_oneof![
            (1..=i64::MAX as u64).prop_map(|interval_updates| TargetUpdate::Hard(HardTargetUpdate { interval_updates })),
            (1e-9..=1.0_f64).prop_map(|rate| TargetUpdate::Soft(SoftTargetUpdate { rate })),
        ],
    ) -> AlgorithmConfig {
        AlgorithmConfig {
            learning_rate,
            optimizer: if flags[0] { OptimizerKind::Adam } else { OptimizerKind::Rmsprop },
            discount,
            double_q: flags[1],
            gradient_clip,
            standardise_rewards: flags[2],
            target_update,
            ..AlgorithmConfig::default()
        }
    }
}

prop_compose! {
    fn runtime()(
        actors in 1_usize..=8,
        environments_per_actor in 1_usize..=64,
        updates_per_episode in 1e-6..=1_000.0_f64,
        queue_capacity in 1_usize..=65_536,
        device in prop_oneof![
            Just(DeviceChoice::Auto),
            Just(DeviceChoice::Cpu),
            (0_usize..9).prop_map(DeviceChoice::Cuda),
        ],
        threads in 1_usize..=1_024,
        mode in prop_oneof![
            (0_u32..=1).prop_map(|lag_rounds| RuntimeMode::Lockstep(LockstepMode { lag_rounds })),
            (0..=i64::MAX as u64).prop_map(|max_staleness_updates| RuntimeMode::Free(FreeMode { max_staleness_updates })),
        ],
    ) -> RuntimeConfig {
        RuntimeConfig {
            actors,
            environments_per_actor,
            updates_per_episode,
            queue_capacity,
            device,
            threads,
            learner_shards: 1,
            mode,
        }
    }
}

prop_compose! {
    fn config()(
        seed in 0..=i64::MAX as u64,
        total_steps in 10_000..=i64::MAX as u64,
        max_updates in option::of(1..=i64::MAX as u64),
        environment in environment(),
        algorithm in algorithm(),
        runtime in runtime(),
        flags: [bool; 6],
        batch in 1_usize..=512,
        epsilon_end in 0.0..=1.0_f64,
        interval_secs in 1e-3..=3_600.0_f64,
    ) -> RunConfig {
        RunConfig::Train(TrainConfig {
            seed,
            total_steps,
            max_updates,
            environment,
            algorithm,
            network: NetworkConfig {
                kind: if flags[0] { NetworkKind::Gru } else { NetworkKind::FeedForward },
                hidden_size: batch,
                share_parameters: flags[1],
                agent_id: flags[1],
                last_action: flags[2],
            },
            replay: ReplayConfig { capacity_episodes: 512, batch_episodes: batch },
            exploration: ExplorationConfig { epsilon_start: 1.0, epsilon_end, anneal_steps: batch as u64 },
            runtime,
            evaluation: EvaluationConfig { episodes: batch, environments: 1, record_episode: flags[3], ..EvaluationConfig::default() },
            checkpoint: CheckpointConfig { keep_last: batch, ..CheckpointConfig::default() },
            logging: LoggingConfig { interval_updates: 1, interval_secs, tensorboard: flags[5] },
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::with_cases(256) })]

    #[test]
    fn toml_gives_the_same_configuration_back(config in config()) {
        prop_assert_eq!(validate(&config).iter().filter(|problem| problem.is_error()).count(), 0);
        let text = config.to_toml();
        prop_assert!(text.starts_with("version = 1\njob = \"train\"\nseed = "));
        let again = RunConfig::from_toml("config.toml", &text);
        prop_assert_eq!(again, Ok(config));
    }

    /// Whatever a file holds, loading it answers; it never panics.
    #[test]
    fn any_text_is_answered(text in "(version = 1\n)?(\\[?[a-z_.]{0,12}\\]?( ?= ?[\\[{\"']?[-0-9a-z.:é]{0,8}[\\]}\"']?)?\n){0,6}") {
        if let Err(problems) = RunConfig::from_toml("any.toml", &text) {
            prop_assert!(problems.iter().any(|problem| problem.is_error()));
        }
    }

    #[test]
    fn any_argument_is_answered(argument in "[a-z_.]{0,20}=?[-0-9a-z.:\\[{\"'= é]{0,12}") {
        let request = configs::LoadRequest { sets: vec![argument], ..Default::default() };
        if let Err(problems) = configs::load(&request) {
            prop_assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }
}
