//! The machine's panel.

use std::sync::Arc;

use ratatui::crossterm::event::KeyCode;
use tui::machine::{Device, Share, Snapshot, Worker};
use tui::theme::{ColourDepth, Surroundings, Theme};
use tui::{Model, Msg};

use crate::fixture::{NOW, draw, key, letter, send, text, typical};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshots(name: &str, model: &Model) {
    for (width, height) in SIZES {
        let name = format!("machine_{name}_{width}x{height}");
        insta::assert_snapshot!(name, text(model, width, height));
    }
}

fn gib(used: u64, total: u64) -> Option<Share> {
    let bytes = |gib: u64| gib << 30;
    Some(Share {
        used: bytes(used),
        total: bytes(total),
    })
}

fn look(busy: f64) -> Snapshot {
    Snapshot {
        time: NOW,
        cores: vec![busy, 0.25],
        busy: Some(busy),
        load: Some([1.5, 1.25, 1.0]),
        memory: gib(6, 24),
        swap: None,
        disk: gib(70, 250),
        workers: vec![Worker {
            run: "20261124-061502-lbf-8x8-2p-iql".to_owned(),
            pid: 4242,
            cores: Some(1.97),
            memory: 800 << 20,
            threads: 9,
        }],
        devices: Vec::new(),
        no_devices: "no NVIDIA driver: the CPU only".to_owned(),
    }
}

/// The panel on the whole screen, after some looks.
fn seen(looks: Vec<Snapshot>) -> Model {
    let mut model = typical();
    letter(&mut model, '7');
    letter(&mut model, 'z');
    for look in looks {
        send(&mut model, Msg::Machine(Arc::new(look)));
    }
    model
}

#[test]
fn a_machine_with_processors_only() {
    let looks = (0..30).map(|index| look(f64::from(index) / 30.0)).collect();
    snapshots("typical", &seen(looks));
}

#[test]
fn a_machine_that_is_full_with_many_processors_and_devices() {
    let mut full = look(1.0);
    full.cores = (0..300).map(|core| f64::from(core % 11) / 10.0).collect();
    full.memory = gib(23, 24);
    full.swap = gib(9, 10);
    full.devices = (0..4)
        .map(|index| Device {
            id: format!("cuda:{index}"),
            name: "NVIDIA H100 80GB HBM3".to_owned(),
            busy: Some(f64::from(index) / 3.0),
            memory: gib(20 * u64::from(index as u8), 80),
            celsius: Some(60.0 + 11.0 * f64::from(index)),
            watts: Some(300.0),
            runs: vec!["a-run-with-日本語-in-its-name".to_owned()],
        })
        .collect();
    full.workers = (0..40)
        .map(|pid| Worker {
            run: format!("run-{pid}-{}", "long-".repeat(30)),
            pid,
            ..Worker::default()
        })
        .collect();
    let mut model = seen(vec![full]);
    snapshots("overflowing", &model);
    // What lies below is reached, and the end is the end.
    key(&mut model, KeyCode::End);
    assert!(text(&model, 80, 24).contains("run-39"));
    key(&mut model, KeyCode::Home);
    assert!(text(&model, 80, 24).contains("cpu"));
}

#[test]
fn nothing_read_and_a_look_that_is_old() {
    let mut model = seen(Vec::new());
    assert!(text(&model, 80, 24).contains("Reading the machine."));
    send(&mut model, Msg::Machine(Arc::new(Snapshot::default())));
    snapshots("empty", &model);
    send(&mut model, Msg::Machine(Arc::new(look(0.5))));
    send(&mut model, Msg::Tick(NOW + 60.0));
    assert!(text(&model, 80, 24).contains("as of 1m ago"));
}

#[test]
fn what_is_full_is_marked_without_colour_and_in_ascii() {
    let mut full = look(0.5);
    full.memory = gib(96, 100);
    let mut model = seen(vec![look(0.1), full]);
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: false,
    });
    let shown = text(&model, 120, 40);
    assert!(shown.contains("!! 96.0 GiB of 100 GiB"), "{shown}");
    assert!(shown.contains("cores    52"), "{shown}");
    let cells = draw(&model, 120, 40);
    let buffer = cells.backend().buffer();
    assert!(
        buffer
            .content()
            .iter()
            .all(|cell| cell.symbol().is_ascii() || !cell.symbol().trim().is_empty())
    );
}

#[test]
fn the_past_is_bounded() {
    let mut model = seen((0..500).map(|_| look(0.5)).collect());
    let before = format!("{:?}", model.panes.machine).len();
    for _ in 0..500 {
        send(&mut model, Msg::Machine(Arc::new(look(0.5))));
    }
    assert_eq!(format!("{:?}", model.panes.machine).len(), before);
}
