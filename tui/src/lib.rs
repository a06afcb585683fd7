//! Dashboard and launcher: a reader of run folders and a sender of commands.
//!
//! It never owns training state: the runs are processes of their own, and the
//! dashboard can leave, come back, or never be started. The shape is Elm's:
//! [`Model`], [`Msg`], [`update()`] to a list of [`Cmd`]s, [`view()`]. Only
//! [`source`] reads run folders, and only [`run()`] touches the terminal.

mod app;
pub mod commands;
pub mod comparison;
pub mod curve;
pub mod detail;
mod error;
pub mod figures;
pub mod host;
pub mod keys;
pub mod log;
pub mod look;
pub mod machine;
pub mod model;
pub mod panes;
pub mod pattern;
pub mod plan;
pub mod preferences;
pub mod run;
pub mod screens;
pub mod sheet;
pub mod source;
mod terminal;
pub mod text_chart;
pub mod theme;
pub mod update;
pub mod view;
pub mod widgets;

pub use app::{Options, run};
pub use error::TuiError;
pub use host::{Answer, Host, Request};
pub use model::{Leave, Model};
pub use terminal::terminal_size;
pub use theme::{ColourDepth, Surroundings};
pub use update::{Cmd, Msg, update};
pub use view::view;
