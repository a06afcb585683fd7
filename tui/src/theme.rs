//! Semantic colours. Widgets ask for a role; no widget names a colour.
//!
//! The series colours are the Okabe-Ito palette, which stays distinguishable
//! with the common colour vision deficiencies. Without colour (`NO_COLOR`) no
//! style carries a colour at all: crossterm resets the modifiers of a cell that
//! has one.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourDepth {
    /// No colours: modifiers only.
    None,
    /// The 16 named colours.
    Sixteen,
    /// The 256 indexed colours.
    Indexed,
    /// 24-bit colours.
    True,
}

/// What is known of the terminal; the binary fills it from its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// How many colours it shows.
    pub colour: ColourDepth,
    /// Whether it draws characters beyond ASCII.
    pub unicode: bool,
}

impl Default for Surroundings {
    fn default() -> Self {
        Surroundings {
            colour: ColourDepth::True,
            unicode: true,
        }
    }
}

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Plain text.
    Text,
    /// Less important text.
    Muted,
    /// Headings and values to look at.
    Strong,
    /// The border and title of the focused pane.
    Focus,
    /// The selected row.
    Selected,
    /// Good news.
    Ok,
    /// A warning.
    Warn,
    /// Bad news.
    Bad,
    /// The n-th series of a chart, and the n-th agent.
    Series(usize),
    /// Food and other goals in the grid world.
    Goal,
    /// A key in footer and help.
    Key,
}

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// Okabe and Ito's, for dark and light terminals and every colour vision.
    #[default]
    OkabeIto,
    /// Paul Tol's bright scheme, likewise.
    TolBright,
    /// Black on white and white on black, with bold and underlined text.
    HighContrast,
    /// No colours: modifiers only.
    Monochrome,
}

/// Every palette, the default first.
pub const PALETTES: &[Palette] = &[
    Palette::OkabeIto,
    Palette::TolBright,
    Palette::HighContrast,
    Palette::Monochrome,
];

impl Palette {
    /// Its word in the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Palette::OkabeIto => "okabe-ito",
            Palette::TolBright => "tol-bright",
            Palette::HighContrast => "high-contrast",
            Palette::Monochrome => "monochrome",
        }
    }
}

/// Roles to styles for one terminal.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    surroundings: Surroundings,
    palette: Palette,
}

struct Shade(u8, u8, u8, u8, Color);

// Okabe-Ito in the order of the specification; 24-bit, nearest of 256, nearest of 16.
const ORANGE: Shade = Shade(230, 159, 0, 214, Color::LightRed);
const SKY_BLUE: Shade = Shade(86, 180, 233, 74, Color::LightCyan);
const GREEN: Shade = Shade(0, 158, 115, 36, Color::Green);
const YELLOW: Shade = Shade(240, 228, 66, 227, Color::Yellow);
const BLUE: Shade = Shade(0, 114, 178, 32, Color::LightBlue);
const VERMILLION: Shade = Shade(213, 94, 0, 166, Color::Red);
const PURPLE: Shade = Shade(204, 121, 167, 175, Color::Magenta);
const GREY: Shade = Shade(140, 140, 140, 245, Color::DarkGray);
// Tol's bright scheme, with yellow last: it is the weakest on white.
const TOL_BLUE: Shade = Shade(68, 119, 170, 67, Color::LightBlue);
const TOL_RED: Shade = Shade(238, 102, 119, 204, Color::LightRed);
const TOL_GREEN: Shade = Shade(34, 136, 51, 28, Color::Green);
const TOL_CYAN: Shade = Shade(102, 204, 238, 81, Color::LightCyan);
const TOL_PURPLE: Shade = Shade(170, 51, 119, 126, Color::Magenta);
const TOL_GREY: Shade = Shade(187, 187, 187, 250, Color::Gray);
const TOL_YELLOW: Shade = Shade(204, 187, 68, 185, Color::Yellow);
const TOL_SERIES: [&Shade; 8] = [
    &TOL_BLUE,
    &TOL_RED,
    &TOL_GREEN,
    &TOL_CYAN,
    &TOL_PURPLE,
    &TOL_GREY,
    &TOL_YELLOW,
    &GREY,
];
const SERIES: [&Shade; 8] = [
    &SKY_BLUE,
    &ORANGE,
    &GREEN,
    &YELLOW,
    &BLUE,
    &VERMILLION,
    &PURPLE,
    &GREY,
];

impl Theme {
    /// The theme for a terminal.
    #[must_use]
    pub fn new(surroundings: Surroundings) -> Self {
        Theme {
            surroundings,
            palette: Palette::default(),
        }
    }

    /// The same terminal with other colours.
    #[must_use]
    pub fn with_palette(self, palette: Palette) -> Self {
        Theme { palette, ..self }
    }

    /// Whether characters beyond ASCII may be drawn.
    #[must_use]
    pub fn unicode(&self) -> bool {
        self.surroundings.unicode
    }

    /// The style of a role.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        let plain = Style::new();
        let tol = self.palette == Palette::TolBright;
        let of = |okabe_ito, tol_bright| if tol { tol_bright } else { okabe_ito };
        match role {
            Role::Text => plain,
            Role::Muted => self.shade(&GREY, Modifier::DIM, Modifier::empty()),
            Role::Strong => plain.add_modifier(Modifier::BOLD),
            Role::Focus | Role::Key => {
                self.shade(of(&SKY_BLUE, &TOL_CYAN), Modifier::BOLD, Modifier::BOLD)
            }
            Role::Selected => plain.add_modifier(Modifier::REVERSED),
            Role::Ok => self.shade(of(&GREEN, &TOL_GREEN), Modifier::empty(), Modifier::empty()),
            Role::Warn => self.shade(of(&YELLOW, &TOL_YELLOW), Modifier::BOLD, Modifier::empty()),
            Role::Bad => self.shade(
                of(&VERMILLION, &TOL_RED),
                Modifier::BOLD.union(Modifier::UNDERLINED),
                Modifier::BOLD,
            ),
            Role::Goal => self.shade(
                of(&YELLOW, &TOL_YELLOW),
                Modifier::empty(),
                Modifier::empty(),
            ),
            Role::Series(index) => {
                let series = if tol { &TOL_SERIES } else { &SERIES };
                let shade = series[index % series.len()];
                self.shade(shade, Modifier::empty(), Modifier::empty())
            }
        }
    }

    /// The border characters.
    #[must_use]
    pub fn border(&self) -> symbols::border::Set<'static> {
        if self.unicode() {
            symbols::border::ROUNDED
        } else {
            symbols::border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            }
        }
    }

    fn shade(&self, shade: &Shade, without: Modifier, with: Modifier) -> Style {
        // High contrast has no dim text.
        if self.palette == Palette::HighContrast {
            return Style::new().add_modifier(without.difference(Modifier::DIM));
        }
        let colour = match self.surroundings.colour {
            _ if self.palette == Palette::Monochrome => {
                return Style::new().add_modifier(without);
            }
            ColourDepth::None => return Style::new().add_modifier(without),
            ColourDepth::Sixteen => shade.4,
            ColourDepth::Indexed => Color::Indexed(shade.3),
            ColourDepth::True => Color::Rgb(shade.0, shade.1, shade.2),
        };
        Style::new().fg(colour).add_modifier(with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 11] = [
        Role::Text,
        Role::Muted,
        Role::Strong,
        Role::Focus,
        Role::Selected,
        Role::Ok,
        Role::Warn,
        Role::Bad,
        Role::Series(3),
        Role::Goal,
        Role::Key,
    ];

    #[test]
    fn without_colour_no_role_carries_a_colour() {
        let theme = Theme::new(Surroundings {
            colour: ColourDepth::None,
            unicode: true,
        });
        for role in ROLES {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
        assert!(theme.style(Role::Bad).add_modifier.contains(Modifier::BOLD));
    }

    #[test]
    fn palettes_without_colour_have_none_and_high_contrast_is_never_dim() {
        for palette in [Palette::HighContrast, Palette::Monochrome] {
            let theme = Theme::new(Surroundings::default()).with_palette(palette);
            for role in ROLES {
                let style = theme.style(role);
                assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
                let dim = style.add_modifier.contains(Modifier::DIM);
                assert!(!dim || palette == Palette::Monochrome, "{role:?}");
            }
        }
    }

    #[test]
    fn every_depth_gives_its_own_kind_of_colour() {
        let of = |colour| {
            Theme::new(Surroundings {
                colour,
                unicode: true,
            })
            .style(Role::Ok)
            .fg
        };
        assert_eq!(of(ColourDepth::Sixteen), Some(Color::Green));
        assert_eq!(of(ColourDepth::Indexed), Some(Color::Indexed(36)));
        assert_eq!(of(ColourDepth::True), Some(Color::Rgb(0, 158, 115)));
    }
}
