//! The screens of models and of the chat on a pseudo-terminal, with a hub and a worker of the tests.
//!
//! Cells that stay as they were are not drawn again: what is waited for stands where other letters, or
//! none, stood before.

use testkit::loopback_hub::{COMMIT, Fault, Server, WEIGHTS};

use crate::dashboard::{NO_RUNS, Screen};
use crate::harness::{Place, eventually};
use crate::models::server;

/// A terminal of 120x40 whose hub is this server.
fn screen(place: &Place, server: &Server, behaviour: &str) -> Screen {
    let home = place.path().join("hf").display().to_string();
    let address = server.address();
    let environment = [
        ("HF_HOME", home.as_str()),
        ("HF_ENDPOINT", address.as_str()),
        ("HF_HUB_OFFLINE", ""),
        ("TRANSFORMERS_OFFLINE", ""),
        ("HF_HUB_CACHE", ""),
    ];
    let mut screen = Screen::of_size(place, behaviour, &[], (120, 40), &environment);
    screen.until(NO_RUNS);
    screen.press("M");
    screen
}

fn fetched(place: &Place, server: &Server, behaviour: &str) -> Screen {
    let mut screen = screen(place, server, behaviour);
    screen.until("No models in");
    screen.press("fowner/tiny\r");
    screen.until("owner/tiny is here");
    screen
}

#[test]
fn a_model_is_fetched_inspected_previewed_and_removed() {
    let (place, server) = (Place::new(), server());
    let mut screen = fetched(&place, &server, "");
    // Facts of `concord model inspect`, files, and the template's own words.
    screen.until("weight files");
    screen.press("p");
    screen.until("<|im_start|>assistant");
    screen.press("Downer/tiny\r");
    screen.until("are free");
    screen.until("No models in");
    let snapshots = place.path().join("hf/hub/models--owner--tiny");
    assert!(!snapshots.exists());
    screen.press("qq");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_download_is_cancelled_kept_and_goes_on_later() {
    let (place, server) = (Place::new(), server());
    server.fault(WEIGHTS, [Fault::Stall(100_000)]);
    let mut screen = screen(&place, &server, "");
    screen.until("No models in");
    screen.press("fowner/tiny\r");
    screen.until("fetching tiny");
    screen.until(WEIGHTS);
    // Leaving asks, since it is under way.
    screen.press("qq");
    screen.until("Leave while this is fetched?");
    // Not Esc: together with the key behind it, it would be an Alt.
    screen.press("nMx");
    screen.until("what has arrived is kept");
    let blobs = place.path().join("hf/hub/models--owner--tiny/blobs");
    let part = std::fs::read_dir(&blobs)
        .expect("blobs")
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().ends_with(".incomplete"));
    let kept = part.expect("a part").metadata().expect("its size").len();
    assert_eq!(kept, 100_000);
    screen.forget();
    screen.press("\u{1b}[Z");
    screen.until("r goes on");
    screen.press("r");
    screen.until("owner/tiny is here");
    let ranges: Vec<Option<String>> = server
        .seen(WEIGHTS)
        .into_iter()
        .map(|seen| seen.range)
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned())]);
    screen.press("qq");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_refusal_is_shown_whole_with_the_way_out() {
    let (place, server) = (Place::new(), server());
    let gated = vec![("X-Error-Code", "GatedRepo")];
    server.fault("revision/main", [Fault::Refuse(403, gated)]);
    let mut screen = screen(&place, &server, "");
    screen.until("No models in");
    screen.press("fowner/tiny\r");
    screen.until("accept its terms at");
    screen.press("\u{1b}[Z");
    screen.until("set HF_TOKEN to a token");
    screen.press("fnot a name\r");
    screen.until("no model name");
    screen.press("qq");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_chat_streams_shows_its_tokens_and_is_saved_for_preview() {
    let (place, server) = (Place::new(), server());
    let mut screen = fetched(&place, &server, "");
    screen.press("\r");
    screen.until("f32 cpu");
    screen.press("good morning\r");
    // Each word is drawn when it comes, with other cells between.
    screen.until("GOOD");
    screen.until("MORNING");
    screen.until("4 cached");
    screen.press("\u{1b}");
    screen.until("retry");
    screen.press("t");
    screen.until("77.9%");
    screen.until("17.4%");
    screen.press("w\r");
    let file = place.path().join("conversation.json");
    eventually("the file", || file.is_file());
    // What is said after it was saved is asked about again.
    screen.press("r");
    screen.press("q");
    screen.until("Leave the chat?");
    screen.press("y");
    screen.until(NO_RUNS);
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
    let snapshot = format!("hf/hub/models--owner--tiny/snapshots/{COMMIT}");
    let preview = place.run(&["model", "preview", &snapshot, "conversation.json"]);
    assert_eq!(preview.code, Some(0), "{}", preview.stderr);
    assert!(
        preview.stdout.contains("user\ngood morning"),
        "{}",
        preview.stdout
    );
}

#[test]
fn workers_that_die_hang_or_are_missing_freeze_nothing() {
    let (place, server) = (Place::new(), server());
    let mut dying = fetched(&place, &server, "dies");
    dying.press("\r");
    dying.until("f32 cpu");
    dying.press("hello\r");
    dying.until("out of memory - choose a smaller model");
    dying.press("\u{1b}");
    dying.until("retry");
    dying.press("q");
    dying.until("Leave the chat?");
    dying.press("y");
    dying.until(NO_RUNS);
    dying.press("q");
    assert_eq!(dying.end(), Some(0));

    let mut deaf = screen(&place, &server, "deaf");
    deaf.until("owner/tiny");
    deaf.press("\r");
    deaf.until("f32 cpu");
    deaf.press("on and on\r");
    deaf.until("AND");
    // Ctrl-c stops the answer, a second time the worker.
    deaf.press("\u{3}");
    deaf.press("\u{3}");
    deaf.until("r starts it again");
    deaf.press("\u{3}");
    deaf.until("Leave the chat?");
    deaf.press("y");
    deaf.until(NO_RUNS);
    deaf.press("q");
    assert_eq!(deaf.end(), Some(0));

    let mut mute = screen(&place, &server, "mute");
    mute.until("owner/tiny");
    mute.press("\r");
    mute.until("loading owner/tiny");
    mute.press("\u{1b}");
    mute.until("retry");
    mute.press("q");
    mute.until(NO_RUNS);
    mute.press("q");
    assert_eq!(mute.end(), Some(0));

    let nowhere = place.path().join("nowhere").display().to_string();
    let home = place.path().join("hf").display().to_string();
    let environment = [
        ("CONCORD_WORKER", nowhere.as_str()),
        ("HF_HOME", home.as_str()),
        ("HF_HUB_CACHE", ""),
    ];
    let mut missing = Screen::of_size(&place, "", &[], (120, 40), &environment);
    missing.until(NO_RUNS);
    missing.press(":chat owner/tiny\r");
    missing.until("cannot find concord-worker");
    missing.press("\u{1b}");
    missing.until("retry");
    missing.press("q");
    missing.until(NO_RUNS);
    missing.press("q");
    assert_eq!(missing.end(), Some(0));
}
