//! What no single range can tell: settings of a search that contradict each other, or that are
//! needed and missing.

use super::{Method, ModelKind, QuestionsKind, SearchConfig, ServerConfig, StopRule};
use crate::problem::Problem;

/// All contradictions, errors and warnings. Ranges are checked elsewhere, from the field table.
pub(crate) fn contradictions(config: &SearchConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    model(config, &mut problems);
    questions(config, &mut problems);
    limits(config, &mut problems);
    answers(config, &mut problems);
    tools(config, &mut problems);
    values(config, &mut problems);
    opinions(config, &mut problems);
    money(config, &mut problems);
    hops(config, &mut problems);
    problems
}

fn model(config: &SearchConfig, problems: &mut Vec<Problem>) {
    match config.model.kind {
        ModelKind::Local if config.model.name.is_none() => problems.push(
            Problem::error("model.name", "no model named")
                .allowed("OWNER/NAME of the hub, or a folder")
                .hint("set model.name, such as model.name=assets/searcher")
                .related("model.kind"),
        ),
        ModelKind::Server => server(&config.server, problems),
        _ => {}
    }
}

fn server(server: &ServerConfig, problems: &mut Vec<Problem>) {
    match &server.url {
        None => problems.push(
            Problem::error("server.url", "no server named")
                .hint("set server.url, such as http://localhost:8000/v1")
                .related("model.kind"),
        ),
        Some(text) if !text.starts_with("http://") && !text.starts_with("https://") => {
            problems.push(
                Problem::error("server.url", "not an address")
                    .value(text.as_str())
                    .allowed("http:// or https:// and the server's path up to /v1")
                    .hint("such as http://localhost:8000/v1"),
            );
        }
        Some(_) => {}
    }
    if server.model.is_none() {
        problems.push(
            Problem::error("server.model", "no model named")
                .hint("set server.model to the model's name at the server")
                .related("model.kind"),
        );
    }
}

fn questions(config: &SearchConfig, problems: &mut Vec<Problem>) {
    let questions = &config.questions;
    let real = config.model.kind != ModelKind::Scripted;
    if real && questions.kind == QuestionsKind::File && questions.path.is_none() {
        problems.push(
            Problem::error("questions.path", "no questions named")
                .allowed("a file of HotpotQA, 2WikiMultihopQA, MuSiQue, Bamboogle or JSON lines")
                .hint("set questions.path, or questions.kind = world for made-up questions")
                .related("questions.kind"),
        );
    }
    if real && questions.kind == QuestionsKind::Text && questions.text.is_none() {
        problems.push(
            Problem::error("questions.text", "no question written")
                .allowed("a question in plain words")
                .hint("set questions.text, or questions.kind = file for a file of them")
                .related("questions.kind"),
        );
    }
}

fn limits(config: &SearchConfig, problems: &mut Vec<Problem>) {
    let budget = &config.budget;
    let costs = !config.prices.are_zero();
    // Tool calls alone bound nothing: thinking costs none of them.
    let bounded = budget.tokens.is_some()
        || budget.model_calls.is_some()
        || budget.seconds.is_some()
        || (budget.dollars.is_some() && costs);
    if !bounded {
        problems.push(
            Problem::error("budget.tokens", "no limit: the search would not end")
                .allowed("a limit of tokens, model calls, seconds or dollars")
                .hint("set budget.tokens, such as budget.tokens=2000"),
        );
    }
}

fn answers(config: &SearchConfig, problems: &mut Vec<Problem>) {
    let budget = &config.budget;
    let Some(tokens) = budget.tokens else {
        return;
    };
    if let Some(reserve) = budget.answer_reserve
        && reserve > tokens
    {
        problems.push(
            Problem::error("budget.answer_reserve", "larger than the budget")
                .value(reserve)
                .allowed(format!("at most budget.tokens = {tokens}"))
                .hint("lower it or raise budget.tokens")
                .related("budget.tokens"),
        );
        return;
    }
    let prompt = match budget.count {
        super::TokenCount::Output => 0,
        super::TokenCount::InputPlusOutput => budget.prompt_tokens_reserved,
    };
    if tokens <= prompt {
        problems.push(
            Problem::error("budget.tokens", "cannot afford one answer")
                .value(tokens)
                .allowed(format!(
                    "more than budget.prompt_tokens_reserved = {prompt}"
                ))
                .hint("raise it, or count output only with budget.count = output")
                .related("budget.prompt_tokens_reserved")
                .related("budget.count"),
        );
        return;
    }
    let judged = if config.method.kind.judges() {
        config.critic.max_tokens.saturating_add(prompt)
    } else {
        0
    };
    let fewest = config
        .generation
        .min_step_tokens
        .min(config.generation.max_step_tokens);
    let step = fewest.saturating_add(prompt);
    let pair = step.saturating_add(judged);
    let left = tokens.saturating_sub(budget.reserve());
    if pair > left {
        problems.push(
            Problem::warning("budget.tokens", "pays for no step, only for an answer")
                .value(tokens)
                .allowed(format!(
                    "{} and more for a first step",
                    pair.saturating_add(tokens - left)
                ))
                .hint(
                    "raise it, or lower generation.min_step_tokens, critic.max_tokens or \
                     budget.answer_reserve",
                )
                .related("budget.answer_reserve")
                .related("generation.min_step_tokens")
                .related("critic.max_tokens"),
        );
    }
}

fn tools(config: &SearchConfig, problems: &mut Vec<Problem>) {
    if config.model.kind == ModelKind::Scripted {
        return;
    }
    let Some(calls) = config.budget.tool_calls.filter(|calls| *calls > 0) else {
        return;
    };
    if let Some(cheapest) = config.tools.cheapest()
        && cheapest > calls
    {
        problems.push(
            Problem::error("budget.tool_calls", "pays for no call of any tool")
                .value(calls)
                .allowed(format!("at least {cheapest}, what the cheapest tool costs"))
                .hint("raise it or lower the tools' costs"),
        );
    }
}

fn values(config: &SearchConfig, problems: &mut Vec<Problem>) {
    let method = &config.method;
    if !method.kind.judges() {
        return;
    }
    if method.root_value >= method.answer_threshold {
        problems.push(
            Problem::error("method.root_value", "enough for an answer before any step")
                .value(method.root_value)
                .allowed(format!(
                    "less than method.answer_threshold = {}",
                    method.answer_threshold
                ))
                .hint("lower it, 0.1 is the smallest")
                .related("method.answer_threshold"),
        );
    }
    if method.stop == StopRule::Agreement
        && u64::from(method.agreement) > u64::from(method.node_limit)
    {
        problems.push(
            Problem::error("method.agreement", "more answers than nodes")
                .value(method.agreement)
                .allowed(format!("at most method.node_limit = {}", method.node_limit))
                .hint("lower it")
                .related("method.node_limit"),
        );
    }
}

/// The same question put to the same model without chance has the same reply.
fn opinions(config: &SearchConfig, problems: &mut Vec<Problem>) {
    let asks_again = config.method.kind == Method::SecondOpinion && config.method.opinions > 1;
    let same = config.critic.temperature == 0.0 || config.critic.constrained;
    if asks_again && same && config.model.kind != ModelKind::Scripted {
        problems.push(
            Problem::warning(
                "method.opinions",
                "every judgement of a step will be the same one",
            )
            .value(config.method.opinions)
            .hint("set critic.constrained = false and critic.temperature = 0.7, or one opinion")
            .related("critic.temperature")
            .related("critic.constrained"),
        );
    }
}

fn money(config: &SearchConfig, problems: &mut Vec<Problem>) {
    if let Some(dollars) = config.budget.dollars
        && config.prices.are_zero()
    {
        problems.push(
            Problem::warning("budget.dollars", "a limit of money, and nothing costs any")
                .value(dollars)
                .hint("set prices.input_per_million, prices.output_per_million or prices.tool_unit")
                .related("prices.output_per_million"),
        );
    }
}

fn hops(config: &SearchConfig, problems: &mut Vec<Problem>) {
    let mut order = |section: &str, fewest: u64, most: u64| {
        if fewest > most {
            problems.push(
                Problem::error(format!("{section}.min_hops"), "more than the most")
                    .value(fewest)
                    .allowed(format!("at most {section}.max_hops = {most}"))
                    .hint("lower it")
                    .related(format!("{section}.max_hops")),
            );
        }
    };
    if config.model.kind == ModelKind::Scripted {
        let scripted = &config.scripted;
        order(
            "scripted",
            scripted.min_hops.into(),
            scripted.max_hops.into(),
        );
        let trap = scripted.trap_correct + scripted.trap_wrong;
        if trap > 1.0 {
            problems.push(
                Problem::error("scripted.trap_wrong", "probabilities above one in sum")
                    .value(scripted.trap_wrong)
                    .allowed(format!(
                        "at most 1 - scripted.trap_correct = {}",
                        1.0 - scripted.trap_correct
                    ))
                    .hint("lower it")
                    .related("scripted.trap_correct"),
            );
        }
    } else if config.questions.kind == QuestionsKind::World {
        order(
            "world",
            config.world.min_hops as u64,
            config.world.max_hops as u64,
        );
    }
}

impl Method {
    /// Whether the critic judges steps.
    #[must_use]
    pub fn judges(self) -> bool {
        !matches!(self, Self::React | Self::Parallel | Self::SelfConsistency)
    }

    /// Whether independent trajectories are sampled, and no tree is grown.
    #[must_use]
    pub fn is_trajectories(self) -> bool {
        matches!(
            self,
            Self::React | Self::Parallel | Self::BestOfN | Self::SelfConsistency
        )
    }
}
