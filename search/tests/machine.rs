//! The search machine, told by hand job after job: what it asks next, what it charges, when it ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "backends/made_up.rs"]
mod made_up;

use configs::search::{DuplicateCheck, Frontier, Method, StopRule, TriedActions};
use made_up::{as_text, limits, search, settings};
use search::job::{Action, Instruction, Job, JobKind, Outcome, Told, Usage};
use search::log::{Cut, Event};
use search::resource::{Amounts, Limits, Resource};
use search::tree::{NodeId, Status};
use search::{Search, Settings};

/// Serves one job after another by hand.
struct Bench {
    search: Search,
    events: Vec<Event>,
}

fn cost(output_tokens: u64) -> Usage {
    Usage {
        output_tokens,
        ..Usage::default()
    }
}

fn call(input: &str) -> Action {
    Action::Call {
        tool: "search".to_owned(),
        input: input.to_owned(),
    }
}

impl Bench {
    fn new(settings: &Settings, limits: Limits) -> Self {
        Self {
            search: search(settings, limits, 7),
            events: Vec::new(),
        }
    }

    fn next(&mut self) -> Option<Job> {
        let job = self.search.ask(1).pop();
        self.events.extend(self.search.events());
        job
    }

    fn tell(&mut self, job: &Job, outcome: Outcome) {
        assert_eq!(self.search.tell(job.id, outcome), Told::Taken);
        self.events.extend(self.search.events());
    }

    fn step(&mut self, action: Action, tokens: u64) -> Job {
        let job = self.next().unwrap();
        assert!(matches!(job.kind, JobKind::Step { .. }), "{:?}", job.kind);
        let thought = "so".to_owned();
        let (cut, usage) = (false, cost(tokens));
        let outcome = Outcome::Stepped {
            thought,
            action,
            cut,
            usage,
        };
        self.tell(&job, outcome);
        job
    }

    fn observe(&mut self) {
        let job = self.next().unwrap();
        assert!(matches!(job.kind, JobKind::Tool { .. }), "{:?}", job.kind);
        let text = "facts".to_owned();
        let (failed, usage) = (false, Usage::default());
        self.tell(
            &job,
            Outcome::Observed {
                text,
                failed,
                usage,
            },
        );
    }

    fn judge(&mut self, delta: f64, tokens: u64) {
        let job = self.next().unwrap();
        assert_eq!(job.kind, JobKind::Critic);
        self.tell(&job, judged(Some(delta), tokens));
    }

    fn answer(&mut self, words: &str) -> Job {
        let job = self.next().unwrap();
        assert!(matches!(job.kind, JobKind::Answer { .. }), "{:?}", job.kind);
        let text = words.to_owned();
        let usage = cost(10);
        self.tell(&job, Outcome::Answered { text, usage });
        job
    }

    /// A whole expansion of whatever node is selected.
    fn expand(&mut self, input: &str, delta: f64) -> NodeId {
        let job = self.step(call(input), 20);
        self.observe();
        self.judge(delta, 10);
        job.node
    }

    fn last_visit(&self) -> (NodeId, f64, f64) {
        let visits = self.events.iter().rev();
        let mut visits = visits.filter_map(|event| match event {
            Event::Visit {
                id,
                probability,
                ratio,
            } => Some((*id, *probability, *ratio)),
            _ => None,
        });
        visits.next().unwrap()
    }

    fn value(&self, node: u32) -> f64 {
        self.search.tree().node(NodeId(node)).value
    }

    fn status(&self, node: u32) -> Status {
        self.search.tree().node(NodeId(node)).status
    }
}

fn judged(delta: Option<f64>, tokens: u64) -> Outcome {
    Outcome::Judged {
        delta,
        score: None,
        sufficient: None,
        why: String::new(),
        usage: cost(tokens),
    }
}

fn plain(kind: Method) -> Settings {
    let mut settings = settings(kind);
    settings.method.plan = false;
    settings
}

/// With half of the budget left BAVT draws by squares; the inverted exponent would draw by roots.
#[test]
fn the_power_is_one_over_what_is_left() {
    for (kind, power) in [
        (Method::Bavt, 2.0),
        (Method::InvertedExponent, 0.5),
        (Method::ConstantExponent, 4.0),
        (Method::Uniform, 0.0),
    ] {
        let mut bench = Bench::new(&plain(kind), limits(1_000, 2));
        bench.expand("the maker", 3.0);
        let job = bench.next().unwrap();
        let (node, probability, ratio) = bench.last_visit();
        // One of two calls.
        assert_eq!((node, ratio), (job.node, 0.5));
        let (root, child) = (0.1_f64.powf(power), 0.4_f64.powf(power));
        let own = if node == NodeId::ROOT { root } else { child };
        let expected = own / (root + child);
        assert!(
            (probability - expected).abs() < 1e-12,
            "{kind:?}: {probability} is not {expected}"
        );
    }
}

#[test]
fn residual_values_decide_what_is_next() {
    let mut bench = Bench::new(&plain(Method::Greedy), limits(10_000, 50));
    assert_eq!(bench.expand("one", 9.0), NodeId::ROOT);
    // Clipped at 4: 1 + 4 = 5.
    assert!((bench.value(1) - 0.5).abs() < 1e-12);
    assert_eq!(bench.status(1), Status::Open);
    assert_eq!(bench.expand("two", 0.0), NodeId(1));
    assert_eq!(bench.status(2), Status::Pruned);
    let job = bench.step(call("three"), 20);
    let JobKind::Step {
        instruction, tried, ..
    } = &job.kind
    else {
        panic!("{:?}", job.kind);
    };
    assert_eq!(job.node, NodeId(1));
    assert_eq!(*instruction, Instruction::Widen);
    assert_eq!(*tried, [call("two")]);
    bench.observe();
    // 5 + 3 = 8: the threshold itself is enough.
    bench.judge(3.0, 10);
    let job = bench.answer(" Graz ");
    assert_eq!(
        (job.node, &job.kind),
        (NodeId(3), &JobKind::Answer { forced: false })
    );
    assert_eq!(job.state.steps.len(), 2);
    assert_eq!(bench.status(3), Status::Terminal);
    // (0.5 + 0.5 + 0.8) / 3 with the pruned child, then (0.1 + 0.6) / 2.
    assert!((bench.value(1) - 0.6).abs() < 1e-12, "{}", bench.value(1));
    assert!((bench.value(0) - 0.35).abs() < 1e-12, "{}", bench.value(0));
    assert_eq!(
        bench.search.tree().node(NodeId(3)).answer.as_deref(),
        Some("Graz")
    );
}

#[test]
fn pruned_children_may_be_left_out_of_the_smoothing() {
    let mut settings = plain(Method::Greedy);
    settings.method.backpropagate_pruned = false;
    let mut bench = Bench::new(&settings, limits(10_000, 50));
    bench.expand("one", 4.0);
    bench.expand("two", 0.0);
    bench.expand("three", 4.0);
    bench.answer("Graz");
    // (0.5 + 0.9) / 2.
    assert!((bench.value(1) - 0.7).abs() < 1e-12, "{}", bench.value(1));
}

#[test]
fn a_repeated_call_costs_no_judgement_and_where_wanted_no_call() {
    for (check, calls, judgements) in [
        (DuplicateCheck::Off, 2, 2),
        (DuplicateCheck::Critic, 2, 1),
        (DuplicateCheck::Call, 1, 1),
    ] {
        let mut settings = plain(Method::Uniform);
        settings.method.duplicate_check = check;
        let mut bench = Bench::new(&settings, limits(10_000, 50));
        bench.expand("The maker of X", 2.0);
        bench.step(call("the MAKER of x!"), 20);
        while bench.search.counters().tool_calls < calls {
            bench.observe();
        }
        while bench.search.counters().judgements < judgements {
            bench.judge(0.0, 10);
        }
        assert_eq!(bench.status(2), Status::Pruned, "{check:?}");
        assert_eq!(bench.search.ledger().spent().tool_calls, u64::from(calls));
        let next = bench.next().unwrap();
        assert!(matches!(next.kind, JobKind::Step { .. }), "{check:?}");
    }
}

#[test]
fn what_goes_wrong_is_charged_and_counted() {
    let mut settings = plain(Method::Bavt);
    settings.method.retries = 1;
    let mut bench = Bench::new(&settings, limits(2_000, 5));
    let failed = |tokens| Outcome::Failed {
        why: "500".to_owned(),
        fatal: false,
        usage: cost(tokens),
    };
    let first = bench.next().unwrap();
    bench.tell(&first, failed(7));
    let again = bench.next().unwrap();
    assert_ne!(first.id, again.id);
    assert_ne!(first.seed, again.seed);
    assert_eq!(first.kind, again.kind);
    bench.tell(&again, failed(3));
    assert_eq!(bench.search.ledger().spent().tokens, 10);
    assert_eq!(bench.search.counters().failed_jobs, 2);
    assert_eq!(bench.search.tree().len(), 1);
    // A tool that fails gains nothing, and costs its call.
    bench.step(call("one"), 20);
    let job = bench.next().unwrap();
    let text = "timed out".to_owned();
    let (failed, usage) = (true, Usage::default());
    bench.tell(
        &job,
        Outcome::Observed {
            text,
            failed,
            usage,
        },
    );
    assert_eq!(bench.status(1), Status::Pruned);
    assert_eq!(bench.search.ledger().spent().tool_calls, 1);
    // A judgement that cannot be read is no gain.
    bench.step(call("two"), 20);
    bench.observe();
    let job = bench.next().unwrap();
    bench.tell(&job, judged(Some(f64::NAN), 10));
    assert_eq!(bench.status(2), Status::Pruned);
    assert_eq!(bench.search.counters().critic_parse_failures, 1);
    // A step that was cut gains nothing, and its call is not made.
    let job = bench.next().unwrap();
    let outcome = Outcome::Stepped {
        thought: String::new(),
        action: call("three"),
        cut: true,
        usage: cost(90),
    };
    bench.tell(&job, outcome);
    assert_eq!(bench.status(3), Status::Pruned);
    assert_eq!(bench.search.ledger().spent().tool_calls, 2);
    let text = as_text(&bench.events);
    assert!(search::log::replay(text.as_bytes()).is_ok());
}

#[test]
fn an_outcome_of_another_kind_is_a_failed_job() {
    let mut bench = Bench::new(&plain(Method::Bavt), limits(2_000, 5));
    let job = bench.next().unwrap();
    assert!(matches!(job.kind, JobKind::Step { .. }), "{:?}", job.kind);
    bench.tell(&job, judged(Some(4.0), 10));
    assert_eq!(bench.search.counters().failed_jobs, 1);
    assert_eq!(bench.search.ledger().spent().tokens, 10);
    assert_eq!(bench.search.tree().len(), 1);
    // Asked once more.
    assert_eq!(bench.step(call("one"), 20).kind, job.kind);
}

#[test]
fn a_call_is_not_made_again_with_what_is_kept_for_the_answer() {
    let mut settings = plain(Method::Bavt);
    settings.prices.output_per_million = 1.0;
    settings.prices.tool_unit = 0.000_1;
    let (step, critic, lookup, kept) = (90, 40, 200, 512);
    let dollars = Limits {
        micro_dollars: Some(step + critic + lookup + kept),
        ..Limits::default()
    };
    let mut bench = Bench::new(&settings, dollars);
    let (tool, input) = ("lookup".to_owned(), "one".to_owned());
    bench.step(Action::Call { tool, input }, step);
    let job = bench.next().unwrap();
    assert!(matches!(job.kind, JobKind::Tool { .. }), "{:?}", job.kind);
    let why = "500".to_owned();
    let (fatal, usage) = (false, cost(0));
    bench.tell(&job, Outcome::Failed { why, fatal, usage });
    assert_eq!(bench.status(1), Status::Pruned);
    let spent = bench.search.ledger().spent().micro_dollars;
    assert_eq!(spent, step + lookup);
    bench.answer("Graz");
}

#[test]
fn a_node_that_was_given_up_stays_so_when_a_late_step_comes() {
    let mut settings = plain(Method::Uniform);
    settings.method.retries = 0;
    let mut bench = Bench::new(&settings, limits(5_000, 50));
    let mut jobs = bench.search.ask(4);
    let late = jobs.pop().unwrap();
    for job in &jobs {
        let why = "500".to_owned();
        let (fatal, usage) = (false, cost(1));
        bench.tell(job, Outcome::Failed { why, fatal, usage });
    }
    let outcome = Outcome::Stepped {
        thought: "so".to_owned(),
        action: call("zero"),
        cut: false,
        usage: cost(20),
    };
    bench.tell(&late, outcome);
    bench.observe();
    bench.judge(2.0, 10);
    for step in 1..8 {
        let node = bench.expand(&format!("query {step}"), 1.0);
        assert_ne!(node, NodeId::ROOT, "step {step}");
    }
}

#[test]
fn more_than_allowed_is_a_violation_and_never_more_than_there_is() {
    // Some servers count reasoning beside the output, not in it.
    let reasoned = Usage {
        reasoning_tokens: 100_000,
        ..cost(20)
    };
    for usage in [cost(100_000), reasoned] {
        too_long(usage);
    }
}

fn too_long(usage: Usage) {
    let mut bench = Bench::new(&plain(Method::Bavt), limits(500, 5));
    let job = bench.next().unwrap();
    let outcome = Outcome::Stepped {
        thought: String::new(),
        action: Action::Think,
        cut: false,
        usage,
    };
    bench.tell(&job, outcome);
    let ledger = bench.search.ledger();
    assert_eq!(
        ledger.left(Resource::Tokens),
        Some(40),
        "the critic's share is promised"
    );
    assert_eq!(bench.search.counters().violations, 1);
    let told = bench.events.iter().find_map(|event| match event {
        Event::Violation {
            allowed,
            used,
            charged,
            ..
        } => Some((*allowed, *used, *charged)),
        _ => None,
    });
    assert_eq!(told, Some((job.max_tokens, 100_000, 460)));
    bench.judge(0.0, 40);
    let verdict = bench.search.verdict().unwrap();
    assert_eq!((verdict.answer.as_deref(), verdict.violations), (None, 1));
}

#[test]
fn a_backend_that_cannot_go_on_ends_the_search() {
    let mut bench = Bench::new(&plain(Method::Bavt), limits(5_000, 50));
    bench.step(
        Action::Answer {
            text: "Linz".to_owned(),
        },
        20,
    );
    bench.judge(1.0, 10);
    let job = bench.next().unwrap();
    let why = "the server is gone".to_owned();
    let (fatal, usage) = (true, Usage::default());
    bench.tell(&job, Outcome::Failed { why, fatal, usage });
    let verdict = bench.search.verdict().unwrap();
    assert_eq!(verdict.why, "the server is gone");
    assert_eq!(verdict.answer.as_deref(), Some("Linz"));
    assert_eq!(bench.search.ledger().reserved(), Amounts::default());
}

#[test]
fn steps_that_always_fail_end_in_a_forced_answer() {
    let mut bench = Bench::new(&plain(Method::Bavt), limits(5_000, 50));
    let mut failures = 0;
    loop {
        let job = bench.next().unwrap();
        if job.kind == (JobKind::Answer { forced: true }) {
            let text = "Wels".to_owned();
            let usage = cost(10);
            bench.tell(&job, Outcome::Answered { text, usage });
            break;
        }
        failures += 1;
        let why = "500".to_owned();
        let (fatal, usage) = (false, Usage::default());
        bench.tell(&job, Outcome::Failed { why, fatal, usage });
    }
    // Three steps, each tried twice.
    assert_eq!(failures, 6);
    let verdict = bench.search.verdict().unwrap();
    assert!(verdict.backstop);
    assert_eq!(verdict.answer.as_deref(), Some("Wels"));
}

#[test]
fn the_backstop_answers_from_the_best_node_when_tools_or_tokens_run_out() {
    let mut bench = Bench::new(&plain(Method::Greedy), limits(5_000, 2));
    bench.expand("one", 3.0);
    bench.expand("two", -1.0);
    let job = bench.answer("Graz");
    assert_eq!(
        (job.node, &job.kind),
        (NodeId(1), &JobKind::Answer { forced: true })
    );
    let verdict = bench.search.verdict().unwrap();
    assert!(verdict.backstop);
    assert_eq!(verdict.why, "the tools are used up");

    let mut bench = Bench::new(&plain(Method::Greedy), limits(1_000, 50));
    let mut steps = 0;
    while bench.search.ledger().left(Resource::Tokens) >= Some(200) {
        bench.step(call(&format!("query {steps}")), 60);
        bench.observe();
        bench.judge(0.0, 40);
        steps += 1;
    }
    let job = bench.answer("Graz");
    assert_eq!(job.kind, JobKind::Answer { forced: true });
    assert_eq!(steps, 9, "at 100 left of 1,000, below a fifth");
}

#[test]
fn a_branch_at_a_forced_answer_keeps_its_mark() {
    let mut bench = Bench::new(&plain(Method::Greedy), limits(5_000, 2));
    bench.expand("one", 3.0);
    bench.expand("two", -1.0);
    let text = as_text(&bench.events);
    let last = Cut::After(NodeId(2));
    let (mut branched, _) = search::log::branch(text.as_bytes(), last, 8, None).unwrap();
    let job = branched.ask(1).pop().unwrap();
    assert_eq!(job.kind, JobKind::Answer { forced: true });
    let text = "Graz".to_owned();
    let usage = cost(10);
    branched.tell(job.id, Outcome::Answered { text, usage });
    assert!(branched.verdict().unwrap().backstop);
}

#[test]
fn stop_rules() {
    let asked = |stop: StopRule| {
        let mut settings = plain(Method::Uniform);
        settings.method.stop = stop;
        settings.method.judge_answers = false;
        let mut bench = Bench::new(&settings, limits(3_000, 50));
        let mut answers = 0;
        for text in ["Graz", "Linz", "the graz", "Wels", "Wels", "Wels"] {
            if bench.search.verdict().is_some() {
                break;
            }
            let text = text.to_owned();
            bench.step(Action::Answer { text }, 20);
            answers += 1;
        }
        let verdict = bench.search.verdict().cloned();
        (answers, verdict.and_then(|verdict| verdict.answer))
    };
    assert_eq!(asked(StopRule::FirstAnswer), (1, Some("Graz".to_owned())));
    // Of equal answers the one of the larger value: the first one raised the root.
    assert_eq!(asked(StopRule::Agreement), (3, Some("the graz".to_owned())));
    assert_eq!(asked(StopRule::UntilBudget), (6, None));
}

#[test]
fn a_frontier_of_leaves_leaves_inner_nodes_alone() {
    for (frontier, repeated) in [(Frontier::OpenAll, true), (Frontier::LeavesOnly, false)] {
        let mut settings = plain(Method::Uniform);
        settings.method.frontier = frontier;
        let mut bench = Bench::new(&settings, limits(9_000, 50));
        let mut selected = Vec::new();
        for step in 0..6 {
            selected.push(bench.expand(&format!("query {step}"), 1.0));
        }
        let mut distinct = selected.clone();
        distinct.dedup();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len() < selected.len(), repeated, "{selected:?}");
    }
}

#[test]
fn tried_actions_are_told_as_wanted() {
    for (tried_actions, told) in [
        (TriedActions::Off, 0),
        (TriedActions::NoGain, 1),
        (TriedActions::All, 2),
    ] {
        let mut settings = plain(Method::Mcts);
        settings.method.tried_actions = tried_actions;
        let mut bench = Bench::new(&settings, limits(9_000, 50));
        bench.expand("gains", 2.0);
        bench.expand("does not", 0.0);
        let job = bench.next().unwrap();
        assert_eq!(
            job.node,
            NodeId::ROOT,
            "three children before any grandchild"
        );
        let JobKind::Step { tried, .. } = job.kind else {
            panic!("no step");
        };
        assert_eq!(tried.len(), told, "{tried_actions:?}");
    }
}
