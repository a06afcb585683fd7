//! Parts that several panes and screens draw with.

pub mod gauge;
pub mod input;
<<<<<<< HEAD
pub mod plot;
=======
pub mod prose;
>>>>>>> 803777e (tui: world, text and search panes)
pub mod table;
