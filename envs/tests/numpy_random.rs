//! numpy's stream: numbers printed by numpy 2.4.6.

use envs::numpy_random::{Pcg64, SeedSequence};

fn six(generator: &mut Pcg64) -> Vec<u32> {
    (0..6).map(|_| generator.integer(0, 10)).collect()
}

fn permutation(generator: &mut Pcg64) -> Vec<usize> {
    let mut items: Vec<usize> = (0..5).collect();
    generator.shuffle(&mut items);
    items
}

#[test]
fn seeded_streams_are_numpys() {
    let rows = [
        (
            0,
            vec![8, 6, 5, 2, 3, 0],
            vec![4, 1, 2, 0, 3],
            11_190_454_901_533_422_207,
        ),
        (
            7,
            vec![9, 6, 6, 8, 5, 7],
            vec![0, 4, 1, 3, 2],
            16_114_216_841_932_056_372,
        ),
        (
            4_294_967_301,
            vec![1, 7, 7, 4, 8, 6],
            vec![0, 3, 1, 2, 4],
            3_877_895_664_513_658_859,
        ),
    ];
    for (seed, integers, order, raw) in rows {
        let mut generator = Pcg64::seeded(seed);
        assert_eq!(six(&mut generator), integers, "seed {seed}");
        assert_eq!(permutation(&mut generator), order, "seed {seed}");
        assert_eq!(generator.next_u64(), raw, "seed {seed}");
    }
}

#[test]
fn spawned_streams_are_numpys() {
    let mut generator = Pcg64::new(&SeedSequence::spawned(7, 2));
    let integers: Vec<u32> = (0..4).map(|_| generator.integer(0, 1000)).collect();
    assert_eq!(integers, [396, 632, 785, 486]);
    assert_eq!(generator.next_u64(), 632_058_844_048_246_702);
}
