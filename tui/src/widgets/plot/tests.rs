use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::theme::{ColourDepth, Surroundings, Theme};

fn curve(points: &[(f64, f64)]) -> Curve {
    Curve {
        name: "a".to_owned(),
        points: points.to_vec(),
        ..Curve::default()
    }
}

fn plot(curves: Vec<Curve>, view: View) -> Plot {
    Plot { curves, view }
}

fn theme(unicode: bool) -> Theme {
    Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode,
    })
}

fn lines(plot: &Plot, width: u16, height: u16, unicode: bool) -> Vec<String> {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(plot, theme(unicode), &mut buffer, area);
    (0..height)
        .map(|y| {
            (0..width)
                .map(|x| buffer.cell((x, y)).map_or(" ", |cell| cell.symbol()))
                .collect()
        })
        .collect()
}

#[test]
fn windows_follow_the_end_and_zoom_around_a_place() {
    let extent = [0.0, 1000.0];
    assert_eq!(Window::Last(20).range(extent), [800.0, 1000.0]);
    // The position under the pointer stays under it: 250 is a quarter from the left.
    let zoomed = Window::Whole.zoomed(extent, Some(250.0), 0.5);
    assert_eq!(zoomed, Window::Span(125.0, 625.0));
    assert_eq!(zoomed.panned(extent, -0.5), Window::Span(0.0, 500.0));
    assert_eq!(zoomed.panned(extent, 9.0), Window::Span(500.0, 1000.0));
    assert_eq!(zoomed.zoomed(extent, None, 2.0), Window::Whole);
    assert_eq!(Window::Whole.panned(extent, 0.1), Window::Whole);
    let mut seen = vec![Window::Whole];
    while seen.len() < 5 {
        seen.push(seen[seen.len() - 1].next());
    }
    assert_eq!(seen[4], Window::Whole);
}

#[test]
fn a_logarithmic_axis_counts_what_it_cannot_draw() {
    let points = [
        (1.0, 0.001),
        (2.0, 0.0),
        (3.0, -5.0),
        (4.0, 100.0),
        (5.0, f64::NAN),
    ];
    let log = View {
        log: true,
        ..View::default()
    };
    let frame = plot(vec![curve(&points)], log)
        .frame(4, 5)
        .expect("a frame");
    assert_eq!(frame.hidden.non_positive, 2);
    assert_eq!(frame.hidden.label(), "2 values <= 0 not drawn");
    assert_eq!(frame.y, [-3.0, 2.0]);
    assert_eq!(frame.place(1.0, 0.0), None);
    let labels: Vec<&str> = frame.y_marks.iter().map(|mark| mark.1.as_str()).collect();
    assert_eq!(labels, ["0.001", "0.01", "0.1", "1", "10", "100"]);
}

#[test]
fn clipping_leaves_outliers_out_and_says_so() {
    let mut points: Vec<(f64, f64)> = (0..200)
        .map(|x| (f64::from(x), f64::from(x % 10)))
        .collect();
    points[50].1 = 1e9;
    let mut view = View::default();
    let whole = plot(vec![curve(&points)], view)
        .frame(4, 5)
        .expect("a frame");
    assert!(whole.y[1] >= 1e9 && whole.hidden == Hidden::default());
    view.clip = true;
    let clipped = plot(vec![curve(&points)], view)
        .frame(4, 5)
        .expect("a frame");
    assert_eq!((clipped.y, clipped.hidden.outside), ([0.0, 10.0], 1));
    assert_eq!(clipped.hidden.label(), "1 value outside 1..99%");
}

#[test]
fn a_gap_of_missing_values_is_a_gap() {
    let points: Vec<(f64, f64)> = (0..=40)
        .map(|x| {
            let missing = (10..=30).contains(&x);
            (f64::from(x), if missing { f64::NAN } else { 1.0 })
        })
        .collect();
    let rows = lines(&plot(vec![curve(&points)], View::default()), 46, 8, false);
    let row = rows
        .iter()
        .find(|row| row.contains("oooo"))
        .expect("a line");
    let drawn: String = row.chars().skip(6).collect();
    assert!(drawn.contains("o                  "), "{rows:#?}");
}

#[test]
fn curves_differ_by_signs_where_there_are_no_colours() {
    let rising = (0..50).map(|x| (f64::from(x), f64::from(x))).collect();
    let falling = (0..50).map(|x| (f64::from(x), f64::from(50 - x))).collect();
    let curves = vec![
        Curve {
            points: rising,
            ..Curve::default()
        },
        Curve {
            points: falling,
            series: 1,
            ..Curve::default()
        },
    ];
    let both = plot(curves, View::default());
    let text = lines(&both, 60, 12, true).join("\n");
    assert!(text.contains('●') && text.contains('▲'), "{text}");
    let ascii = lines(&both, 60, 12, false).join("\n");
    assert!(
        ascii.is_ascii() && ascii.contains('o') && ascii.contains('x'),
        "{ascii}"
    );
}

#[test]
fn the_readout_is_a_measured_value_inside_the_curves_range() {
    let one = curve(&[(10.0, 1.0), (20.0, 2.0), (40.0, 4.0)]);
    assert_eq!(one.read(14.0, 0.0), Some((10.0, 1.0)));
    assert_eq!(one.read(16.0, 0.0), Some((20.0, 2.0)));
    assert_eq!((one.read(9.0, 0.0), one.read(41.0, 0.0)), (None, None));
    assert_eq!(one.read(41.0, 1.0), Some((40.0, 4.0)));
    let dots = Curve {
        dots: vec![Dot {
            x: 5.0,
            y: 0.5,
            low: 0.4,
            high: 0.6,
        }],
        ..Curve::default()
    };
    assert_eq!(dots.read(5.0, 0.0), Some((5.0, 0.5)));
}

#[test]
fn a_column_and_its_position_agree() {
    let points: Vec<(f64, f64)> = (0..=100).map(|x| (f64::from(x), 1.0)).collect();
    let plot = plot(vec![curve(&points)], View::default());
    let layout = layout(&plot, Rect::new(3, 2, 80, 20)).expect("a layout");
    for column in layout.canvas.left()..layout.canvas.right() {
        let x = layout.x_at(column).expect("a position");
        assert_eq!(layout.column_of(x), Some(column));
    }
    assert_eq!(layout.x_at(3), None);
}

#[test]
fn marks_of_time_are_whole_minutes_and_hours() {
    let points = [(0.0, 1.0), (7_300.0, 2.0)];
    let view = View {
        axis: XAxis::Time,
        ..View::default()
    };
    let frame = plot(vec![curve(&points)], view)
        .frame(4, 2)
        .expect("a frame");
    let labels: Vec<&str> = frame.x_marks.iter().map(|mark| mark.1.as_str()).collect();
    assert_eq!(labels, ["0s", "1h 00m", "2h 00m"]);
}

#[test]
fn a_picture_escapes_names_and_breaks_lines() {
    let mut shown = curve(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)]);
    shown.name = "a<b>&\u{1b}[31m".to_owned();
    let text = svg(&plot(vec![shown], View::default()), "t\"");
    assert!(text.contains("a&lt;b&gt;&amp;[31m") && text.contains("t&quot;"));
    let path = text
        .lines()
        .find(|line| line.contains("stroke-width=\"1.8\""));
    assert_eq!(path.expect("a path").matches('M').count(), 2);
    assert!(svg(&Plot::default(), "").contains("nothing to draw"));
}

#[test]
fn ten_curves_of_a_thousand_points_are_drawn_within_a_frame() {
    let curves = (0..10)
        .map(|series| Curve {
            points: (0..1000)
                .map(|x| (f64::from(x), (f64::from(x) * 0.01 + series as f64).sin()))
                .collect(),
            raw: (0..1000)
                .map(|x| (f64::from(x), (f64::from(x) * 0.3).sin()))
                .collect(),
            series,
            ..Curve::default()
        })
        .collect();
    let plot = plot(curves, View::default());
    let area = Rect::new(0, 0, 200, 60);
    let mut buffer = Buffer::empty(area);
    // The fastest of some: others use the machine too.
    let each = (0..30)
        .map(|_| {
            let started = std::time::Instant::now();
            draw(&plot, theme(true), &mut buffer, area);
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    println!("{:.2} ms a frame", each * 1e3);
    // The bound is for a build without optimisation on a busy machine.
    assert!(each < 0.2, "{each} s a frame");
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -1e3..1e3,
        2 => Just(0.0),
        1 => Just(1.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => prop::num::f64::ANY,
        1 => 1e-12..1e-9,
        1 => 1e98..1e101,
    ]
}

fn random_curve() -> impl Strategy<Value = Curve> {
    let part = || prop::collection::vec((value(), value()), 0..40);
    (part(), part(), part(), 0_usize..20, any::<bool>()).prop_map(
        |(mut points, raw, dots, series, sorted)| {
            if sorted {
                points.sort_by(|left, right| left.0.total_cmp(&right.0));
            }
            Curve {
                name: "c".to_owned(),
                series,
                band: points.iter().map(|(x, y)| (*x, y - 1.0, y + 1.0)).collect(),
                dots: dots
                    .iter()
                    .map(|(x, y)| Dot {
                        x: *x,
                        y: *y,
                        low: y - 0.5,
                        high: y + 0.5,
                    })
                    .collect(),
                points,
                raw,
            }
        },
    )
}

fn random_view() -> impl Strategy<Value = View> {
    let window = prop_oneof![
        Just(Window::Whole),
        any::<u8>().prop_map(Window::Last),
        (value(), value()).prop_map(|(from, to)| Window::Span(from, to)),
    ];
    let axis = prop::sample::select(XAxis::ALL.to_vec());
    let cursor = prop::option::of(value());
    (window, any::<bool>(), any::<bool>(), cursor, axis).prop_map(
        |(window, log, clip, cursor, axis)| View {
            window,
            log,
            clip,
            cursor,
            axis,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_panics_or_is_drawn_outside(
        curves in prop::collection::vec(random_curve(), 0..4),
        view in random_view(),
        (x, y, width, height) in (0_u16..5, 0_u16..5, 0_u16..70, 0_u16..20),
        unicode in any::<bool>(),
    ) {
        let plot = Plot { curves, view };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 30));
        let area = Rect::new(x, y, width, height);
        draw(&plot, theme(unicode), &mut buffer, area);
        for row in 0..30 {
            for column in 0..80 {
                let outside = !area.contains((column, row).into());
                let symbol = buffer.cell((column, row)).map_or(" ", |cell| cell.symbol());
                prop_assert!(!outside || symbol == " ", "{symbol} at {column}, {row}");
                prop_assert!(unicode || symbol.is_ascii());
            }
        }
        let _ = svg(&plot, "t");
        let _ = plot.readout();
        if let Some(frame) = plot.frame(5, 5) {
            for marks in [&frame.x_marks, &frame.y_marks] {
                prop_assert!(marks.windows(2).all(|pair| pair[0].0 < pair[1].0), "{marks:?}");
            }
            prop_assert!(frame.x[0] < frame.x[1] && frame.y[0] < frame.y[1], "{frame:?}");
        }
    }

    #[test]
    fn zoom_and_pan_stay_inside_the_data(
        (low, width) in (-1e6..1e6, 1e-3..1e6),
        steps in prop::collection::vec((any::<bool>(), prop::option::of(value()), 0.1..8.0), 0..30),
    ) {
        let extent = [low, low + width];
        let mut window = Window::Whole;
        for (zoom, around, by) in steps {
            window = if zoom {
                window.zoomed(extent, around, by)
            } else {
                window.panned(extent, by - 4.0)
            };
            let [from, to] = window.range(extent);
            let whole = Window::Whole.range(extent);
            let slack = (whole[1] - whole[0]) * 1e-6;
            prop_assert!(from < to, "{window:?}");
            prop_assert!(from >= whole[0] - slack && to <= whole[1] + slack, "{window:?}");
        }
    }
}
