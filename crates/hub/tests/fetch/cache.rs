//! What is cached works without the server.

use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hub::{Hub, HubError, HuggingFace, ModelKind, Summary, cached_models, remove_cached};

use crate::{Place, name};
use testkit::loopback_hub::{COMMIT, Fault, WEIGHTS};

#[test]
fn a_cached_model_needs_no_request() {
    let place = Place::new();
    let fetched = place.fetch().expect("a model");
    let before = place.server.all_seen();
    let mut settings = place.settings();
    settings.offline = true;
    let hub = HuggingFace::new(settings);
    let start = Instant::now();
    assert_eq!(
        hub.locate(&name(), "main").ok(),
        Some(fetched.folder.clone())
    );
    assert_eq!(
        hub.locate(&name(), COMMIT).ok(),
        Some(fetched.folder.clone())
    );
    let offline = hub
        .fetch(&name(), "main", &mut |_| ControlFlow::Continue(()))
        .expect("a model");
    assert_eq!(offline.folder, fetched.folder);
    assert!(start.elapsed() < Duration::from_secs(1));
    // A whole commit never changes: nothing is asked with a network either.
    place
        .hub()
        .fetch(&name(), COMMIT, &mut |_| ControlFlow::Continue(()))
        .expect("a model");
    assert_eq!(place.server.all_seen(), before);
}

#[test]
fn the_cache_stands_in_for_a_server_that_fails() {
    let place = Place::new();
    place.fetch().expect("a model");
    for fault in [
        Fault::Refuse(503, vec![]),
        Fault::Refuse(429, vec![]),
        Fault::Stall(0),
    ] {
        place.server.fault("revision/main", [fault]);
        let fetched = place.fetch().expect("the cached model");
        assert!(fetched.stale.is_some());
    }
    // A refusal is no failure of the network.
    place
        .server
        .fault("revision/main", [Fault::Refuse(404, vec![])]);
    assert!(place.fetch().is_err());
}

#[test]
fn what_is_missing_is_named_offline() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.offline = true;
    let hub = HuggingFace::new(settings);
    let told = || match hub.fetch(&name(), "main", &mut |_| ControlFlow::Continue(())) {
        Err(error @ HubError::NotCached { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let text = told();
    assert!(
        text.contains("never fetched") && text.contains("HF_HUB_OFFLINE is unset"),
        "{text}"
    );
    assert_eq!(place.server.all_seen(), 0);
    // Cut off in the weights: the config, fetched last, is not there.
    place.server.fault(
        WEIGHTS,
        [Fault::Cut(10), Fault::Cut(0), Fault::Cut(0), Fault::Cut(0)],
    );
    place.fetch().expect_err("cut off");
    assert!(told().contains("never fetched"));
    let fetched = place.fetch().expect("a model");
    fs::remove_file(fetched.folder.join("config.json")).expect("a file");
    assert!(told().contains("config.json is missing"));
    place.fetch().expect("a model");
    fs::write(fetched.folder.join(WEIGHTS), b"short").expect("damage");
    assert!(told().contains("cut off"));
}

#[test]
fn the_list_of_the_cache_tells_size_and_family() {
    let place = Place::new();
    assert_eq!(cached_models(place.cache.path()), vec![]);
    place.fetch().expect("a model");
    let entries = cached_models(place.cache.path());
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry.name, name());
    assert_eq!(entry.revisions, ["main"]);
    assert_eq!(entry.commit, COMMIT);
    assert_eq!(entry.summary.family.as_deref(), Some("llama"));
    assert_eq!(entry.summary.parameters, Some(75_000));
    assert_eq!(entry.summary.problem, None);
    let sizes: usize = ["config.json", "generation_config.json", WEIGHTS]
        .iter()
        .map(|file| place.server.content(file).len())
        .sum();
    assert_eq!(entry.summary.bytes, sizes as u64);
    fs::remove_file(entry.folder.join(WEIGHTS)).expect("a file");
    let problem = cached_models(place.cache.path())[0].summary.problem.clone();
    assert!(problem.is_some_and(|text| text.contains("model.safetensors")));
}

#[test]
fn kinds_templates_and_adapters_are_recognised() {
    let place = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(place.path().join(name), text).expect("a file");
        Summary::of(place.path())
    };
    let adapter = write(
        "adapter_config.json",
        r#"{"base_model_name_or_path":"a/b"}"#,
    );
    assert_eq!(adapter.kind, ModelKind::Adapter);
    assert_eq!(adapter.family.as_deref(), Some("a/b"));
    assert_eq!(adapter.problem, None);
    let told = |architecture: &str| {
        let text = format!(r#"{{"model_type":"llama","architectures":["{architecture}"]}}"#);
        write("config.json", &text)
    };
    assert_eq!(told("LlamaForCausalLM").kind, ModelKind::Language);
    let reward = told("LlamaForSequenceClassification");
    assert_eq!(reward.kind, ModelKind::Reward);
    assert!(!reward.template);
    assert!(reward.problem.is_some_and(|text| text.contains("weights")));
    assert_eq!(told("BertModel").kind, ModelKind::Other);
    assert!(write("chat_template.jinja", "{{ messages[0].content }}").template);
    assert!(!write("chat_template.jinja", "{% if %}").template);
}

#[cfg(unix)]
#[test]
fn a_snapshot_is_removed_with_what_only_it_uses() {
    let place = Place::new();
    let fetched = place.fetch().expect("a model");
    let cache = place.cache.path();
    // Another snapshot shares the weights.
    let other = "f".repeat(40);
    let folder = fetched.folder.with_file_name(&other);
    fs::create_dir(&folder).expect("a folder");
    let blob = fs::read_link(fetched.folder.join(WEIGHTS)).expect("a link");
    std::os::unix::fs::symlink(&blob, folder.join(WEIGHTS)).expect("a link");
    let small: usize = ["config.json", "generation_config.json"]
        .iter()
        .map(|file| place.server.content(file).len())
        .sum();
    assert_eq!(
        remove_cached(cache, &name(), COMMIT).ok(),
        Some(small as u64)
    );
    assert!(!fetched.folder.exists());
    assert!(folder.join(WEIGHTS).exists());
    assert_eq!(place.cached("refs"), Vec::<String>::new());
    let gone = remove_cached(cache, &name(), COMMIT).expect_err("it is gone");
    assert!(matches!(gone, HubError::NotCached { .. }), "{gone}");
    let weights = place.server.content(WEIGHTS).len();
    assert_eq!(
        remove_cached(cache, &name(), &other).ok(),
        Some(weights as u64)
    );
    assert!(!cache.join("models--owner--tiny").exists());
    for commit in ["..", "../../x", "a/b"] {
        assert!(remove_cached(cache, &name(), commit).is_err(), "{commit}");
    }
}

#[test]
fn a_model_that_is_being_fetched_is_not_removed() {
    let place = Place::new();
    let fetched = place.fetch().expect("a model");
    let locks = place.cache.path().join(".locks/models--owner--tiny");
    let lock = fs::read_dir(&locks).expect("locks").flatten().next();
    let path = lock.expect("a lock").path();
    let held = fs::File::options().append(true).open(path).expect("a lock");
    held.lock().expect("nobody has it");
    let refused = remove_cached(place.cache.path(), &name(), COMMIT).expect_err("it is held");
    assert!(matches!(refused, HubError::Busy { .. }), "{refused}");
    assert!(fetched.folder.join(WEIGHTS).exists());
}
