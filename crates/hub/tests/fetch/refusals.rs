//! Each refusal is one sentence that says what to do.

use std::ops::ControlFlow;

use hub::{Hub, HubError, HubSettings, HuggingFace, Token};

use crate::{Place, name};
use testkit::loopback_hub::{Fault, WEIGHTS};

/// What the user reads when the list of files is refused.
fn told(place: &Place, status: u16, headers: Vec<(&'static str, &'static str)>) -> String {
    place
        .server
        .fault("revision/main", [Fault::Refuse(status, headers)]);
    place.fetch().expect_err("a refusal").to_string()
}

#[test]
fn refusals_are_told_apart() {
    let place = Place::new();
    for (status, headers, parts) in [
        (401, vec![], ["HTTP 401", "set HF_TOKEN"]),
        (
            401,
            vec![("X-Error-Code", "RepoNotFound")],
            ["no model owner/tiny", "set HF_TOKEN"],
        ),
        (
            401,
            vec![("X-Error-Code", "GatedRepo")],
            ["gated", "accept its terms at http://127"],
        ),
        (
            403,
            vec![("X-Error-Code", "GatedRepo")],
            ["gated", "accept its terms"],
        ),
        (403, vec![], ["HTTP 403", "HF_TOKEN"]),
        (
            404,
            vec![("X-Error-Code", "RepoNotFound")],
            ["no model owner/tiny", "spelling"],
        ),
        (
            404,
            vec![("X-Error-Code", "RevisionNotFound")],
            ["no revision `main`", "branches"],
        ),
        (404, vec![], ["no model owner/tiny", "spelling"]),
        (429, vec![("Retry-After", "120")], ["HTTP 429", "in 120 s"]),
        (429, vec![], ["HTTP 429", "in a few minutes"]),
        (500, vec![], ["HTTP 500", "try again later"]),
    ] {
        let text = told(&place, status, headers);
        for part in parts {
            assert!(text.contains(part), "{status}: {text}");
        }
        assert!(!text.contains('\n'), "{text}");
    }
    assert_eq!(place.cached("blobs"), Vec::<String>::new());
}

#[test]
fn with_a_token_another_one_is_asked_for() {
    let place = Place::new();
    place.server.fault(
        "revision/main",
        [Fault::Refuse(403, vec![("X-Error-Code", "GatedRepo")])],
    );
    let mut settings = place.settings();
    settings.token = Token::new("hf_key");
    let error = HuggingFace::new(settings)
        .fetch(&name(), "main", &mut |_| ControlFlow::Continue(()))
        .expect_err("a refusal");
    let text = error.to_string();
    assert!(
        text.contains("the token in use") && !text.contains("hf_key"),
        "{text}"
    );
}

#[test]
fn a_refusal_in_the_middle_is_told_too() {
    let place = Place::new();
    for (status, part) in [
        (404, "lost its file model.safetensors"),
        (429, "HTTP 429"),
        (403, "403"),
    ] {
        place.server.fault(WEIGHTS, [Fault::Refuse(status, vec![])]);
        let text = place.fetch().expect_err("a refusal").to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn no_network_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    // A port that was free a moment ago, and a name that cannot exist.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    for endpoint in [address.as_str(), "http://no-such-host.invalid"] {
        let mut settings = HubSettings::new(folder.path().to_path_buf(), endpoint);
        settings.attempts = 1;
        let error = HuggingFace::new(settings)
            .fetch(&name(), "main", &mut |_| ControlFlow::Continue(()))
            .expect_err("no network");
        assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
        assert!(error.is_environment());
        assert!(error.to_string().contains("check the network"), "{error}");
    }
}

#[test]
fn an_answer_that_is_no_list_is_refused() {
    let place = Place::new();
    for text in [
        "<html>a login page</html>",
        "{}",
        r#"{"sha":"../..","siblings":[]}"#,
    ] {
        place.server.fault("revision/main", [Fault::Text(text)]);
        let error = place.fetch().expect_err("no list");
        assert!(matches!(error, HubError::BadAnswer { .. }), "{error}");
        assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
    }
}

#[test]
fn other_forms_are_refused_before_anything_is_fetched() {
    let place = Place::new();
    place.server.remove(WEIGHTS);
    let error = place.fetch().expect_err("a pickle");
    assert!(
        error.to_string().contains("pickle (pytorch_model.bin)"),
        "{error}"
    );
    assert!(!error.is_environment());
    assert_eq!(place.server.all_seen(), 1);
    let place = Place::new();
    place.server.set("tokenizer.model", b"sentencepiece");
    let error = place.fetch().expect_err("sentencepiece");
    assert!(
        error.to_string().contains("tokenizer.model alone"),
        "{error}"
    );
    assert_eq!(place.server.all_seen(), 1);
}
