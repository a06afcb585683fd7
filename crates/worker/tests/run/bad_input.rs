//! Bad input is a case: a message, the right exit code, nothing lost.

use std::fs;
use std::process::Command;

use tracking::RunState;

use crate::folder::{TestRun, outcome, worker};

#[test]
fn a_folder_in_use_is_refused_and_left_alone() {
    let run = TestRun::new(&[]);
    let _lock = run.folder.lock().unwrap();
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 3);
    assert!(message.contains("in use by"), "{message}");
    assert!(
        message.contains(&std::process::id().to_string()),
        "{message}"
    );
}

#[test]
fn a_missing_gpu_is_exit_3_with_a_mend() {
    let run = TestRun::new(&["runtime.device=cuda:99"]);
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 3);
    assert!(message.contains("--device cpu"), "{message}");
    let status = run.folder.status().unwrap();
    assert_eq!(
        (status.state, status.exit_code),
        (RunState::Failed, Some(3))
    );
    assert!(status.message.contains("--device cpu"));
}

#[test]
fn a_truncated_checkpoint_is_named() {
    for file in [
        "learner.safetensors",
        "replay.safetensors",
        "state.json",
        "actors.safetensors",
    ] {
        let run = TestRun::new(&[]);
        assert_eq!(outcome(&run.run()).0, 0);
        let (_, checkpoint) = run.folder.checkpoints().into_iter().max().unwrap();
        let path = checkpoint.join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let (code, message) = outcome(&run.resume());
        assert_eq!(code, 2, "{message}");
        assert!(
            message.contains(file) && message.contains("earlier checkpoint"),
            "{message}"
        );
    }
}

#[test]
fn a_checkpoint_of_another_network_is_refused_with_both_shapes() {
    let run = TestRun::new(&[]);
    assert_eq!(outcome(&run.run()).0, 0);
    let config = fs::read_to_string(run.folder.config()).unwrap();
    assert!(config.contains("hidden_size = 16"));
    fs::write(
        run.folder.config(),
        config.replace("hidden_size = 16", "hidden_size = 24"),
    )
    .unwrap();
    let (code, message) = outcome(&run.resume());
    assert_eq!(code, 2);
    assert!(
        message.contains("[16, ") && message.contains("[24, "),
        "{message}"
    );
}

#[test]
fn resuming_without_a_checkpoint_says_so() {
    let run = TestRun::new(&[]);
    let (code, message) = outcome(&run.resume());
    assert_eq!(code, 3);
    assert!(message.contains("no checkpoint"), "{message}");
}

#[test]
fn a_damaged_config_lists_its_problems() {
    let run = TestRun::new(&[]);
    let config = fs::read_to_string(run.folder.config()).unwrap();
    let config = config.replace("learning_rate = 0.0003", "learning_rate = -1.0");
    fs::write(
        run.folder.config(),
        config.replace("batch_episodes = 8", "batch_episodes = 0"),
    )
    .unwrap();
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 2);
    assert!(
        message.contains("learning_rate") && message.contains("batch_episodes"),
        "{message}"
    );
}

#[test]
fn an_exploding_loss_is_exit_4_and_names_the_step() {
    // Rewards whose squares f32 cannot hold; the first checkpoint comes before the first update.
    let run = TestRun::new(&[
        "environment.id=Foraging-5x5-2p-1f-v3",
        "environment.penalty=1e38",
        "algorithm.standardise_rewards=false",
        "replay.batch_episodes=64",
        "checkpoint.interval_steps=80",
    ]);
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 4, "{message}");
    assert!(
        message.contains("update ") && message.contains("checkpoint"),
        "{message}"
    );
    assert!(message.contains("learning_rate"), "{message}");
}

/// A limit on the size of files stands in for a full disk: writes fail with EFBIG.
#[test]
fn a_full_disk_stops_at_the_checkpoint_with_exit_3_and_leaves_the_folder_readable() {
    let run = TestRun::new(&["checkpoint.interval_steps=500"]);
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" run --run-dir \"$1\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(worker())
        .arg(run.folder.path())
        .output()
        .unwrap();
    let (code, message) = outcome(&output);
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains("safetensors") || message.contains("ckpt"),
        "{message}"
    );
    assert!(
        run.folder.checkpoints().is_empty(),
        "a half-written checkpoint stayed"
    );
    assert!(!run.events().is_empty());
}

#[test]
fn a_read_only_folder_is_exit_3() {
    let run = TestRun::new(&[]);
    let (code, message) = {
        let lock = run.folder.lock_file();
        let _ = fs::remove_file(&lock);
        fs::create_dir(&lock).unwrap(); // also stops the superuser, unlike permissions
        outcome(&run.run())
    };
    assert_eq!(code, 3, "{message}");
}

#[test]
fn scoring_names_what_there_is() {
    let run = TestRun::new(&[]);
    let eval = |checkpoint: &str| {
        let output = Command::new(worker())
            .args([
                "eval",
                "--episodes",
                "4",
                "--checkpoint",
                checkpoint,
                "--run-dir",
            ])
            .arg(run.folder.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), output)
    };
    let (code, output) = eval("best");
    assert_eq!(code, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no checkpoint yet"));
    assert_eq!(outcome(&run.run()).0, 0);
    let (code, output) = eval("step-7");
    assert_eq!(code, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("this run has: best, step-"));
    let (code, output) = eval("best");
    assert_eq!(code, 0);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["returns"].as_array().unwrap().len(), 4);
}
