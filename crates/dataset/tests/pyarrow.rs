//! Files that pyarrow wrote (xtask/parity/make_dataset_golden.py).

use std::path::PathBuf;

use dataset::{FileKind, Form, Place, ProblemKind, read};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

#[test]
fn both_codecs_hold_what_the_lines_hold() {
    let lines = read(&fixture("sppo.jsonl"), Form::Auto).unwrap();
    assert_eq!(lines.rows.len(), 5);
    for name in ["sppo.snappy.parquet", "sppo.zstd.parquet"] {
        let columns = read(&fixture(name), Form::Auto).unwrap();
        assert_eq!(columns.file, FileKind::Parquet);
        assert_eq!(columns.form, Form::Sppo);
        assert_eq!(columns.rows, lines.rows);
    }
}

#[test]
fn lists_of_numbers_with_nulls_and_nan() {
    let read = read(&fixture("rated.plain.parquet"), Form::Auto).unwrap();
    let problems: Vec<_> = read
        .problems
        .iter()
        .map(|one| (one.place, one.kind))
        .collect();
    assert_eq!(
        problems,
        [
            (Place::Row(3), ProblemKind::NotANumber),
            (Place::Row(4), ProblemKind::NoCompletion)
        ]
    );
    let rows = read.into_rated().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].scores, Some(vec![0.5, -1.25]));
    assert_eq!(
        rows[0].win_matrix,
        Some(vec![vec![0.5, 0.7], vec![0.3, 0.5]])
    );
    assert_eq!(rows[1].scores, None);
}

#[test]
fn what_cannot_be_read_is_a_sentence() {
    let told = read(&fixture("sppo.gzip.parquet"), Form::Auto)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("sppo.gzip.parquet: no Parquet that can be read"),
        "{told}"
    );
    assert!(
        told.contains("allowed: uncompressed, snappy or zstd"),
        "{told}"
    );

    let whole = std::fs::read(fixture("sppo.snappy.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.parquet");
    for keep in [4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        let told = read(&path, Form::Auto).unwrap_err().to_string();
        assert!(told.contains("cut.parquet: no Parquet"), "{keep}: {told}");
    }
}

#[test]
fn damage_anywhere_is_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let mut refused = 0;
    for name in ["sppo.snappy.parquet", "sppo.zstd.parquet"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in (4..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            std::fs::write(&path, &damaged).unwrap();
            refused += usize::from(read(&path, Form::Auto).is_err());
        }
    }
    assert!(refused > 100, "{refused}");
}
