//! Parts that several panes and screens draw with.

pub mod input;
pub mod plot;
pub mod table;
