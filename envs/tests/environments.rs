//! Every environment keeps the promises of the trait; ids, options, games and pictures.

#![allow(clippy::unwrap_used)]

use envs::numpy_random::Pcg64;
use envs::{EnvironmentError, EnvironmentOptions, LevelBounds, doors, render};
use proptest::prelude::*;

fn options() -> EnvironmentOptions {
    EnvironmentOptions::default()
}

#[test]
fn every_environment_passes_the_checks() {
    for id in [
        "Foraging-8x8-2p-2f-v3",
        "Foraging-2s-9x9-5p-2f-coop-pen-v1",
        "Foraging-grid-3s-8x8-3p-3f-ind-v2",
        "Climbing-v1",
        "Penalty-100-v1",
        "Chain-4-v1",
        "TwoStep-2-v1",
        "Rendezvous-5x5-3p-v1",
    ] {
        let mut environment = envs::make(id, &options()).unwrap();
        let report = doors::check(environment.as_mut(), 1, 300);
        assert!(report.passed(), "{report}");
        assert_eq!(report.checks.len(), 10);
    }
}

#[test]
fn the_nearest_id_is_offered() {
    for (wrong, right) in [
        ("Foragng-8x8-2p-2f-v3", "Foraging-8x8-2p-2f-v3"),
        (
            "foraging-8x8-2p-2f-coop-2s-v3",
            "Foraging-2s-8x8-2p-2f-coop-v3",
        ),
        ("Climbng-v1", "Climbing-v1"),
        ("Rendezvous-5x5-2-v1", "Rendezvous-5x5-2p-v1"),
    ] {
        match envs::make(wrong, &options()).err() {
            Some(EnvironmentError::UnknownId { nearest, .. }) => assert_eq!(nearest, right),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

#[test]
fn impossible_options_are_refused_with_what_is_allowed() {
    let refused =
        |id: &str, options: EnvironmentOptions| envs::make(id, &options).err().unwrap().to_string();
    assert_eq!(
        refused("Foraging-2x8-2p-2f-v3", options()),
        "environment option rows: 2 - allowed: 3 to 200 - food needs a cell off the border"
    );
    let slots = EnvironmentOptions {
        food_slots: Some(1),
        ..options()
    };
    assert!(refused("Foraging-8x8-2p-2f-v3", slots).contains("food_slots: 1 - allowed: 2 to 64"));
    let levels = EnvironmentOptions {
        max_player_level: Some(LevelBounds::Each(vec![1, 2, 3])),
        ..options()
    };
    assert!(refused("Foraging-8x8-2p-2f-v3", levels).contains("a list of 2 of them"));
    let levels = EnvironmentOptions {
        min_player_level: Some(LevelBounds::Same(5)),
        ..options()
    };
    assert!(refused("Foraging-8x8-2p-2f-v3", levels).contains("minimum not above maximum"));
    let penalty = EnvironmentOptions {
        penalty: Some(f64::NAN),
        ..options()
    };
    assert!(refused("Foraging-8x8-2p-2f-v3", penalty).contains("a finite number"));
    assert!(refused("Foraging-3x3-9p-1f-v3", options()).contains("players: 9"));
    assert!(refused("Rendezvous-2x2-4p-v1", options()).contains("2 to 3"));
    assert!(refused("Chain-2000-v1", options()).contains("0 to 1000"));
}

/// Returns of the team when both agents play a fixed joint action.
fn team_return(id: &str, joint: impl Fn(usize) -> [u8; 2]) -> f64 {
    let mut environment = envs::make(id, &options()).unwrap();
    environment.reset();
    let mut rewards = [0.0; 2];
    let mut total = 0.0;
    for step in 0.. {
        let flags = environment.step(&joint(step), &mut rewards).unwrap();
        total += rewards.iter().sum::<f64>();
        if flags.done() {
            break;
        }
    }
    total
}

#[test]
fn matrix_games_pay_what_their_source_says() {
    assert_eq!(team_return("Climbing-v1", |_| [0, 0]), 25.0 * 11.0);
    assert_eq!(team_return("Climbing-v1", |_| [0, 1]), 25.0 * -30.0);
    assert_eq!(team_return("Climbing-v1", |_| [1, 2]), 25.0 * 6.0);
    assert_eq!(team_return("Penalty-100-v1", |_| [2, 2]), 250.0);
    assert_eq!(team_return("Penalty-100-v1", |_| [0, 2]), -2500.0);
    assert_eq!(team_return("Penalty-7-v1", |_| [1, 1]), 50.0);
    // Four safe states and, in the middle, the climbing state.
    let best = |step: usize| {
        if step == 2 {
            [0, 0]
        } else {
            [(step % 3) as u8; 2]
        }
    };
    assert_eq!(team_return("Chain-4-v1", best), 15.0);
    let half = |step: usize| {
        if step == 2 {
            [2, 2]
        } else {
            [(step % 3) as u8, ((step + 1) % 3) as u8]
        }
    };
    assert_eq!(team_return("Chain-4-v1", half), 2.0 + 5.0);
}

#[test]
fn the_fork_of_the_two_step_game_leads_where_its_source_says() {
    let with = |fork: u8, then: [u8; 2]| {
        move |step: usize| match step {
            0 => [0, 0],
            1 => [fork, 2],
            2 => then,
            _ => [1, 1],
        }
    };
    // Two safe states pay one each; the fork itself pays nothing.
    assert_eq!(team_return("TwoStep-2-v1", with(0, [0, 2])), 2.0 + 7.0);
    assert_eq!(team_return("TwoStep-2-v1", with(1, [1, 1])), 2.0 + 8.0);
    assert_eq!(team_return("TwoStep-2-v1", with(1, [0, 1])), 2.0 + 1.0);
    assert_eq!(team_return("TwoStep-2-v1", with(2, [2, 2])), 2.0);
}

#[test]
fn meeting_ends_the_rendezvous_with_one_point() {
    let mut environment = envs::make("Rendezvous-5x5-3p-v1", &options()).unwrap();
    environment.seed(3);
    environment.reset();
    let mut rewards = [0.0; 3];
    let mut last = envs::StepFlags::default();
    // All go to the top left corner.
    for step in 0..8 {
        assert!(!last.done(), "met after {step} steps");
        last = environment
            .step(&[if step < 4 { 1 } else { 3 }; 3], &mut rewards)
            .unwrap();
        if last.terminated {
            break;
        }
    }
    assert!(last.terminated);
    assert_eq!(rewards, [1.0 / 3.0; 3]);
}

/// Walks the agents by the text alone and checks that a film of it is a GIF.
#[test]
fn scenes_become_text_pictures_and_films() {
    let mut environment = envs::make("Foraging-5x5-2p-1f-coop-v3", &options()).unwrap();
    let mut text = Vec::new();
    let policy = doors::RolloutPolicy::Random;
    let episodes = doors::rollout(environment.as_mut(), policy, 1, 7, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let first: String = text.lines().take(8).collect::<Vec<_>>().join("\n");
    let scene = &episodes[0].scenes[0];
    let agent = scene.marks.iter().find(|mark| mark.label == "A").unwrap();
    let line = first.lines().nth(2 + agent.row).unwrap();
    let at = 2 + 3 * agent.col;
    assert_eq!(line[at..at + 2], format!("A{}", agent.level.unwrap()));
    assert!(first.contains('*'), "{first}");

    let mut png = Vec::new();
    render::write_png(scene, &mut png).unwrap();
    assert_eq!(
        png[..8],
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n']
    );
    let picture = render::frame(scene);
    assert_eq!((picture.width, picture.height), (392, 466));
    let mut film = Vec::new();
    render::write_gif(&episodes[0].scenes, 200, &mut film).unwrap();
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(film.as_slice()).unwrap();
    let mut frames = 0;
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        assert_eq!(
            (usize::from(frame.width), usize::from(frame.height)),
            (picture.width, picture.height)
        );
        if frames == 0 {
            let dots = frame
                .buffer
                .chunks_exact(4)
                .flat_map(|dot| &dot[..3])
                .copied()
                .collect::<Vec<u8>>();
            assert!(
                dots == picture.pixels,
                "the first frame is the picture, colour for colour"
            );
        }
        frames += 1;
    }
    assert_eq!(frames, episodes[0].scenes.len());
    let empty = render::write_gif(&[], 200, &mut Vec::new())
        .unwrap_err()
        .to_string();
    assert_eq!(
        empty,
        "image: no scene to film - record at least one scene, and scenes of one size"
    );
}

#[test]
fn exact_starts_with_an_agent_pair_in_one_cell_are_drawn_side_by_side() {
    let mut environment = envs::make("Rendezvous-3x3-2p-v1", &options()).unwrap();
    let mut scene = environment.scene();
    environment.reset();
    scene
        .marks
        .iter_mut()
        .for_each(|mark| (mark.row, mark.col) = (1, 1));
    let text = render::text(&scene);
    assert!(text.contains("| .  AB .  |"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// No agent on a food, everything on the board, foods apart; rewards of a finished episode sum
    /// to 1; a restored copy continues bit for bit.
    #[test]
    fn foraging_keeps_its_invariants(
        side in 5_usize..12, players in 2_usize..6, foods in 1_usize..5, coop: bool,
        sight in 0_usize..4, version in 1_u8..4, seed in 0_u64..1000,
    ) {
        let sight = if sight == 0 { String::new() } else { format!("-{sight}s") };
        let coop = if coop { "-coop" } else { "" };
        let id = format!("Foraging{sight}-{side}x{side}-{players}p-{foods}f{coop}-v{version}");
        let long = EnvironmentOptions { time_limit: Some(3000), ..options() };
        let mut environment = envs::make(&id, &long).unwrap();
        let mut other = envs::make(&id, &long).unwrap();
        environment.seed(seed);
        environment.reset();
        let spec = environment.spec().clone();
        let mut random = Pcg64::seeded(seed);
        let (mut rewards, mut other_rewards) = (vec![0.0; players], vec![0.0; players]);
        let mut mask = vec![0; spec.joint_mask_size()];
        let (mut seen, mut other_seen) = (vec![0.0; spec.joint_observation_size()], vec![0.0; spec.joint_observation_size()]);
        let mut total = 0.0;
        for step in 0..3000 {
            environment.write_action_mask(&mut mask);
            let actions: Vec<u8> = mask.chunks_exact(6)
                .map(|mask| if mask[5] == 1 && random.integer(0, 8) > 0 { 5 } else { random.integer(0, 6) as u8 })
                .collect();
            let finished = if step % 500 == 7 {
                other.restore(&environment.save()).unwrap();
                let flags = other.step(&actions, &mut other_rewards).unwrap();
                prop_assert_eq!(flags, environment.step(&actions, &mut rewards).unwrap());
                prop_assert_eq!(&rewards, &other_rewards);
                other.write_observations(&mut other_seen);
                environment.write_observations(&mut seen);
                prop_assert_eq!(&seen, &other_seen);
                prop_assert_eq!(other.save(), environment.save());
                flags.terminated
            } else {
                environment.step(&actions, &mut rewards).unwrap().terminated
            };
            total += rewards.iter().sum::<f64>();
            let scene = environment.scene();
            let (foods, agents): (Vec<_>, Vec<_>) =
                scene.marks.iter().partition(|mark| mark.kind == envs::MarkKind::Food);
            prop_assert_eq!(agents.len(), players);
            for (index, food) in foods.iter().enumerate() {
                prop_assert!((1..side - 1).contains(&food.row) && (1..side - 1).contains(&food.col));
                prop_assert!(agents.iter().all(|agent| (agent.row, agent.col) != (food.row, food.col)));
                for near in &foods[..index] {
                    prop_assert!(food.row.abs_diff(near.row) + food.col.abs_diff(near.col) > 2);
                }
            }
            prop_assert!(scene.marks.iter().all(|mark| mark.row < side && mark.col < side));
            if finished {
                break;
            }
        }
        let eaten = !environment.scene().marks.iter().any(|mark| mark.kind == envs::MarkKind::Food);
        prop_assert!(!eaten || (total - 1.0).abs() < 1e-12, "{} sums to {}", id, total);
    }
}
