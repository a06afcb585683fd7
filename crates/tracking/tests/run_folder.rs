//! Making, finding and locking run folders.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tracking::{NewRun, RunFolder, RunState, TrackingError};

fn named(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        job: "train".into(),
        algorithm: "iql".into(),
        seed: 7,
        config_toml: "version = 1\n".into(),
        total_steps: 1000,
        ..NewRun::default()
    }
}

#[test]
fn a_new_run_is_complete_readable_and_unique() {
    let root = tempfile::tempdir().unwrap();
    let runs: Vec<RunFolder> = (0..3)
        .map(|_| RunFolder::create(root.path(), &named("IQL, LBF coop (s7)")).unwrap())
        .collect();
    for run in &runs {
        let id = run.id();
        let (stamp, name) = id.split_at(15);
        assert!(
            stamp.chars().all(|c| c.is_ascii_digit() || c == '-'),
            "{id}"
        );
        assert!(name.starts_with("-iql-lbf-coop-s7"), "{id}");
        assert_eq!(fs::read_to_string(run.config()).unwrap(), "version = 1\n");
        assert_eq!(fs::read_to_string(run.origin()).unwrap(), "{}\n");
        assert_eq!(run.status().unwrap().state, RunState::Queued);
        let meta = run.meta().unwrap();
        assert_eq!((meta.id, meta.seed, meta.version), (id, 7, 1));
        assert!(run.tensorboard().is_dir() && run.media().is_dir());
    }
    let mut ids: Vec<String> = runs.iter().map(RunFolder::id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(RunFolder::list(root.path()).unwrap().len(), 3);
    let hidden = fs::read_dir(root.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
}

#[test]
fn names_of_any_alphabet_make_a_plain_id() {
    let root = tempfile::tempdir().unwrap();
    for (name, part) in [
        ("../../etc/passwd", "-etc-passwd"),
        ("\u{1F980}\u{6F22}\u{5B57}", "-run"),
        ("", "-run"),
        ("a b\n c", "-a-b-c"),
    ] {
        let run = RunFolder::create(root.path(), &named(name)).unwrap();
        assert!(
            run.id()[15..].starts_with(part),
            "{} for {name:?}",
            run.id()
        );
        assert_eq!(run.path().parent(), Some(root.path()));
    }
    let long = RunFolder::create(root.path(), &named(&"x".repeat(500))).unwrap();
    assert_eq!(long.id().len(), 16 + 64);
}

#[test]
fn a_run_is_found_by_path_id_part_and_last_and_a_typo_gets_an_offer() {
    let root = tempfile::tempdir().unwrap();
    let first = RunFolder::create(root.path(), &named("alpha")).unwrap();
    let second = RunFolder::create(root.path(), &named("beta")).unwrap();
    let find = |reference: &str| RunFolder::find(root.path(), reference);
    assert_eq!(find(&first.id()).unwrap(), first);
    assert_eq!(find("alp").unwrap(), first);
    assert_eq!(find(&second.path().to_string_lossy()).unwrap(), second);
    assert_eq!(
        find("last").unwrap(),
        RunFolder::list(root.path()).unwrap()[1]
    );
    let message = find("alhpa").unwrap_err().to_string();
    assert!(
        message.contains("no such run: alhpa") && message.contains(&first.id()),
        "{message}"
    );
    let message = find("a").unwrap_err().to_string();
    assert!(
        message.contains("ambiguous") && message.contains(&second.id()),
        "{message}"
    );
    let message = RunFolder::find(&root.path().join("none"), "x")
        .unwrap_err()
        .to_string();
    assert!(message.contains("holds no runs"), "{message}");
}

#[test]
fn other_folders_are_no_runs() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("notes")).unwrap();
    assert!(RunFolder::list(root.path()).unwrap().is_empty());
    assert!(
        RunFolder::list(&root.path().join("missing"))
            .unwrap()
            .is_empty()
    );
    let error = RunFolder::open(&root.path().join("notes")).unwrap_err();
    assert!(matches!(error, TrackingError::NotARunFolder { .. }));
}

#[test]
fn a_second_writer_is_told_who_holds_the_run() {
    let root = tempfile::tempdir().unwrap();
    let run = RunFolder::create(root.path(), &named("locked")).unwrap();
    let lock = run.lock().unwrap();
    let message = run.lock().unwrap_err().to_string();
    assert!(
        message.contains(&format!("in use by pid {}", std::process::id())),
        "{message}"
    );
    drop(lock);
    run.lock().unwrap();
}

#[test]
fn checkpoints_are_listed_by_step() {
    let root = tempfile::tempdir().unwrap();
    let run = RunFolder::create(root.path(), &named("ckpt")).unwrap();
    for name in ["step-1000", "step-200", ".tmp-step-3000", "other"] {
        fs::create_dir(run.checkpoints_folder().join(name)).unwrap();
    }
    let steps: Vec<u64> = run
        .checkpoints()
        .into_iter()
        .map(|(step, _)| step)
        .collect();
    assert_eq!(steps, [200, 1000]);
    assert_eq!(run.checkpoint(200), run.checkpoints()[0].1);
}

#[test]
fn an_unwritable_root_is_an_error_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let message = RunFolder::create(&file.join("runs"), &named("x"))
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("cannot create the run folder: "),
        "{message}"
    );

    let locked = root.path().join("read-only");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        println!("skipped: this user may write to read-only folders");
        return;
    }
    let message = RunFolder::create(&locked, &named("x"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("--run-dir"), "{message}");
}
