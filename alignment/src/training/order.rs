//! Which examples an update takes.

use nn::random::RandomStream;

/// The examples of every update of a training: epoch after epoch, each in its own order, cut into
/// updates without regard to where an epoch ends.
#[derive(Debug, Clone)]
pub struct Order {
    examples: usize,
    rows_per_update: usize,
    total_rows: usize,
    seed: u64,
    shuffle: bool,
    epoch: Option<(usize, Vec<usize>)>,
}

impl Order {
    /// `epochs` may be a fraction; one update at least is taken.
    pub fn new(
        examples: usize,
        rows_per_update: usize,
        epochs: f64,
        seed: u64,
        shuffle: bool,
    ) -> Self {
        let rows = (examples as f64 * epochs).round() as usize;
        Self {
            examples,
            rows_per_update,
            total_rows: if examples == 0 { 0 } else { rows.max(1) },
            seed,
            shuffle,
            epoch: None,
        }
    }

    /// Updates of the whole training.
    pub fn updates(&self) -> u64 {
        self.total_rows.div_ceil(self.rows_per_update) as u64
    }

    /// The epoch, a fraction, after so many updates.
    pub fn epochs_after(&self, updates: u64) -> f64 {
        let rows = (updates as usize * self.rows_per_update).min(self.total_rows);
        rows as f64 / self.examples.max(1) as f64
    }

    /// Indices of the examples of an update, counted from 0.
    pub fn rows(&mut self, update: u64) -> Vec<usize> {
        let first = update as usize * self.rows_per_update;
        let last = (first + self.rows_per_update).min(self.total_rows);
        (first..last)
            .map(|place| {
                let (epoch, place) = (place / self.examples, place % self.examples);
                self.of_epoch(epoch)[place]
            })
            .collect()
    }

    fn of_epoch(&mut self, epoch: usize) -> &[usize] {
        let known = self
            .epoch
            .as_ref()
            .is_some_and(|(known, _)| *known == epoch);
        if !known {
            self.epoch = None;
        }
        let (examples, seed, shuffle) = (self.examples, self.seed, self.shuffle);
        let (_, order) = self.epoch.get_or_insert_with(|| {
            let mut order: Vec<usize> = (0..examples).collect();
            if shuffle {
                let mut stream = RandomStream::new(seed, "order of examples", epoch as u64);
                for place in (1..examples).rev() {
                    order.swap(place, stream.below(place + 1));
                }
            }
            (epoch, order)
        });
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_takes_every_example_once_and_fractions_end_early() {
        let mut order = Order::new(10, 4, 2.5, 7, true);
        assert_eq!(order.updates(), 7);
        let all: Vec<usize> = (0..7).flat_map(|update| order.rows(update)).collect();
        assert_eq!(all.len(), 25);
        for epoch in 0..2 {
            let mut seen = all[epoch * 10..(epoch + 1) * 10].to_vec();
            assert_ne!(seen, (0..10).collect::<Vec<_>>());
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(all[..10], all[10..20]);
        // Asked for by itself, an update is the same: what a resumed training needs.
        assert_eq!(
            Order::new(10, 4, 2.5, 7, true).rows(3),
            all[12..16].to_vec()
        );
        assert!((order.epochs_after(3) - 1.2).abs() < 1e-12);
    }

    #[test]
    fn little_is_one_update_and_nothing_is_none() {
        assert_eq!(Order::new(3, 64, 0.01, 1, false).updates(), 1);
        assert_eq!(Order::new(0, 64, 1.0, 1, false).updates(), 0);
        assert_eq!(Order::new(3, 2, 1.0, 1, false).rows(1), [2]);
    }
}
