use proptest::prelude::*;

use super::*;
use crate::event::EvaluationPurpose;

/// What serde makes of a line: the reference for all here.
fn by_serde(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}

/// Equal to the last bit, not-a-number included.
fn same(left: &Option<Event>, right: &Option<Event>) -> bool {
    let bits = |event: &Option<Event>| match event {
        Some(Event {
            time,
            kind: EventKind::Scalar { value, .. },
            ..
        }) => Some((time.to_bits(), value.to_bits())),
        _ => None,
    };
    format!("{left:?}") == format!("{right:?}") && bits(left) == bits(right)
}

fn check(line: &[u8]) {
    let (read, expected) = (parse(line).map(Line::into_event), by_serde(line));
    assert!(
        same(&read, &expected),
        "{}\n{read:?}\n{expected:?}",
        String::from_utf8_lossy(line)
    );
}

fn is_quick(line: &str) -> bool {
    matches!(parse(line.as_bytes()), Some(Line::Scalar(_)))
}

const LINE: &str = r#"{"v":1,"seq":17,"time":1795500902.25,"kind":"scalar","name":"train/loss","value":0.25,"axis":"learner_updates","step":10}"#;

#[test]
fn the_documented_line_is_read_quickly_and_so_are_names_of_numbers() {
    assert!(is_quick(LINE));
    assert!(is_quick(&format!("{LINE}\n")));
    for value in [
        "\"NaN\"",
        "\"inf\"",
        "\"-inf\"",
        "-0.0",
        "1e-7",
        "-3",
        "0.1234567890123456789",
    ] {
        let line = LINE.replace("0.25,", &format!("{value},"));
        assert!(is_quick(&line), "{line}");
        check(line.as_bytes());
    }
}

#[test]
fn unusual_lines_are_read_as_serde_reads_them() {
    for (from, to) in [
        ("0.25,\"axis", "0.25 ,\"axis"),
        ("0.25,\"axis", "+0.25,\"axis"),
        ("0.25,\"axis", ".25,\"axis"),
        ("0.25,\"axis", "00.25,\"axis"),
        ("0.25,\"axis", "1.,\"axis"),
        ("0.25,\"axis", "1e,\"axis"),
        ("0.25,\"axis", "1e999,\"axis"),
        ("0.25,\"axis", "12345678901234567890123,\"axis"),
        ("0.25,\"axis", "nan,\"axis"),
        ("0.25,\"axis", "\"nan\",\"axis"),
        ("0.25,\"axis", "null,\"axis"),
        ("0.25,\"axis", "9007199254740993,\"axis"),
        ("0.25,\"axis", "0.30000000000000004,\"axis"),
        ("0.25,\"axis", "2.2250738585072011e-308,\"axis"),
        ("train/loss", "train\\u002floss"),
        ("train/loss", "train\\loss"),
        ("train/loss", "tr\u{9}ain"),
        ("train/loss", "\u{1F980}"),
        ("train/loss", ""),
        ("learner_updates", "moons"),
        ("\"step\":10", "\"step\":-1"),
        ("\"step\":10", "\"step\":10.5"),
        ("\"step\":10", "\"step\":18446744073709551616"),
        ("\"step\":10", "\"step\":18446744073709551615"),
        ("\"step\":10", "\"step\":010"),
        ("\"step\":10", "\"step\":10,\"later\":1"),
        ("\"step\":10}", "\"step\":10} "),
        ("\"step\":10}", "\"step\":10}\r\n"),
        ("\"step\":10}", "\"step\":10}}"),
        ("\"v\":1", "\"v\":4294967296"),
        ("\"v\":1", "\"v\":2"),
        ("\"seq\":17,", ""),
        ("1795500902.25", "\"NaN\""),
        ("1795500902.25", "-0"),
        ("scalar", "hologram"),
        ("{\"v\":1,\"seq\":17", "{\"seq\":17,\"v\":1"),
    ] {
        let line = LINE.replacen(from, to, 1);
        assert_ne!(line, LINE);
        check(line.as_bytes());
    }
    for cut in 0..LINE.len() {
        check(&LINE.as_bytes()[..cut]);
    }
    check(&[0xff, 0xfe, b'\n']);
    check(LINE.replace("loss", "\u{fffd}").as_bytes());
    let mut broken = LINE.as_bytes().to_vec();
    broken[60] = 0xff;
    check(&broken);
}

fn axes() -> impl Strategy<Value = Axis> {
    prop::sample::select(vec![
        Axis::EnvSteps,
        Axis::LearnerUpdates,
        Axis::Tokens,
        Axis::Seconds,
    ])
}

fn events() -> impl Strategy<Value = Event> {
    let scalar = (any::<String>(), any::<f64>(), axes(), any::<u64>()).prop_map(
        |(name, value, axis, step)| EventKind::Scalar {
            name,
            value,
            axis,
            step,
        },
    );
    let decimal = ("[a-z_/]{0,12}", -99_999_i64..99_999, axes(), 0..1_000_u64).prop_map(
        |(name, value, axis, step)| EventKind::Scalar {
            name,
            value: value as f64 / 1000.0,
            axis,
            step,
        },
    );
    let text = (any::<String>(), any::<String>(), axes(), any::<u64>()).prop_map(
        |(name, text, axis, step)| EventKind::Text {
            name,
            text,
            axis,
            step,
        },
    );
    let evaluation = (
        prop::collection::vec(any::<f64>(), 0..4),
        any::<u32>(),
        any::<String>(),
    )
        .prop_map(|(returns, step, checkpoint)| EventKind::Evaluation {
            purpose: EvaluationPurpose::Interval,
            progress: crate::event::Progress {
                step: u64::from(step),
                ..Default::default()
            },
            lengths: returns.iter().map(|_| 3).collect(),
            returns,
            extra: Default::default(),
            checkpoint,
        });
    let kind = prop_oneof![3 => scalar, 3 => decimal, 1 => text, 1 => evaluation];
    (any::<u32>(), any::<u64>(), 0.0..4e9_f64, kind).prop_map(|(version, sequence, time, kind)| {
        Event {
            version,
            sequence,
            time,
            kind,
        }
    })
}

proptest! {
    #[test]
    fn any_event_is_read_as_serde_reads_it(event in events()) {
        check(event.to_line().as_bytes());
    }

    #[test]
    fn a_damaged_line_is_read_as_serde_reads_it(
        event in events(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut line = event.to_line().into_bytes();
        let place = at.index(line.len());
        line[place] = byte;
        check(&line);
        line.truncate(cut.index(line.len()));
        check(&line);
    }

    #[test]
    fn reordered_keys_are_read_as_serde_reads_them(event in events(), seed in any::<u64>()) {
        let value: serde_json::Value = serde_json::from_str(&event.to_line()).unwrap();
        let mut pairs: Vec<String> = value
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key.as_str())))
            .collect();
        let turn = seed as usize % pairs.len();
        pairs.rotate_left(turn);
        pairs.push("\"later\":[1,{\"a\":2}]".to_owned());
        check(format!("{{{}}}", pairs.join(",")).as_bytes());
    }

    #[test]
    fn lines_of_a_buffer_are_all_found(events in prop::collection::vec(events(), 0..6), cut in 0..40_usize) {
        let text: String = events.iter().map(|event| event.to_line() + "\n").collect();
        let bytes = &text.as_bytes()[..text.len().saturating_sub(cut)];
        let mut found = Vec::new();
        let used = each_line(bytes, &mut |line| found.push(line.map(Line::into_event)));
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        prop_assert_eq!(used, whole);
        let expected: Vec<_> = bytes[..whole]
            .split_inclusive(|byte| *byte == b'\n')
            .map(by_serde)
            .collect();
        prop_assert_eq!(found.len(), expected.len());
        for (read, event) in found.iter().zip(&expected) {
            prop_assert!(same(read, event), "{:?}\n{:?}", read, event);
        }
    }
}
