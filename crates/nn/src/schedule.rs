//! Schedules of scalar values.

mod learning_rate;

pub use learning_rate::{Decay, RateSchedule, WarmUp};

/// Linear interpolation from `start` to `end` over `steps`, constant afterwards.
///
/// EPyMARL `DecayThenFlatSchedule(decay="linear")`:
/// `max(end, start - (start - end) / steps * step)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearSchedule {
    /// Value at step 0.
    pub start: f64,
    /// Value from `steps` on.
    pub end: f64,
    /// Length of the descent; 0 means `end` at once.
    pub steps: u64,
}

impl LinearSchedule {
    /// The value at `step`.
    pub fn at(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.end;
        }
        self.start + (self.end - self.start) * (step as f64 / self.steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_then_stays() {
        let schedule = LinearSchedule {
            start: 1.0,
            end: 0.05,
            steps: 200_000,
        };
        assert_eq!(schedule.at(0), 1.0);
        assert!((schedule.at(100_000) - 0.525).abs() < 1e-12);
        assert_eq!(schedule.at(200_000), 0.05);
        assert_eq!(schedule.at(u64::MAX), 0.05);
        assert_eq!(
            LinearSchedule {
                steps: 0,
                ..schedule
            }
            .at(0),
            0.05
        );
    }
}
