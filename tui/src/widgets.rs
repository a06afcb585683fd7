//! Parts that several panes and screens draw with.

pub mod editor;
pub mod files;
pub mod gauge;
pub mod input;
pub mod path_prompt;
pub mod plot;
pub mod prose;
pub mod rows;
pub mod table;
