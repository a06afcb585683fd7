//! Commands over the socket of a run.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use tracking::{ControlClient, ControlCommand, ControlServer, NewRun, RunFolder, TrackingError};

const LIMIT: Duration = Duration::from_secs(5);

fn run_in(root: &Path) -> RunFolder {
    RunFolder::create(
        root,
        &NewRun {
            name: "control".into(),
            ..NewRun::default()
        },
    )
    .unwrap()
}

#[test]
fn commands_arrive_in_order_and_ping_is_answered_by_the_server() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (commands, server) = ControlServer::start(&run).unwrap();
    let sent = [
        ControlCommand::Pause,
        ControlCommand::Resume,
        ControlCommand::CheckpointNow,
        ControlCommand::Stop,
    ];
    for command in sent {
        let reply = ControlClient::send(&run, command, LIMIT).unwrap();
        assert_eq!(
            (reply.message.as_str(), reply.pid),
            ("accepted", std::process::id())
        );
    }
    assert_eq!(
        ControlClient::send(&run, ControlCommand::Ping, LIMIT)
            .unwrap()
            .message,
        "pong"
    );
    assert_eq!(commands.try_iter().collect::<Vec<_>>(), sent);
    server.close();
    assert!(!run.control_socket().exists());
}

#[test]
fn nobody_there_is_an_error_and_a_stale_socket_is_taken_over() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let missing = ControlClient::send(&run, ControlCommand::Ping, LIMIT).unwrap_err();
    assert!(missing.to_string().contains("no socket"), "{missing}");
    drop(UnixListener::bind(run.control_socket()).unwrap());
    let stale = ControlClient::send(&run, ControlCommand::Ping, LIMIT).unwrap_err();
    assert!(stale.to_string().contains("nobody listens"), "{stale}");
    let (_commands, _server) = ControlServer::start(&run).unwrap();
    ControlClient::send(&run, ControlCommand::Ping, LIMIT).unwrap();
}

#[test]
fn a_path_longer_than_the_system_allows_works() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("d".repeat(90)).join("e".repeat(90));
    let run = run_in(&deep);
    assert!(run.control_socket().as_os_str().len() > 108);
    let (commands, server) = ControlServer::start(&run).unwrap();
    ControlClient::send(&run, ControlCommand::Stop, LIMIT).unwrap();
    assert_eq!(commands.recv().unwrap(), ControlCommand::Stop);
    assert!(run.control_socket().exists());
    server.close();
    assert!(!run.control_socket().exists());
}

#[test]
fn rubbish_and_later_protocols_are_refused_and_the_server_lives_on() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (commands, _server) = ControlServer::start(&run).unwrap();
    for (line, answer) in [
        ("{\"v\":1,\"command\":\"dance\"}\n", "not a command"),
        ("\u{0}\u{1}\n", "not a command"),
        ("{\"v\":9,\"command\":\"stop\"}\n", "protocol version 9"),
    ] {
        let mut stream = UnixStream::connect(run.control_socket()).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        assert!(
            reply.contains("\"ok\":false") && reply.contains(answer),
            "{reply}"
        );
    }
    // A client that leaves without a word.
    drop(UnixStream::connect(run.control_socket()).unwrap());
    ControlClient::send(&run, ControlCommand::Stop, LIMIT).unwrap();
    assert_eq!(commands.try_iter().count(), 1);
}

#[test]
fn a_worker_that_does_not_listen_any_more_refuses() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (commands, _server) = ControlServer::start(&run).unwrap();
    for _ in 0..64 {
        ControlClient::send(&run, ControlCommand::Pause, LIMIT).unwrap();
    }
    let busy = ControlClient::send(&run, ControlCommand::Pause, LIMIT).unwrap_err();
    assert!(
        matches!(&busy, TrackingError::Refused { message } if message.contains("busy")),
        "{busy}"
    );
    drop(commands);
    let ending = ControlClient::send(&run, ControlCommand::Stop, LIMIT).unwrap_err();
    assert!(ending.to_string().contains("ending"), "{ending}");
}

#[test]
fn a_silent_listener_is_given_up_after_the_limit() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let _silent = UnixListener::bind(run.control_socket()).unwrap();
    let error =
        ControlClient::send(&run, ControlCommand::Ping, Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().contains("no answer in 0.05 s"), "{error}");
}
