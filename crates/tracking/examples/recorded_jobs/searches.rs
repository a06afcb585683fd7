//! Search logs as a budgeted value tree search writes them.

use tracking::search_log::{SearchEvent, SearchEventKind as Kind};

use crate::chance::Chance;

/// A question: identity, text, answer, a wrong answer, and what is found on the way.
type Asked = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    [&'static str; 4],
);

const QUESTIONS: [Asked; 3] = [
    (
        "q1",
        "In which city was the founder of the company that built the Semmering railway's first engine born?",
        "Graz",
        "Vienna",
        [
            "search(\"Semmering railway first engine builder\")\n-> The trial engines were built by four works; the winner was Bavaria.",
            "search(\"engine works founder birthplace\")\n-> The founder was born in Graz in 1811.",
            "The founder of the works matters, not the builder of the line.",
            "search(\"Semmering railway\")\n-> Opened in 1854; designed by Carl von Ghega.",
        ],
    ),
    (
        "q2",
        "Which of the two rivers is longer, the Mur or the Enns?",
        "the Mur",
        "the Enns",
        [
            "search(\"length of the Mur\")\n-> 464 kilometres.",
            "search(\"length of the Enns\")\n-> 254 kilometres.",
            "Compare the two lengths.",
            "search(\"rivers of Styria\")\n-> A list without lengths.",
        ],
    ),
    (
        "q10",
        "Who was the doctoral advisor of the author of \"Über formal unentscheidbare Sätze\"?",
        "Hans Hahn",
        "Moritz Schlick",
        [
            "The paper is Gödel's of 1931.",
            "search(\"Gödel doctoral advisor\")\n-> Gödel took his doctorate under Hans Hahn.",
            "search(\"Vienna Circle members\")\n-> Schlick, Carnap, Hahn and others.",
            "search(\"Über formal unentscheidbare Sätze\")\n-> Published in Monatshefte 38.",
        ],
    ),
];

/// Every log with the name of its file.
pub fn logs() -> Vec<(&'static str, Vec<SearchEvent>)> {
    let numbered = QUESTIONS.iter().enumerate();
    numbered
        .map(|(index, asked)| {
            let mut search = Search::new(asked, index as u64 + 3);
            search.run(asked, if index == 1 { 640.0 } else { 2_000.0 });
            (asked.0, search.events)
        })
        .collect()
}

struct Node {
    value: f64,
    open: bool,
}

struct Search {
    events: Vec<SearchEvent>,
    chance: Chance,
    time: f64,
    nodes: Vec<Node>,
    spent: [f64; 2],
    limits: [f64; 2],
}

impl Search {
    fn new(asked: &Asked, seed: u64) -> Self {
        let mut search = Search {
            events: Vec::new(),
            chance: Chance(seed),
            time: 0.0,
            nodes: Vec::new(),
            spent: [0.0; 2],
            limits: [0.0; 2],
        };
        search.push(Kind::Question {
            id: asked.0.to_owned(),
            text: asked.1.to_owned(),
            policy: "bavt".to_owned(),
            expected: vec![asked.2.to_owned()],
        });
        search
    }

    fn push(&mut self, kind: Kind) {
        self.events.push(SearchEvent {
            version: 1,
            time: (self.time * 100.0).round() / 100.0,
            kind,
        });
    }

    fn spend(&mut self, resource: usize, amount: f64, node: Option<u64>) {
        self.spent[resource] += amount;
        self.push(Kind::Spend {
            resource: ["tokens", "tool_calls"][resource].to_owned(),
            amount,
            node,
        });
    }

    fn ratio(&self) -> f64 {
        let left = |index: usize| 1.0 - self.spent[index] / self.limits[index];
        left(0).min(left(1)).max(0.0)
    }

    fn node(&mut self, parent: Option<u64>, role: &str, text: &str) -> u64 {
        let id = self.nodes.len() as u64;
        self.nodes.push(Node {
            value: 0.1,
            open: true,
        });
        self.push(Kind::Node {
            id,
            parent,
            role: role.to_owned(),
            text: text.to_owned(),
        });
        id
    }

    fn run(&mut self, asked: &Asked, tokens: f64) {
        self.limits = [tokens, 10.0];
        for (resource, limit) in ["tokens", "tool_calls"].into_iter().zip(self.limits) {
            self.push(Kind::Budget {
                resource: resource.to_owned(),
                limit,
            });
        }
        let root = self.node(None, "root", asked.1);
        self.push(value(root, 0.1, None, ""));
        self.time += 0.8;
        self.spend(0, 48.0, None);
        let mut answers = 0;
        while self.ratio() > 0.2 && answers < 2 && self.nodes.len() < 60 {
            answers += u32::from(self.expand(asked));
        }
        let backstop = answers == 0;
        if backstop {
            self.answer(asked, self.best_leaf(), true);
        }
        let why = match answers {
            0 | 1 => "budget",
            _ => "two answers agree",
        };
        self.push(Kind::End {
            why: why.to_owned(),
        });
    }

    /// Selects by value to the power of one over the remaining share, and continues.
    fn expand(&mut self, asked: &Asked) -> bool {
        let ratio = self.ratio();
        let weight = |node: &Node| {
            if node.open {
                node.value.powf(1.0 / ratio)
            } else {
                0.0
            }
        };
        let weights: Vec<f64> = self.nodes.iter().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let mut drawn = self.chance.share() * sum;
        let found = weights.iter().position(|weight| {
            drawn -= weight;
            drawn < 0.0
        });
        let parent = found.unwrap_or(0);
        self.push(Kind::Visit {
            id: parent as u64,
            probability: Some(rounded(weights[parent] / sum)),
            ratio: Some(rounded(ratio)),
        });
        let choice = self.chance.below(4);
        let text = asked.4[choice];
        let tool = text.starts_with("search");
        let id = self.node(
            Some(parent as u64),
            if tool { "tool" } else { "thought" },
            text,
        );
        self.time += 0.6 + self.chance.share();
        let tokens = 40 + self.chance.below(45);
        self.spend(0, tokens as f64, Some(id));
        if tool {
            self.spend(1, 1.0, Some(id));
        }
        self.time += 0.3;
        self.spend(0, 30.0, Some(id));
        let delta = [2.0, 3.0, 1.0, 0.0][choice] - self.chance.below(2) as f64;
        let before = self.nodes[parent].value;
        let after = (before + delta / 10.0).clamp(0.1, 1.0);
        let why = [
            "partly resolved",
            "a hop is resolved",
            "a plan, no fact",
            "known already",
        ];
        self.nodes[id as usize].value = after;
        self.push(value(id, rounded(after), Some(delta), why[choice]));
        if after >= 0.8 {
            self.nodes[id as usize].open = false;
            self.answer(asked, id, false);
            return true;
        }
        if after <= before {
            self.nodes[id as usize].open = false;
            self.push(Kind::Prune {
                id,
                why: "no gain over its parent".to_owned(),
            });
        }
        false
    }

    fn best_leaf(&self) -> u64 {
        let leaves = self.nodes.iter().enumerate();
        let best = leaves.max_by(|left, right| left.1.value.total_cmp(&right.1.value));
        best.map_or(0, |(index, _)| index as u64)
    }

    fn answer(&mut self, asked: &Asked, node: u64, backstop: bool) {
        self.time += 0.5;
        self.spend(0, 20.0, Some(node));
        let correct = !backstop;
        self.push(Kind::Answer {
            text: if correct { asked.2 } else { asked.3 }.to_owned(),
            node: Some(node),
            chosen: true,
            backstop,
            correct: Some(correct),
            f1: Some(f64::from(correct)),
        });
    }
}

fn value(id: u64, value: f64, delta: Option<f64>, why: &str) -> Kind {
    Kind::Value {
        id,
        value,
        delta,
        why: why.to_owned(),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
