//! Scenes as text, PNG frames and GIF films; tables of shares as text and PNG.
//!
//! Nothing is told by colour alone: agents are squares with a letter, foods discs with a star in
//! text, levels are digits, the chosen entry of a payoff table has brackets or a frame.

mod board;
mod canvas;
mod font;
mod heat_map;
mod image;
mod text;

pub use board::frame;
pub use canvas::Picture;
pub use heat_map::{HeatMap, heat_maps};
pub use image::{write_gif, write_picture, write_png};
pub use text::text;
