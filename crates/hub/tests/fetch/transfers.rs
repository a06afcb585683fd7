//! Whole, broken and damaged transfers.

use std::fs;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use hub::{DownloadEvent, Hub, HubError, HuggingFace, Token};

use crate::{Place, name};
use testkit::loopback_hub::{COMMIT, Fault, Server, WEIGHTS};

#[test]
fn only_needed_files_arrive_in_the_layout_of_the_python_tools() {
    let place = Place::new();
    let (result, events) = place.watched();
    let fetched = result.expect("a model");
    assert_eq!(fetched.commit, COMMIT);
    assert_eq!(
        fetched.folder,
        place
            .cache
            .path()
            .join("models--owner--tiny/snapshots")
            .join(COMMIT)
    );
    assert_eq!(
        place.cached(&format!("snapshots/{COMMIT}")),
        ["config.json", "generation_config.json", WEIGHTS]
    );
    let reference = place.cache.path().join("models--owner--tiny/refs/main");
    assert_eq!(fs::read_to_string(reference).expect("a reference"), COMMIT);
    for file in ["config.json", "generation_config.json", WEIGHTS] {
        let path = fetched.folder.join(file);
        assert_eq!(fs::read(&path).expect("a file"), place.server.content(file));
        let target = fs::read_link(&path).expect("a link");
        assert!(target.starts_with("../../blobs"), "{}", target.display());
    }
    let total: u64 = ["config.json", "generation_config.json", WEIGHTS]
        .iter()
        .map(|file| place.server.content(file).len() as u64)
        .sum();
    assert_eq!(fetched.transferred, total);
    assert_eq!(
        events[0],
        DownloadEvent::Planned {
            files: 3,
            bytes: total,
            present: 0
        }
    );
    let last = events.last().expect("steps");
    assert!(
        matches!(last, DownloadEvent::Finished { file, cached: false, .. } if file == "config.json")
    );
    // Each file's progress reaches its size.
    let size = place.server.content(WEIGHTS).len() as u64;
    assert!(events.iter().any(|event| matches!(event,
        DownloadEvent::Advanced { file, done, bytes } if file == WEIGHTS && *done == size && *bytes == size)));
}

#[test]
fn a_second_fetch_asks_once_and_moves_nothing() {
    let place = Place::new();
    place.fetch().expect("a model");
    let before = place.server.all_seen();
    let fetched = place.fetch().expect("a model");
    assert_eq!(fetched.transferred, 0);
    assert_eq!(place.server.all_seen(), before + 1);
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped() {
    let place = Place::new();
    place
        .server
        .fault(WEIGHTS, [Fault::Cut(100_000), Fault::Cut(50_000)]);
    let (result, events) = place.watched();
    let fetched = result.expect("a model");
    let ranges: Vec<_> = place
        .server
        .seen(WEIGHTS)
        .into_iter()
        .map(|seen| seen.range)
        .collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=100000-".to_owned()),
            Some("bytes=150000-".to_owned())
        ]
    );
    // Nothing came twice.
    let sizes: usize = ["config.json", "generation_config.json", WEIGHTS]
        .iter()
        .map(|file| place.server.content(file).len())
        .sum();
    assert_eq!(fetched.transferred, sizes as u64);
    let retries = events
        .iter()
        .filter(|event| matches!(event, DownloadEvent::Retrying { .. }));
    assert_eq!(retries.count(), 2);
}

#[test]
fn a_later_fetch_goes_on_too() {
    let place = Place::new();
    place.server.fault(
        WEIGHTS,
        [
            Fault::Cut(120_000),
            Fault::Cut(0),
            Fault::Cut(0),
            Fault::Cut(0),
        ],
    );
    let error = place.fetch().expect_err("cut off");
    assert!(
        matches!(error, HubError::Cut { have: 120_000, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("goes on at 120000 of 300"),
        "{error}"
    );
    assert!(place.hub().locate(&name(), "main").is_err());
    place.fetch().expect("a model");
    let last = place.server.seen(WEIGHTS).pop().expect("a request");
    assert_eq!(last.range.as_deref(), Some("bytes=120000-"));
}

#[test]
fn a_server_without_ranges_makes_a_clean_restart() {
    let place = Place::new();
    place
        .server
        .fault(WEIGHTS, [Fault::Cut(100_000), Fault::WholeFile]);
    let fetched = place.fetch().expect("a model");
    assert_eq!(
        fs::read(fetched.folder.join(WEIGHTS)).expect("a file"),
        place.server.content(WEIGHTS)
    );
}

#[test]
fn damaged_bytes_never_reach_the_cache() {
    for (file, fault, told) in [
        (WEIGHTS, Fault::Corrupt, "SHA-256"),
        (
            "generation_config.json",
            Fault::Text("{\"eos_token_id\":[1,3]}"),
            "git hash",
        ),
        (WEIGHTS, Fault::Overlong, "instead of"),
    ] {
        let place = Place::new();
        place.server.fault(file, [fault]);
        let error = place.fetch().expect_err("damaged");
        assert!(matches!(error, HubError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(
            !place
                .cached(&format!("snapshots/{COMMIT}"))
                .contains(&file.to_owned())
        );
        assert!(
            !place
                .cached("blobs")
                .iter()
                .any(|blob| blob.ends_with(".incomplete"))
        );
        // The next one is clean.
        let fetched = place.fetch().expect("a model");
        let held = fs::read(fetched.folder.join(file)).expect("a file");
        assert_eq!(held, place.server.content(file));
    }
}

#[test]
fn a_damaged_beginning_is_thrown_away_and_fetched_again() {
    let place = Place::new();
    place.server.fault(
        WEIGHTS,
        [
            Fault::Cut(100_000),
            Fault::Cut(0),
            Fault::Cut(0),
            Fault::Cut(0),
        ],
    );
    place.fetch().expect_err("cut off");
    let blobs = place.cache.path().join("models--owner--tiny/blobs");
    let part = place
        .cached("blobs")
        .into_iter()
        .find(|blob| blob.ends_with(".incomplete"))
        .expect("a part");
    fs::write(blobs.join(part), vec![0; 100_000]).expect("a damaged part");
    let fetched = place.fetch().expect("a model");
    assert_eq!(
        fs::read(fetched.folder.join(WEIGHTS)).expect("a file"),
        place.server.content(WEIGHTS)
    );
}

#[test]
fn a_server_that_goes_on_with_other_bytes_is_given_up() {
    let place = Place::new();
    let turns = [Fault::Cut(100_000), Fault::Corrupt];
    place
        .server
        .fault(WEIGHTS, turns.into_iter().cycle().take(10));
    let error = place.fetch().expect_err("damaged");
    assert!(matches!(error, HubError::Damaged { .. }), "{error}");
    assert_eq!(place.server.seen(WEIGHTS).len(), 4);
}

#[test]
fn a_damaged_blob_is_found_and_removed() {
    let place = Place::new();
    let fetched = place.fetch().expect("a model");
    let weights = fetched.folder.join(WEIGHTS);
    let mut bytes = fs::read(&weights).expect("weights");
    bytes[200] ^= 1;
    fs::write(&weights, bytes).expect("damage");
    let damaged = place.hub().verify(&name(), "main").expect("a check");
    assert_eq!(damaged, [WEIGHTS]);
    assert!(!weights.exists());
    place.fetch().expect("a model");
    assert_eq!(
        fs::read(&weights).expect("weights"),
        place.server.content(WEIGHTS)
    );
    // A blob that lost its end is seen without reading it.
    fs::write(&weights, b"short").expect("damage");
    place.fetch().expect("a model");
    assert_eq!(
        fs::read(&weights).expect("weights"),
        place.server.content(WEIGHTS)
    );
}

#[test]
fn a_silent_server_is_noticed_and_the_transfer_goes_on() {
    let place = Place::new();
    place.server.fault(WEIGHTS, [Fault::Stall(150_000)]);
    let start = Instant::now();
    let (result, events) = place.watched();
    result.expect("a model");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert!(events.iter().any(|event| matches!(event,
        DownloadEvent::Retrying { reason, .. } if reason.contains("sent nothing for 0.4 s"))));
    let last = place.server.seen(WEIGHTS).pop().expect("a request");
    assert_eq!(last.range.as_deref(), Some("bytes=150000-"));
}

#[test]
fn a_server_that_stays_silent_is_given_up() {
    let place = Place::new();
    place.server.fault("revision/main", [Fault::Stall(0)]);
    let error = place.fetch().expect_err("silence");
    assert!(matches!(error, HubError::Stalled { .. }), "{error}");
    place
        .server
        .fault(WEIGHTS, [Fault::Stall(0), Fault::Stall(0), Fault::Stall(0)]);
    let error = place.fetch().expect_err("silence");
    assert!(matches!(error, HubError::Stalled { .. }), "{error}");
}

#[test]
fn a_failing_server_is_tried_again() {
    let place = Place::new();
    place.server.fault(
        WEIGHTS,
        [Fault::Refuse(503, vec![]), Fault::Refuse(502, vec![])],
    );
    place.fetch().expect("a model");
    assert_eq!(place.server.seen(WEIGHTS).len(), 3);
}

#[test]
fn a_watcher_stops_a_download_and_the_next_one_goes_on() {
    let place = Place::new();
    // The part that came before the cut is here when it is stopped.
    place.server.fault(WEIGHTS, [Fault::Cut(100_000)]);
    let error = place
        .hub()
        .fetch(&name(), "main", &mut |event| match event {
            DownloadEvent::Retrying { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .expect_err("stopped");
    assert!(matches!(error, HubError::Cancelled), "{error}");
    place.fetch().expect("a model");
    let last = place.server.seen(WEIGHTS).pop().expect("a request");
    assert_eq!(last.range.as_deref(), Some("bytes=100000-"));
}

#[test]
fn another_thread_stops_a_download_while_the_server_is_silent() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.stall = Duration::from_secs(15);
    place.server.fault(WEIGHTS, [Fault::Stall(1000)]);
    let hub = HuggingFace::new(settings);
    let stop = hub.stop();
    let start = Instant::now();
    let result = thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            while place.server.seen(WEIGHTS).is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(Duration::from_millis(50));
            stop.stop();
        });
        let result = hub.fetch(&name(), "main", &mut |_| ControlFlow::Continue(()));
        stopper.join().expect("the stopper");
        result
    });
    assert!(matches!(result, Err(HubError::Cancelled)), "{result:?}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_token_goes_to_the_hub_and_to_no_other_host() {
    let place = Place::new();
    let elsewhere = Server::start();
    // Another name of the same machine is another host.
    let address = elsewhere.address().replace("127.0.0.1", "localhost");
    let to = format!("{address}/owner/tiny/resolve/{COMMIT}/{WEIGHTS}");
    place.server.fault(WEIGHTS, [Fault::Redirect(to)]);
    let mut settings = place.settings();
    settings.token = Token::new("hf_key");
    HuggingFace::new(settings)
        .fetch(&name(), "main", &mut |_| ControlFlow::Continue(()))
        .expect("a model");
    assert!(place.server.seen("revision/main")[0].authorised);
    assert!(place.server.seen(WEIGHTS)[0].authorised);
    let there = elsewhere.seen(WEIGHTS);
    assert_eq!(there.len(), 1);
    assert!(!there[0].authorised);
}

#[test]
fn a_server_that_lists_no_hashes_is_asked_for_each_file() {
    let place = Place::new();
    place.server.be_terse();
    place.server.fault(WEIGHTS, []);
    place.fetch().expect("a model");
    let heads = place.server.seen(WEIGHTS);
    assert_eq!(heads[0].method, "HEAD");
    assert_eq!(place.server.seen("README.md").len(), 0);
}
