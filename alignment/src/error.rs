//! What can go wrong in a preference loss.

/// Errors of the preference losses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignmentError {
    /// Two tensors that belong together differ in shape.
    #[error("{what}: shapes {left:?} and {right:?} - one number for each number of the other")]
    Shape {
        /// Which two.
        what: &'static str,
        /// Shape of the first.
        left: Vec<i64>,
        /// Shape of the second.
        right: Vec<i64>,
    },
    /// A tensor of the wrong number of dimensions or of none.
    #[error("{what}: shape {shape:?} - allowed is {allowed}")]
    Dimensions {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        shape: Vec<i64>,
        /// What it should be.
        allowed: &'static str,
    },
    /// A tensor of the wrong element type.
    #[error("{what}: elements of type {kind:?} - allowed is {allowed}")]
    Kind {
        /// Which tensor.
        what: &'static str,
        /// Its element type.
        kind: tch::Kind,
        /// What it should be.
        allowed: &'static str,
    },
    /// A number outside its range.
    #[error("{what}: {value} - allowed is {allowed}")]
    Number {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A part of a batch that a loss needs.
    #[error("{what}: missing - this loss needs one number for each response or pair")]
    Missing {
        /// Which part.
        what: &'static str,
    },
    /// LibTorch reported an error, such as tensors on two devices.
    #[error("LibTorch: {0}")]
    Tensor(#[from] tch::TchError),
}
