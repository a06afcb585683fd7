//! One search as a machine that is asked for jobs and told their outcomes.
//!
//! [`Search::ask`] gives jobs whose cost is reserved; [`Search::tell`] takes outcomes in any
//! order, each once. What happens depends on the order of these calls, on the settings and on the
//! seed, and on nothing else: no clock is read, and every draw has a stream of its own. So the
//! log of the calls is enough to come to the same state again.
//!
//! # The answer is always affordable
//! With output tokens counted, no step is started unless what is neither spent nor reserved stays
//! at the answer reserve after step and critic. While no answer exists the reserve is spent by
//! nothing but an answer, so at any time either an answer exists, or one is under way, or at
//! least the reserve is available. Only a backend that takes more than it was allowed can break
//! this, which is recorded as a violation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use configs::search::StopRule;

use crate::SearchError;
use crate::answers;
use crate::job::{Job, JobId, Outcome, Question, Told};
use crate::ledger::{Ledger, ReservationId};
use crate::log::Event;
use crate::resource::{Limits, Resource};
use crate::settings::Settings;
use crate::strategy::{self, Rules, Strategy, View};
use crate::tree::{MOST_FAILURES, NodeId, Status, Tree};

mod asking;
mod costs;
mod opinions;
mod settling;
mod telling;
mod verdict;
mod work;

pub use verdict::{Counters, Verdict};

use work::{Asked, Work};

/// One search over one question.
pub struct Search {
    settings: Arc<Settings>,
    rules: Rules,
    question: Question,
    seed: u64,
    ledger: Ledger,
    tree: Tree,
    strategy: Box<dyn Strategy>,
    plan: Option<Arc<str>>,
    /// Work that follows from outcomes, its cost reserved, not asked for yet.
    queue: VecDeque<Asked>,
    /// Jobs that were asked for and not told.
    open: BTreeMap<JobId, Asked>,
    /// Nodes whose answer waits for others to free its cost.
    unpaid: VecDeque<NodeId>,
    next_job: u64,
    visits: u64,
    /// The node that was selected last, and how many more children it gets.
    burst: Option<(NodeId, usize)>,
    /// Judgements of nodes that get more than one.
    opinions: BTreeMap<NodeId, Vec<opinions::Opinion>>,
    /// Children under way, of all nodes.
    pending: usize,
    terminals: Vec<NodeId>,
    most_characters: u64,
    forced: bool,
    /// Why nothing new is started, though jobs are still under way.
    stopping: Option<String>,
    counters: Counters,
    events: Vec<Event>,
    verdict: Option<Verdict>,
}

impl Search {
    /// A search with nothing asked yet.
    ///
    /// # Errors
    /// [`SearchError::Unlimited`] without a budget that ends it, [`SearchError::NoAnswer`] when
    /// a budget cannot pay for one answer.
    pub fn new(
        settings: &Settings,
        question: Question,
        limits: Limits,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let settings = Arc::new(settings.clone());
        let ledger = Ledger::new(limits);
        costs::check(&settings, &limits)?;
        let tree = Tree::with_root(settings.method.root_value);
        let mut search = Self {
            rules: Rules::of(&settings.method),
            strategy: strategy::of(&settings.method),
            settings,
            question,
            seed,
            ledger,
            tree,
            plan: None,
            queue: VecDeque::new(),
            open: BTreeMap::new(),
            unpaid: VecDeque::new(),
            next_job: 0,
            visits: 0,
            burst: None,
            opinions: BTreeMap::new(),
            pending: 0,
            terminals: Vec::new(),
            most_characters: 0,
            forced: false,
            stopping: None,
            counters: Counters::default(),
            events: Vec::new(),
            verdict: None,
        };
        search.open_log();
        search.changed(NodeId::ROOT);
        search.queue_plan();
        search.advance();
        Ok(search)
    }

    /// Gives up to `at_most` jobs whose cost is reserved. Empty while it waits for outcomes, and
    /// when it is over.
    pub fn ask(&mut self, at_most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        while jobs.len() < at_most {
            let Some(job) = self.ask_one() else {
                break;
            };
            jobs.push(job);
        }
        jobs
    }

    /// Takes the outcome of a job. Outcomes of unknown jobs and second ones change nothing but
    /// a count.
    pub fn tell(&mut self, id: JobId, outcome: Outcome) -> Told {
        let Some(asked) = self.open.remove(&id) else {
            return if id.0 < self.next_job {
                self.counters.told_twice += 1;
                Told::Duplicate
            } else {
                self.counters.told_unknown += 1;
                Told::Unknown
            };
        };
        self.take(id, asked, outcome);
        self.advance();
        Told::Taken
    }

    /// The jobs that were asked for and not told, oldest first, to be served again after a crash.
    pub fn outstanding(&self) -> Vec<Job> {
        let open = self.open.iter();
        open.map(|(id, asked)| self.job(*id, asked)).collect()
    }

    /// What happened since the last call, in order.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What came of it, once it is over.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The budgets.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What is counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The question.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Jobs under way.
    pub fn under_way(&self) -> usize {
        self.open.len()
    }

    /// Goes on with another seed and other budgets, which are raised to what is spent and
    /// reserved where they are below.
    pub(crate) fn branch(&mut self, seed: u64, limits: Limits) {
        self.seed = seed;
        self.verdict = None;
        self.stopping = None;
        // A forced answer that is under way stays one.
        self.forced = self
            .open
            .values()
            .chain(&self.queue)
            .any(|asked| matches!(asked.work, Work::Answer { forced: true, .. }));
        let limits = self.ledger.set_limits(limits);
        self.events.push(Event::Branch { seed, limits });
        self.log_budgets();
        self.advance();
    }

    fn open_log(&mut self) {
        let method = serde_json::to_value(self.settings.method.kind);
        let policy = method
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned));
        self.events.push(Event::Settings {
            settings: Box::new(self.settings.as_ref().clone()),
            limits: self.ledger.limits(),
            seed: self.seed,
        });
        self.events
            .push(Event::question(&self.question, policy.unwrap_or_default()));
        self.log_budgets();
        let root = self.tree.node(NodeId::ROOT);
        self.events.push(Event::node(root, &self.question.text));
        self.events.push(Event::Value {
            id: NodeId::ROOT,
            value: root.value,
            delta: None,
            why: String::new(),
        });
    }

    fn log_budgets(&mut self) {
        for resource in Resource::ALL {
            if let Some(limit) = self.ledger.limits().get(resource) {
                let (name, units) = crate::log::unit(resource);
                self.events.push(Event::Budget {
                    resource: name.to_owned(),
                    limit: limit as f64 / units,
                });
            }
        }
    }

    fn view(&self) -> View<'_> {
        View {
            tree: &self.tree,
            method: &self.settings.method,
            fraction: self.ledger.fraction_left(),
            terminals: &self.terminals,
            tools_left: self.tools_left(),
        }
    }

    /// Tells the strategy that a node changed.
    fn changed(&mut self, id: NodeId) {
        let selectable = self.selectable(id);
        self.strategy.changed(&self.tree, id, selectable);
    }

    fn selectable(&self, id: NodeId) -> bool {
        let node = self.tree.node(id);
        let method = &self.settings.method;
        let children = node.children.len() + node.pending as usize;
        let leaves_only = method.frontier == configs::search::Frontier::LeavesOnly;
        node.status == Status::Open
            && node.depth < method.depth_limit
            && node.failures < MOST_FAILURES
            && (self.rules.child_limit == 0 || children < self.rules.child_limit)
            && (!leaves_only || self.rules.finishes_paths || (node.live == 0 && node.pending == 0))
    }

    /// Whether enough equal answers were given.
    fn answered_enough(&self) -> bool {
        match self.rules.stop {
            StopRule::FirstAnswer => !self.terminals.is_empty(),
            StopRule::UntilBudget => false,
            StopRule::Agreement => answers::groups(&self.tree, &self.terminals)
                .iter()
                .any(|group| group.count >= self.settings.method.agreement),
        }
    }

    /// Starts nothing new; what is queued is given back.
    fn wind_down(&mut self, why: String) {
        self.stopping.get_or_insert(why);
        self.unpaid.clear();
        while let Some(asked) = self.queue.pop_front() {
            self.give_back(&asked);
        }
    }

    fn give_back(&mut self, asked: &Asked) {
        let follow_ups = asked.work.reservations();
        for id in std::iter::once(asked.reservation).chain(follow_ups) {
            self.refund(id);
        }
    }

    fn refund(&mut self, id: ReservationId) {
        // A reservation that the machine holds is open: it is refunded or committed once.
        let _ = self.ledger.refund(id);
    }

    /// Decides what is left to do when nothing is under way. Called after every change.
    fn advance(&mut self) {
        if self.verdict.is_some() {
            return;
        }
        if self.stopping.is_none() && self.answered_enough() {
            self.wind_down(match self.rules.stop {
                StopRule::Agreement => "enough answers agree".to_owned(),
                _ => "answered".to_owned(),
            });
        }
        self.pay_answers();
        if !self.queue.is_empty() || !self.open.is_empty() {
            return;
        }
        if let Some(why) = self.stopping.clone() {
            self.finish(&why);
            return;
        }
        let halt = match self.obstacle() {
            Some(halt) => halt,
            None if !self.can_pay() => "the budget is used up".to_owned(),
            None if self.strategy.ready(&self.view()) => return,
            None => "no node is open".to_owned(),
        };
        if self.terminals.is_empty() && !self.forced && self.force_answer() {
            return;
        }
        self.finish(&halt);
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Search")
            .field("question", &self.question.id)
            .field("nodes", &self.tree.len())
            .field("open", &self.open.len())
            .field("ledger", &self.ledger)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}
