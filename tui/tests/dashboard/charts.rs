//! The chart pane: what its keys do, and how it looks.

use proptest::prelude::*;
use ratatui::crossterm::event::KeyCode;
use tracking::Axis;
use tui::curve::axes::XAxis;
use tui::model::{Model, RunState};
use tui::panes::Pane;
use tui::panes::chart::{curve_names, plot, shown_curve};
use tui::theme::{ColourDepth, Surroundings, Theme};
use tui::update::MouseKind;
use tui::widgets::plot::Window;
use tui::{Msg, view};

use crate::fixture::{draw, key, letter, run, scalar, send, text, typical};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshots(name: &str, model: &Model) {
    for (width, height) in SIZES {
        let name = format!("chart_{name}_{width}x{height}");
        insta::assert_snapshot!(name, text(model, width, height));
    }
}

/// The metrics pane on the whole screen.
fn focused() -> Model {
    let mut model = typical();
    send(&mut model, Msg::Resized(120, 40));
    letter(&mut model, '2');
    letter(&mut model, 'z');
    model
}

fn tell(model: &mut Model, values: &[(&str, Axis, u64, f64)]) {
    let events = values
        .iter()
        .map(|(name, axis, step, value)| scalar(name, *axis, *step, *value))
        .collect();
    crate::fixture::tell(model, events);
}

/// Curves with missing, huge, equal and non-positive values.
fn troubled() -> Model {
    let mut model = focused();
    let mut values = Vec::new();
    for step in 0..600_u64 {
        let noise = ((step * 7_919) % 101) as f64 / 101.0;
        let gap = if (200..260).contains(&step) {
            f64::NAN
        } else {
            0.5 + noise
        };
        values.push(("train/return", Axis::EnvSteps, 84_000 + step * 100, gap));
        let loss = if step % 50 == 0 {
            -noise
        } else {
            noise * 10.0_f64.powi(-((step / 100) as i32))
        };
        values.push(("a/loss", Axis::EnvSteps, step, loss));
        let spike = if step == 300 { 1e12 } else { noise };
        values.push(("a/spike", Axis::EnvSteps, step, spike));
        values.push(("a/constant", Axis::LearnerUpdates, step, 0.25));
    }
    tell(&mut model, &values);
    model
}

fn choose(model: &mut Model, name: &str) {
    let names = curve_names(model);
    let to = names
        .iter()
        .position(|found| *found == name)
        .expect("the curve");
    letter(model, 'g');
    for _ in 0..to {
        letter(model, 'j');
    }
    assert_eq!(shown_curve(model).map(|(name, ..)| name), Some(name));
}

#[test]
fn one_chart() {
    let mut model = focused();
    snapshots("one", &model);
    letter(&mut model, 'e');
    letter(&mut model, '.');
    for _ in 0..20 {
        letter(&mut model, 'h');
    }
    choose(&mut model, "train/epsilon");
    letter(&mut model, ' ');
    choose(&mut model, "runtime/acting_share");
    letter(&mut model, ' ');
    choose(&mut model, "train/return");
    snapshots("smoothed_overlaid_read", &model);
}

#[test]
fn a_page_of_small_charts() {
    let mut model = focused();
    letter(&mut model, 'm');
    snapshots("grid", &model);
}

#[test]
fn missing_values_outliers_and_a_logarithmic_axis() {
    let mut model = troubled();
    choose(&mut model, "a/loss");
    letter(&mut model, 'L');
    letter(&mut model, 'o');
    assert!(text(&model, 120, 40).contains("values <= 0 not drawn, 12 values outside 1..99%"));
    snapshots("log_clipped", &model);
    letter(&mut model, 'L');
    choose(&mut model, "train/return");
    snapshots("gap", &model);
    let shown = text(&model, 120, 40);
    assert!(shown.contains("NaN x60 @ step"), "{shown}");
}

#[test]
fn without_unicode_and_colour_everything_is_ascii() {
    let mut model = troubled();
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: false,
    });
    letter(&mut model, ' ');
    choose(&mut model, "a/spike");
    letter(&mut model, '.');
    // The fixture's own run names are not ASCII; the pane fills the screen.
    let shown = text(&model, 120, 40);
    assert!(shown.is_ascii(), "{shown}");
    letter(&mut model, 'm');
    assert!(text(&model, 120, 40).is_ascii());
}

#[test]
fn keys_zoom_pan_and_fit() {
    let mut model = focused();
    let range = |model: &Model| {
        let plot = plot(model);
        plot.view.window.range(plot.extent().expect("an extent"))
    };
    let whole = range(&model);
    letter(&mut model, '+');
    let zoomed = range(&model);
    let width = |range: [f64; 2]| range[1] - range[0];
    assert!((width(zoomed) - width(whole) / 1.5).abs() < 1e-6);
    letter(&mut model, 'l');
    let panned = range(&model);
    assert!((panned[0] - zoomed[0] - width(zoomed) * 0.1).abs() < 1e-6);
    letter(&mut model, '0');
    assert_eq!(range(&model), whole);
    for share in [0.5, 0.2, 0.05, 1.0] {
        letter(&mut model, 'w');
        assert!((width(range(&model)) - width(whole) * share).abs() < 1e-6);
    }
}

#[test]
fn the_readout_moves_by_a_column_and_reads_the_nearest_point() {
    let mut model = focused();
    letter(&mut model, '.');
    assert_eq!(model.panes.chart.view.cursor, Some(83_000.0));
    let last = plot(&model).readout()[0].1;
    assert_eq!(last.map(|point| point.0), Some(83_000.0));
    letter(&mut model, 'h');
    let moved = model.panes.chart.view.cursor.expect("a cursor");
    assert!(moved < 83_000.0 && moved > 81_000.0, "{moved}");
    assert!(text(&model, 120, 40).contains("at 8"));
    letter(&mut model, '.');
    assert_eq!(model.panes.chart.view.cursor, None);
}

#[test]
fn a_curve_is_shown_over_its_own_axis_until_another_is_chosen() {
    let mut model = focused();
    assert_eq!(plot(&model).view.axis, XAxis::Steps);
    letter(&mut model, '+');
    letter(&mut model, '.');
    let looked = plot(&model).view;
    choose(&mut model, "train/loss");
    assert_eq!(plot(&model).view.axis, XAxis::Updates);
    assert_eq!(plot(&model).view.cursor, None);
    choose(&mut model, "train/return");
    // Positions on an axis are kept for as long as none are set on another.
    assert_eq!(plot(&model).view, looked);
    choose(&mut model, "train/loss");
    letter(&mut model, 't');
    assert_eq!(plot(&model).view.axis, XAxis::Time);
    letter(&mut model, 't');
    assert_eq!(plot(&model).view.axis, XAxis::Tokens);
    let notice = model.notice.clone().expect("it is said");
    assert_eq!(notice.text, "nothing tells the tokens of this curve");
    assert!(text(&model, 120, 40).contains("nothing tells the tokens of train/loss"));
}

#[test]
fn smoothing_has_four_factors_and_keeps_the_raw_curve() {
    let mut model = focused();
    let raw = plot(&model).curves[0].points.clone();
    for weight in [0.6, 0.9, 0.99] {
        letter(&mut model, 'e');
        let curve = &plot(&model).curves[0];
        assert_eq!(curve.raw, raw);
        assert_eq!(curve.points, tui::curve::smoothed(&raw, weight));
        assert!(text(&model, 120, 40).contains(&format!("smoothed {weight}")));
    }
    letter(&mut model, 'e');
    assert_eq!(plot(&model).curves[0].points, raw);
}

#[test]
fn pinned_curves_come_first_and_stay_when_another_run_is_chosen() {
    let mut model = focused();
    choose(&mut model, "train/loss");
    letter(&mut model, 'p');
    assert_eq!(curve_names(&model)[..2], ["train/loss", "train/return"]);
    letter(&mut model, '/');
    for character in "runtime".chars() {
        letter(&mut model, character);
    }
    key(&mut model, KeyCode::Enter);
    assert_eq!(curve_names(&model), ["runtime/acting_share"]);
    letter(&mut model, '1');
    letter(&mut model, 'j');
    assert!(model.panes.chart.pinned.contains("train/loss"));
    assert_eq!(model.panes.chart.view.window, Window::Whole);
}

#[test]
fn the_mouse_zooms_at_the_pointer_drags_and_reads() {
    let mut model = focused();
    let areas = view::areas(&model, model.size);
    let pane = areas.panes[0].1;
    assert_eq!(areas.panes[0].0, Pane::Metrics);
    let (column, row) = (pane.x + 30, pane.y + 10);
    send(&mut model, Msg::Mouse(MouseKind::Click, column, row));
    let under = model.panes.chart.view.cursor.expect("a readout");
    send(&mut model, Msg::Mouse(MouseKind::WheelUp, column, row));
    let Window::Span(from, to) = model.panes.chart.view.window else {
        panic!("zoomed");
    };
    assert!(from < under && under < to);
    // What was under the pointer is under it still.
    send(&mut model, Msg::Mouse(MouseKind::Click, column, row));
    let again = model.panes.chart.view.cursor.expect("a readout");
    assert!(
        (again - under).abs() < 1e-6 * under.abs(),
        "{again} {under}"
    );
    send(&mut model, Msg::Mouse(MouseKind::Drag, column + 10, row));
    let Window::Span(dragged, _) = model.panes.chart.view.window else {
        panic!("dragged");
    };
    assert!(dragged < from, "{dragged} {from}");
}

#[test]
fn a_click_on_the_list_or_on_a_small_chart_chooses_a_curve() {
    let mut model = focused();
    send(&mut model, Msg::Resized(200, 60));
    let pane = view::areas(&model, model.size).panes[0].1;
    send(
        &mut model,
        Msg::Mouse(MouseKind::Click, pane.right() - 10, pane.y + 3),
    );
    assert_eq!(shown_curve(&model).map(|found| found.0), Some("train/loss"));
    letter(&mut model, 'm');
    send(
        &mut model,
        Msg::Mouse(MouseKind::Click, pane.x + 50, pane.y + 4),
    );
    assert_eq!(
        shown_curve(&model).map(|found| found.0),
        Some("train/epsilon")
    );
}

#[test]
fn pages_of_small_charts_are_turned() {
    let mut model = focused();
    let names: Vec<String> = (0..40).map(|index| format!("z/{index:02}")).collect();
    let values: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Axis::EnvSteps, 1, 1.0))
        .collect();
    tell(&mut model, &values);
    letter(&mut model, 'm');
    assert!(text(&model, 120, 40).contains("page 1 of 4"));
    letter(&mut model, ']');
    assert!(text(&model, 120, 40).contains("page 2 of 4"));
    letter(&mut model, '[');
    letter(&mut model, '[');
    assert!(text(&model, 120, 40).contains("page 1 of 4"));
}

#[test]
fn the_latest_part_of_a_long_curve_has_every_point() {
    let mut model = focused();
    let values: Vec<_> = (0..20_000_u64)
        .map(|step| ("z/long", Axis::EnvSteps, step, (step % 2) as f64))
        .collect();
    tell(&mut model, &values);
    choose(&mut model, "z/long");
    assert!(plot(&model).curves[0].points.len() <= tui::detail::CURVE_POINTS + 100);
    letter(&mut model, 'w');
    let points = plot(&model).curves[0].points.clone();
    let latest = points.iter().filter(|point| point.0 >= 19_500.0).count();
    assert_eq!(latest, 500);
}

#[derive(Clone, Debug)]
enum Act {
    Key(char),
    Mouse(MouseKind, u16, u16),
    Value(usize, u64, f64),
    Run(bool),
    Resize(u16, u16),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let mouse = prop::sample::select(vec![
        MouseKind::Click,
        MouseKind::Drag,
        MouseKind::WheelUp,
        MouseKind::WheelDown,
    ]);
    let value = prop_oneof![any::<f64>(), Just(0.0), -1.0..1.0];
    let act = prop_oneof![
        4 => prop::sample::select("+-hl0.tLwoempj kgG[]2z".chars().collect::<Vec<_>>())
            .prop_map(Act::Key),
        2 => (mouse, 0_u16..140, 0_u16..50).prop_map(|(kind, x, y)| Act::Mouse(kind, x, y)),
        1 => (0_usize..3, any::<u64>(), value).prop_map(|(name, step, y)| Act::Value(name, step, y)),
        1 => any::<bool>().prop_map(Act::Run),
        1 => (0_u16..140, 0_u16..50).prop_map(|(x, y)| Act::Resize(x, y)),
    ];
    prop::collection::vec(act, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    #[test]
    fn anything_pressed_or_pointed_at_leaves_a_chart_that_draws(
        acts in acts(), width in 0_u16..140, height in 0_u16..50,
    ) {
        let mut model = typical();
        letter(&mut model, '2');
        for act in acts {
            match act {
                Act::Key(pressed) => drop(letter(&mut model, pressed)),
                Act::Mouse(kind, x, y) => drop(send(&mut model, Msg::Mouse(kind, x, y))),
                Act::Resize(x, y) => drop(send(&mut model, Msg::Resized(x, y))),
                Act::Value(name, step, value) => {
                    let name = ["train/return", "b", "c"][name];
                    let axes = [Axis::EnvSteps, Axis::Tokens, Axis::Seconds];
                    tell(&mut model, &[(name, axes[step as usize % 3], step, value)]);
                }
                Act::Run(some) => {
                    let runs = if some { vec![run("x", RunState::Running, 9.0)] } else { Vec::new() };
                    send(&mut model, Msg::Runs(runs));
                }
            }
        }
        let _ = draw(&model, width, height);
    }
}

#[test]
fn ten_curves_of_a_thousand_points_on_a_large_terminal() {
    let mut model = focused();
    send(&mut model, Msg::Resized(200, 60));
    let names: Vec<String> = (0..10).map(|index| format!("z/{index}")).collect();
    let mut values = Vec::new();
    for step in 0..1_000_u64 {
        for (index, name) in names.iter().enumerate() {
            let value = (step as f64 * 0.02 + index as f64).sin();
            values.push((name.as_str(), Axis::EnvSteps, step, value));
        }
    }
    tell(&mut model, &values);
    model.panes.chart.overlaid.extend(names);
    letter(&mut model, 'e');
    letter(&mut model, '.');
    for grid in [false, true] {
        model.panes.chart.grid = grid;
        // The fastest of some: others use the machine too.
        let each = (0..30)
            .map(|_| {
                let started = std::time::Instant::now();
                let _ = draw(&model, 200, 60);
                started.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        println!("grid {grid}: {:.2} ms a frame", each * 1e3);
        // For a build without optimisation on a busy machine; `xtask bench` measures.
        assert!(each < 1.0, "{each} s a frame");
    }
}
