//! The selected run at a glance: progress, speed, time left, last evaluation.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use crate::detail::Measure;
use crate::figures::{count, duration, gauge_ratio, number, plural, printable};
use crate::model::{Model, RunState, RunSummary, is_alive, role, shown};
use crate::source::score;
use crate::theme::Role;

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let Some(run) = model.run() else {
        let block = Block::bordered()
            .border_set(model.theme.border())
            .border_style(model.theme.style(Role::Muted));
        frame.render_widget(
            Paragraph::new(" Select a run to see it here.")
                .style(model.theme.style(Role::Muted))
                .block(block),
            area,
        );
        return;
    };
    let (word, unicode, ascii) = shown(run.state);
    let symbol = if model.theme.unicode() {
        unicode
    } else {
        ascii
    };
    let title = Line::from(vec![
        Span::styled(
            format!(" {symbol} {word} "),
            model.theme.style(role(run.state)),
        ),
        Span::styled(
            format!("{} ", printable(&run.id)),
            model.theme.style(Role::Strong),
        ),
    ]);
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(Role::Muted))
        .title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 4 || inner.height == 0 {
        return;
    }
    let [bar, text] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    frame.render_widget(bar_line(model, run, inner.width as usize), bar);
    frame.render_widget(Paragraph::new(facts(model, inner.width as usize)), text);
}

/// The bar is made by hand: ratatui's gauge panics on shares that are not finite
/// and needs characters beyond ASCII.
fn bar_line<'a>(model: &Model, run: &RunSummary, width: usize) -> Line<'a> {
    let (done, unit) = run.done();
    let Some(share) = run.progress() else {
        // Before the plan is known, a run that works in stages tells which one it is in.
        let text = match run.message.as_str() {
            stage if run.job == "finetune" && !stage.is_empty() && !run.state.is_final() => {
                format!(" {}", printable(stage))
            }
            _ => format!(" {} {unit}", count(done)),
        };
        return Line::styled(text, model.theme.style(Role::Strong));
    };
    let percent = (share * 100.0).floor();
    let label = format!(
        " {percent:>3.0}%  {} / {} {unit}",
        count(done),
        count(run.total_steps)
    );
    let room = width.saturating_sub(label.chars().count() + 2);
    let filled = (gauge_ratio(share) * room as f64).round() as usize;
    let (full, rest) = if model.theme.unicode() {
        ("━", "─")
    } else {
        ("=", "-")
    };
    Line::from(vec![
        Span::raw(" "),
        Span::styled(
            full.repeat(filled.min(room)),
            model.theme.style(role(run.state)),
        ),
        Span::styled(
            rest.repeat(room - filled.min(room)),
            model.theme.style(Role::Muted),
        ),
        Span::styled(label, model.theme.style(Role::Strong)),
    ])
}

/// What of a run of searches its curves tell: the questions so far.
fn searches(model: &Model, scored: bool) -> Vec<(String, Role)> {
    let history = &model.detail.history;
    let last = |name: &str| {
        let point = history.series(&format!("search/{name}"))?.last()?;
        point.value.is_finite().then_some(point.value)
    };
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    let mut parts = Vec::new();
    if let Some(many) = last("violations").filter(|many| *many > 0.0) {
        let budgets = plural(many, "budget");
        let text = format!("! {} {budgets} exceeded", number(many));
        parts.push((text, Role::Bad));
    }
    if let Some(accuracy) = last("accuracy").filter(|_| !scored) {
        parts.push((
            format!("accuracy {} so far", number(accuracy)),
            Role::Series(1),
        ));
    }
    if let Some(f1) = last("f1") {
        parts.push((format!("F1 {}", number(f1)), Role::Text));
    }
    if let Some(share) = last("backstop_rate") {
        parts.push((format!("{} forced", percent(share)), Role::Text));
    }
    if let Some(tokens) = last("tokens") {
        parts.push((format!("{} tokens each", count(tokens.round())), Role::Text));
    }
    if let Some(share) = last("full_batch_share") {
        parts.push((format!("batches full {}", percent(share)), Role::Muted));
    }
    if let Some(share) = last("cached_share") {
        parts.push((format!("{} of prompts cached", percent(share)), Role::Muted));
    }
    parts
}

fn facts<'a>(model: &Model, width: usize) -> Line<'a> {
    let Some(run) = model.run() else {
        return Line::default();
    };
    let mut parts: Vec<(String, Role)> = Vec::new();
    if matches!(
        run.state,
        RunState::Failed | RunState::Killed | RunState::Lost
    ) {
        let text = match (run.message.is_empty(), run.exit_code) {
            (false, _) => printable(&run.message),
            (true, Some(code)) => format!("left with exit code {code}; see the logs (6)"),
            (true, None) => "its process is gone; r resumes from the last checkpoint".to_owned(),
        };
        parts.push((text, role(run.state)));
    }
    // A stage of a job that knows its plan stands beside the bar, not in its place.
    let staged = run.job == "finetune" && run.progress().is_some() && is_alive(run.state);
    if staged && !run.message.is_empty() {
        parts.push((printable(&run.message), Role::Text));
    }
    let scored = match (&model.detail.absolute, model.detail.evaluations.last()) {
        (Some(point), _) => Some((point.measure.final_name(), point)),
        (None, Some(point)) => Some(("evaluation", point)),
        (None, None) => None,
    };
    if let Some((what, point)) = scored {
        let (low, high) = point.interval;
        let text = match point.measure {
            Measure::Return => format!(
                "{what} {} [{}, {}]",
                number(point.mean),
                number(low),
                number(high)
            ),
            // A language model has one measure or another: it is named.
            _ => score(point),
        };
        parts.push((text, Role::Series(1)));
    }
    if run.job == "search" {
        parts.extend(searches(model, scored.is_some()));
    }
    if let Some(rate) = run
        .steps_per_second
        .filter(|rate| *rate > 0.0 && is_alive(run.state) && run.done().1 == "steps")
    {
        parts.push((format!("{} steps/s", count(rate.round())), Role::Text));
        if run.total_steps > run.step {
            parts.push((
                format!("{} left", duration((run.total_steps - run.step) / rate)),
                Role::Text,
            ));
        }
    }
    if run.seconds > 0.0 {
        parts.push((format!("{} spent", duration(run.seconds)), Role::Muted));
    }
    if run.updates > 0.0 && run.done().1 == "steps" {
        parts.push((format!("{} updates", count(run.updates)), Role::Muted));
    }
    let separator = if model.theme.unicode() {
        "  ·  "
    } else {
        "  -  "
    };
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for (index, (text, role)) in parts.into_iter().enumerate() {
        let cells = Span::raw(text.as_str()).width() + if index > 0 { 5 } else { 0 };
        if index > 0 && used + cells > width {
            break;
        }
        used += cells;
        if index > 0 {
            spans.push(Span::styled(separator, model.theme.style(Role::Muted)));
        }
        spans.push(Span::styled(text, model.theme.style(role)));
    }
    Line::from(spans)
}
