use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;

use tracking::NewRun;
use tracking::control::{ControlServer, LiveFrame, LiveStage};

use super::*;

fn none(_: &serde_json::Value) -> Option<WorldFrame> {
    None
}

fn captions(value: &serde_json::Value) -> Option<WorldFrame> {
    let mut frame = WorldFrame::from_text("A1");
    frame.caption = format!(
        "step {} {}",
        value.get("step")?,
        value.get("actions").is_some()
    );
    Some(frame)
}

fn run(root: &Path) -> RunFolder {
    RunFolder::create(root, &NewRun::default()).expect("a run")
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// One reading: what was told, and how long it would wait.
fn read(reader: &mut Reader, render: &SceneRenderer) -> (Vec<Seen>, Option<Duration>) {
    let told = RefCell::new(Vec::new());
    let wait = reader.read(render, &|seen| {
        told.borrow_mut().push(seen);
        true
    });
    (told.into_inner(), wait)
}

fn world(run: &RunFolder, episode: Option<&str>, live: Option<usize>) -> Look {
    Look::World {
        run: run.id(),
        episode: episode.map(str::to_owned),
        map: None,
        live,
    }
}

#[test]
fn episodes_and_maps_are_listed_and_read_by_name() {
    let root = tempfile::tempdir().expect("a folder");
    let run = run(root.path());
    let media = run.media();
    for name in ["step-900", "step-10000", "best"] {
        write(
            &media.join(format!("episodes/{name}.jsonl")),
            "{\"step\":1}\n{\"step\":2}\n",
        );
    }
    let map = r#"{"rows":1,"cols":1,"decisions":{"visits":2,"calls":1},"cells":[{"visits":2,"calls":1}]}"#;
    write(&media.join("calls/step-900.json"), map);
    let mut reader = Reader::of(root.path(), world(&run, None, None));
    let (told, wait) = read(&mut reader, &captions);
    assert_eq!(wait, Some(LIST_EVERY));
    let [
        Seen::Recorded { episodes, maps, .. },
        Seen::Map { name, map, .. },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(episodes, &["step-900", "step-10000", "best"]);
    assert_eq!((maps.len(), name.as_str()), (1, "step-900"));
    assert_eq!(map.as_ref().expect("a map").decisions.calls, 1);
    // What stays the same is not told again.
    assert!(read(&mut reader, &captions).0.is_empty());

    let mut reader = reader.turn(root.path(), world(&run, Some("best"), None));
    let (told, _) = read(&mut reader, &captions);
    let [
        Seen::Episode {
            episode: Ok(episode),
            ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((episode.label.as_str(), episode.frames.len()), ("best", 2));
    let mut reader = reader.turn(root.path(), world(&run, Some("gone"), None));
    let (told, _) = read(&mut reader, &captions);
    assert!(
        matches!(
            &told[..],
            [Seen::Episode {
                episode: Err(_),
                ..
            }]
        ),
        "{told:?}"
    );
    // A run that was removed is no reason to fall.
    let mut reader = Reader::of(
        root.path(),
        Look::World {
            run: "gone".into(),
            episode: None,
            map: None,
            live: Some(0),
        },
    );
    assert_eq!(read(&mut reader, &none).0.len(), 0);
}

#[test]
fn a_search_is_followed_and_another_question_begins_anew() {
    let root = tempfile::tempdir().expect("a folder");
    let run = run(root.path());
    let line = |id: u64| format!("{{\"v\":1,\"time\":0,\"kind\":\"node\",\"id\":{id}}}\n");
    write(&run.searches().join("q2.jsonl"), &line(0));
    write(&run.searches().join("q10.jsonl"), &line(7));
    let look = |question: Option<&str>| Look::Search {
        run: run.id(),
        question: question.map(str::to_owned),
    };
    let mut reader = Reader::of(root.path(), look(None));
    let (told, wait) = read(&mut reader, &none);
    assert_eq!(wait, Some(POLL));
    let [
        Seen::Outcomes { outcomes, .. },
        Seen::Search {
            question,
            anew,
            events,
            ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    let names: Vec<&str> = outcomes.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["q2", "q10"]);
    assert_eq!((question.as_str(), *anew, events.len()), ("q2", true, 1));
    let mut file = std::fs::File::options()
        .append(true)
        .open(run.searches().join("q2.jsonl"))
        .expect("the log");
    write!(file, "{}nonsense\n{{\"v\":1", line(1)).expect("a line");
    let (told, _) = read(&mut reader, &none);
    let [
        Seen::Search {
            anew,
            events,
            damaged,
            ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*anew, events.len(), *damaged), (false, 1, 1));
    let mut reader = reader.turn(root.path(), look(Some("q10")));
    let (told, _) = read(&mut reader, &none);
    assert!(
        matches!(&told[..], [.., Seen::Search { question, anew: true, .. }] if question == "q10"),
        "{told:?}"
    );
    // Without a wish it stays where it is, until that question is over and another is not.
    let mut reader = reader.turn(root.path(), look(None));
    let (told, _) = read(&mut reader, &none);
    assert!(
        matches!(&told[..], [Seen::Search { question, anew: true, .. }] if question == "q10"),
        "{told:?}"
    );
    let end = "{\"v\":1,\"time\":0,\"kind\":\"end\"}\n";
    write(
        &run.searches().join("q10.jsonl"),
        &format!("{}{end}", line(7)),
    );
    let mut reader = reader.turn(root.path(), look(None));
    let (told, _) = read(&mut reader, &none);
    assert!(
        matches!(&told[..], [Seen::Outcomes { .. }, Seen::Search { question, anew: true, .. }] if question == "q2"),
        "{told:?}"
    );
    // Nobody listens any more.
    let reader = &mut Reader::of(root.path(), look(None));
    assert_eq!(reader.read(&none, &|_| false), None);
}

#[test]
fn a_worker_that_does_not_answer_is_told_once_and_asked_again_later() {
    let root = tempfile::tempdir().expect("a folder");
    let run = run(root.path());
    let mut reader = Reader::of(root.path(), world(&run, None, Some(2)));
    let told = read(&mut reader, &captions).0;
    let failed = |seen: &Seen| {
        matches!(
            seen,
            Seen::Live {
                environment: 2,
                moment: Err(_),
                ..
            }
        )
    };
    assert!(told.iter().any(failed), "{told:?}");
    assert!(read(&mut reader, &captions).0.is_empty());
}

#[test]
fn a_live_episode_comes_over_the_socket_and_the_worker_is_left_alone_afterwards() {
    let root = tempfile::tempdir().expect("a folder");
    let run = run(root.path());
    let stage = LiveStage::new(2);
    let (_orders, server) =
        ControlServer::start_on_stage(&run, Arc::clone(&stage)).expect("a socket");
    let mut reader = Reader::of(root.path(), world(&run, None, Some(1)));
    // Opens the connection; nobody has shown anything yet.
    read(&mut reader, &captions);
    let end = Instant::now() + Duration::from_secs(5);
    let watcher = loop {
        if let Some(watcher) = stage.waiting(0..2).pop() {
            break watcher;
        }
        assert!(Instant::now() < end, "no watcher came");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(watcher.environment(), 1);
    watcher.show(LiveFrame {
        environment: 1,
        step: 4,
        scene: serde_json::json!({"step": 4}),
        central: Some(true),
        budget_left: Some(0.5),
        episode_return: 0.75,
        reward: 0.0,
        actions: vec![5, 0],
        over: false,
    });
    let moment = loop {
        let (told, wait) = read(&mut reader, &captions);
        assert_eq!(wait, Some(Duration::ZERO));
        if let Some(Seen::Live { moment, .. }) = told.into_iter().next() {
            break moment.expect("a moment");
        }
        assert!(Instant::now() < end, "no frame came");
    };
    assert_eq!((moment.step, moment.central), (4, Some(true)));
    assert_eq!(moment.frame.caption, "step 4 true");
    let _reader = reader.turn(root.path(), Look::Nothing);
    let end = Instant::now() + Duration::from_secs(5);
    while !stage.waiting(0..2).is_empty() {
        assert!(Instant::now() < end, "the watcher stayed");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.close();
}
