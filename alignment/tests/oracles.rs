//! Win matrices and the oracles without network.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::fs;

use alignment::oracles::aggregation::bradley_terry;
use alignment::oracles::scores_file::ScoresFile;
use alignment::oracles::synthetic::{SyntheticOracle, cycle, order};
use alignment::oracles::verifiers::Verifier;
use alignment::oracles::win_matrix::best_and_worst;
use alignment::oracles::{
    Aggregation, Candidates, OracleKind, PairLogits, PreferenceOracle, SelfTerm, WinMatrix,
};
use proptest::prelude::*;

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (left, right) in actual.iter().zip(expected) {
        assert!(
            (left - right).abs() <= tolerance,
            "{actual:?} is not {expected:?}"
        );
    }
}

/// Five responses, shown in both orders; `s_ik` of the better response first.
fn five() -> PairLogits {
    // Averaged over both orders: s01 2, s02 -1, s03 1, s04 0, s12 3, s13 0, s14 1, s23 1, s24 2, s34 -1.
    PairLogits::new(&[
        vec![9.0, 3.0, -1.5, 1.0, 0.5],
        vec![-1.0, 0.0, 3.0, 0.2, 1.0],
        vec![0.5, -3.0, 0.0, 2.0, 2.0],
        vec![-1.0, 0.2, 0.0, 0.0, -0.5],
        vec![0.5, -1.0, -2.0, 1.5, 0.0],
    ])
    .unwrap()
}

#[test]
fn five_responses_by_hand_pairwise() {
    let logits = five();
    // Row sums: 0: 2 - 1 + 1 + 0 = 2; 1: -2 + 3 + 0 + 1 = 2; 2: 1 - 3 + 1 + 2 = 1;
    // 3: -1 + 0 - 1 - 1 = -3; 4: 0 - 1 - 2 + 1 = -2.
    assert_close(&logits.mean_scores(), &[0.4, 0.4, 0.2, -0.6, -0.4], 1e-15);
    assert_eq!(best_and_worst(&logits.mean_scores()), Some((0, 3)));
    // sigmoid: 1 0.731058579, 2 0.880797078, 3 0.952574127, and 1 less that.
    let wins = logits.wins(Aggregation::Pairwise).unwrap();
    let expected = [
        // 0.5 + 0.880797078 + 0.268941421 + 0.731058579 + 0.5, over 5
        0.576_159_415_6,
        // 0.119202922 + 0.5 + 0.952574127 + 0.5 + 0.731058579
        0.560_567_125_6,
        // 0.731058579 + 0.047425873 + 0.5 + 0.731058579 + 0.880797078
        0.578_068_021_8,
        // 0.268941421 + 0.5 + 0.268941421 + 0.5 + 0.268941421
        0.361_364_852_6,
        // 0.5 + 0.268941421 + 0.119202922 + 0.731058579 + 0.5
        0.423_840_584_4,
    ];
    assert_close(&wins.win_rates(SelfTerm::Counted), &expected, 1e-9);
    assert_eq!(wins.best_and_worst(), Some((0, 3)));
    // A cycle is kept: 0 beats 1, 1 beats 2, 2 beats 0.
    let beats = |first, second| wins.get(first, second).unwrap() > 0.5;
    assert!(beats(0, 1) && beats(1, 2) && beats(2, 0));
}

#[test]
fn five_responses_by_hand_from_averaged_scores() {
    // r = 0.8, 0.8, 0.4, -1.2, -0.8; sigmoid of 0.4 0.598687660, 2.0 0.880797078, 1.6 0.832018385,
    // 1.2 0.768524783.
    let wins = five().wins(Aggregation::AveragedScores).unwrap();
    let expected = [
        // 0.5 + 0.5 + 0.598687660 + 0.880797078 + 0.832018385
        0.662_300_624_6,
        0.662_300_624_6,
        // 0.401312340 + 0.401312340 + 0.5 + 0.832018385 + 0.768524783
        0.580_633_569_6,
        // 0.119202922 + 0.119202922 + 0.167981615 + 0.5 + 0.401312340
        0.261_539_959_8,
        // 0.167981615 + 0.167981615 + 0.231475217 + 0.598687660 + 0.5
        0.333_225_221_4,
    ];
    assert_close(&wins.win_rates(SelfTerm::Counted), &expected, 1e-9);
    assert_close(&[wins.get(0, 1).unwrap()], &[0.5], 1e-15);
}

#[test]
fn additive_logits_are_doubled_by_averaging() {
    let scores = [1.0, 0.2, -0.7_f64];
    let additive: Vec<Vec<f64>> = scores
        .iter()
        .map(|first| scores.iter().map(|second| first - second).collect())
        .collect();
    let logits = PairLogits::new(&additive).unwrap();
    let pairwise = logits.wins(Aggregation::Pairwise).unwrap();
    let averaged = logits.wins(Aggregation::AveragedScores).unwrap();
    let doubled = bradley_terry(&scores, 0.5).unwrap();
    for row in 0..3 {
        assert_close(&averaged.rows()[row], &doubled.rows()[row], 1e-15);
        assert_close(
            &pairwise.rows()[row],
            &bradley_terry(&scores, 1.0).unwrap().rows()[row],
            1e-15,
        );
    }
}

#[test]
fn the_response_itself_counts_a_half_or_not_at_all() {
    let wins = order(3, 1.0).unwrap();
    assert_close(
        &wins.win_rates(SelfTerm::Counted),
        &[2.5 / 3.0, 0.5, 0.5 / 3.0],
        1e-15,
    );
    assert_close(&wins.win_rates(SelfTerm::LeftOut), &[1.0, 0.5, 0.0], 1e-15);
    assert_eq!(order(1, 0.7).unwrap().win_rates(SelfTerm::LeftOut), [0.5]);
}

#[test]
fn ties_have_no_best_and_worst() {
    assert_eq!(cycle(3, 0.9).unwrap().best_and_worst(), None);
    assert_eq!(order(4, 0.5).unwrap().best_and_worst(), None);
    assert_eq!(order(1, 0.5).unwrap().best_and_worst(), None);
    assert_eq!(best_and_worst(&[0.1, f64::NAN]), None);
    assert_eq!(best_and_worst(&[]), None);
    // The first of equals.
    assert_eq!(best_and_worst(&[1.0, 2.0, 2.0, 1.0]), Some((1, 0)));
}

#[test]
fn matrices_that_are_none_are_told() {
    let told = |rows: &[[f64; 2]]| {
        let rows = rows.iter().map(|row| row.to_vec()).collect();
        WinMatrix::new(rows).unwrap_err().to_string()
    };
    assert!(told(&[[0.5, 0.8], [0.3, 0.5]]).starts_with("P(0 > 1) + P(1 > 0) = 1.1"));
    assert!(told(&[[0.4, 0.8], [0.2, 0.5]]).starts_with("P(0 > 0) + P(0 > 0) = 0.8"));
    assert!(told(&[[0.5, f64::NAN], [0.5, 0.5]]).starts_with("win matrix[0][1]: NaN"));
    assert!(told(&[[0.5, 1.5], [-0.5, 0.5]]).contains("1.5 - allowed is 0 to 1"));
    assert!(told(&[[0.5, 0.5]]).contains("1 rows, row 0 has 2 entries"));
    assert!(WinMatrix::new(Vec::new()).is_err());
    assert!(bradley_terry(&[0.1, f64::INFINITY], 1.0).is_err());
    assert!(bradley_terry(&[0.1, 0.2], 0.0).is_err());
    assert!(PairLogits::new(&[vec![0.0, f64::NAN], vec![0.0, 0.0]]).is_err());
    let read: Result<WinMatrix, _> = serde_json::from_str("[[0.5, 0.9], [0.3, 0.5]]");
    assert!(read.unwrap_err().to_string().contains("has to be 1"));
}

fn candidates(answer: Option<&str>, responses: &[&str]) -> Candidates {
    Candidates {
        id: "p1".to_owned(),
        prompt: "?".to_owned(),
        answer: answer.map(str::to_owned),
        responses: responses.iter().map(|text| (*text).to_owned()).collect(),
        ..Candidates::default()
    }
}

#[test]
fn verifiers_read_answers() {
    let numeric = Verifier::Numeric { tolerance: 1e-6 };
    let right = [
        ("The answer is 42.", "42"),
        ("so 1,234,567 apples", "1234567"),
        ("that is $1,200.50.", "1200.5"),
        ("x = -3", "-3"),
        ("10 - 3 = 7", "7"),
        ("it is 3/4", "0.75"),
        (r"\boxed{\frac{3}{4}} as 1 < 2", "0.75"),
        ("about 1 1/2 cups", "1.5"),
        ("25%", "0.25"),
        (r"it is 25\%", "25%"),
        ("6.02e23", "6.02e23 per mole"),
        ("3.5 km/h", "3.5 km/h"),
        ("#### 18", "Reasoning with 3 and 5 #### 18"),
    ];
    for (response, answer) in right {
        assert_eq!(
            numeric.check(response, answer),
            Some(true),
            "{response} {answer}"
        );
    }
    assert_eq!(numeric.check("The answer is 42.5", "42"), Some(false));
    assert_eq!(numeric.check("no idea", "42"), None);
    let loose = Verifier::Numeric { tolerance: 0.01 };
    assert_eq!(loose.check("3.14", "3.14159"), Some(true));
    assert_eq!(numeric.check("3.14", "3.14159"), Some(false));
    let boxed = Verifier::Boxed { tolerance: 1e-9 };
    let nested = r"First \boxed{1}, then \boxed{\left\{ x^{2} + \frac{1}{2} \right\}}.";
    assert_eq!(boxed.check(nested, r"\{x^{2}+\frac{1}{2}\}"), Some(true));
    assert_eq!(boxed.check(nested, "1"), Some(false));
    assert_eq!(boxed.check(r"\boxed{\text{no}", "no"), None);
    assert_eq!(boxed.check(r"\boxed {0.50}", r"\boxed{1/2}"), Some(true));
    assert_eq!(boxed.check("42", "42"), None);
    assert_eq!(
        Verifier::Exact.check(" yes,\n sir", "yes, sir "),
        Some(true)
    );
    assert_eq!(Verifier::Exact.check("Yes", "yes"), Some(false));
}

#[test]
fn right_beats_wrong_and_equals_tie() {
    let mut oracle = Verifier::Numeric { tolerance: 0.0 };
    let batch = [candidates(Some("7"), &["it is 7", "8", "no idea", "7.0"])];
    let judgement = oracle.judge(&batch).unwrap().remove(0);
    assert_eq!(judgement.failures, 1);
    assert_eq!(judgement.wins.rows()[0], [0.5, 1.0, 1.0, 0.5]);
    assert_eq!(judgement.wins.rows()[1], [0.0, 0.5, 0.5, 0.0]);
    assert_eq!(judgement.wins.best_and_worst(), Some((0, 1)));
    let text = oracle.judge(&[candidates(None, &["7"])]).unwrap_err();
    assert!(
        text.to_string()
            .starts_with("prompt p1: no reference answer")
    );
    assert!(oracle.judge(&[candidates(Some("yes"), &["7"])]).is_err());
}

#[test]
fn a_cycle_over_known_responses() {
    let known = ["rock", "scissors", "paper"].map(str::to_owned).to_vec();
    let mut oracle = SyntheticOracle::new(known, cycle(3, 0.9).unwrap()).unwrap();
    let batch = [candidates(None, &["paper", "rock", "well", "paper "])];
    let judgement = oracle.judge(&batch).unwrap().remove(0);
    assert_eq!(judgement.failures, 1);
    assert_eq!(judgement.wins.rows()[0], [0.5, 0.9, 0.5, 0.5]);
    assert!(SyntheticOracle::new(vec![String::new()], order(2, 0.6).unwrap()).is_err());
    assert!(cycle(2, 0.9).is_err());
}

#[test]
fn scores_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.jsonl");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        ScoresFile::read(&path, Aggregation::Pairwise, 2.0)
    };
    let mut oracle = read("{\"id\":\"p1\",\"scores\":[1.0,3.0],\"model\":\"x\"}\n\n").unwrap();
    assert_eq!(oracle.kind(), OracleKind::Scalar);
    let judgement = oracle
        .judge(&[candidates(None, &["a", "b"])])
        .unwrap()
        .remove(0);
    // sigmoid((1 - 3) / 2)
    assert_close(
        &judgement.wins.rows()[0],
        &[0.5, 0.268_941_421_369_995_1],
        1e-15,
    );
    let text = oracle.judge(&[candidates(None, &["a"])]).unwrap_err();
    assert_eq!(
        text.to_string(),
        "p1: 2 judged responses for 1 - one each is needed"
    );
    let mut other = candidates(None, &["a", "b"]);
    other.id = "p2".to_owned();
    assert!(
        oracle
            .judge(&[other])
            .unwrap_err()
            .to_string()
            .contains("p2")
    );
    let matrix = "{\"id\":\"p1\",\"win_matrix\":[[0.5,0.9],[0.1,0.5]]}\n";
    assert_eq!(read(matrix).unwrap().kind(), OracleKind::Pairwise);
    for (text, told) in [
        ("{\"id\":\"p1\"}\n", "line 1: one of scores"),
        (
            &format!("{matrix}{matrix}"),
            "line 2: id \"p1\" a second time",
        ),
        (
            "{\"id\":\"p1\",\"win_matrix\":[[0.5,0.9],[0.3,0.5]]}",
            "line 1: P(0 > 1)",
        ),
        ("\n{\"scores\":[1]}", "line 2: missing field `id`"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

proptest! {
    #[test]
    fn matrices_are_complementary_whatever_the_scores(
        logits in prop::collection::vec(prop::collection::vec(-800.0..800.0_f64, 5), 5),
        averaged: bool,
    ) {
        let aggregation = if averaged { Aggregation::AveragedScores } else { Aggregation::Pairwise };
        let wins = PairLogits::new(&logits).unwrap().wins(aggregation).unwrap();
        for row in 0..5 {
            prop_assert_eq!(wins.rows()[row][row], 0.5);
            for column in 0..5 {
                prop_assert_eq!(wins.rows()[row][column] + wins.rows()[column][row], 1.0);
            }
        }
        let mean: f64 = wins.win_rates(SelfTerm::Counted).iter().sum::<f64>() / 5.0;
        prop_assert!((mean - 0.5).abs() < 1e-12);
        let text = serde_json::to_string(&wins).unwrap();
        let read: WinMatrix = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, wins);
    }

    #[test]
    fn bradley_terry_is_transitive_and_its_best_is_the_best_score(
        scores in prop::collection::vec(-5.0..5.0_f64, 2..7),
    ) {
        let wins = bradley_terry(&scores, 0.7).unwrap();
        for first in 0..scores.len() {
            for second in 0..scores.len() {
                let beats = wins.get(first, second).unwrap() > 0.5;
                prop_assert!(!beats || scores[first] > scores[second]);
            }
        }
        prop_assert_eq!(wins.best_and_worst(), best_and_worst(&scores));
    }

    #[test]
    fn numbers_are_found_again(value in -1e9..1e9_f64, cents in 0_i64..100_000_000) {
        let numeric = Verifier::Numeric { tolerance: 1e-9 };
        prop_assert_eq!(numeric.check(&format!("It is {value} km."), &value.to_string()), Some(true));
        let grouped = cents.to_string();
        let grouped: Vec<String> = grouped.as_bytes().rchunks(3).rev()
            .map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let text = format!("so ${}.", grouped.join(","));
        prop_assert_eq!(numeric.check(&text, &cents.to_string()), Some(true));
    }

    #[test]
    fn no_text_breaks_a_verifier(text in "[\\\\boxedfrac{}0-9.,/ %$+−-]{0,40}", other in ".{0,20}") {
        for verifier in [Verifier::Exact, Verifier::Numeric { tolerance: 0.1 }, Verifier::Boxed { tolerance: 0.1 }] {
            verifier.check(&text, &other);
            verifier.check(&other, &text);
        }
    }
}
