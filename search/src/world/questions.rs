//! Questions of two to four hops, with their evidence and the fewest calls that answer them.

use std::collections::HashMap;

use super::graph::{EntityId, FactId, Object, PRESENT};
use super::names::{Kind, Split};
use super::random::Draws;
use super::relations::{ObjectKind, RELATIONS, Relation, composition_split};
use super::{World, WorldError};

/// What is answered where the documents do not tell.
pub const UNKNOWN: &str = "unknown";
/// Questions that are made up where a configuration does not say how many.
pub const MADE_UP: u64 = 100;
/// How often a question of the wanted form is tried for before another form is taken.
const ATTEMPTS: usize = 200;
/// Forms that are tried before none is found.
const ROUNDS: usize = 100;

/// The form of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A chain of this many relations: two to four.
    Bridge(usize),
    /// A chain of two relations, the last one in a given year.
    Temporal,
    /// Two subjects, one relation, yes or no: two hops.
    Comparison,
    /// Two chains of two relations, yes or no: four hops.
    BridgeComparison,
}

impl Form {
    /// Every form and its share among questions, in percent.
    pub const SHARES: [(Self, f64); 6] = [
        (Self::Bridge(2), 28.0),
        (Self::Bridge(3), 20.0),
        (Self::Bridge(4), 10.0),
        (Self::Temporal, 15.0),
        (Self::Comparison, 15.0),
        (Self::BridgeComparison, 12.0),
    ];

    /// Facts that have to be found.
    pub fn hops(self) -> usize {
        match self {
            Self::Bridge(hops) => hops,
            Self::Temporal | Self::Comparison => 2,
            Self::BridgeComparison => 4,
        }
    }

    /// The name in files.
    pub fn name(self) -> String {
        match self {
            Self::Bridge(hops) => format!("bridge-{hops}"),
            Self::Temporal => "temporal".to_owned(),
            Self::Comparison => "comparison".to_owned(),
            Self::BridgeComparison => "bridge-comparison".to_owned(),
        }
    }
}

/// One fact that has to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Of whom.
    pub subject: EntityId,
    /// What.
    pub relation: Relation,
    /// In which year; none for the present.
    pub year: Option<u16>,
    /// The fact.
    pub fact: FactId,
    /// The earlier hop whose object is this one's subject; none where the question names the subject.
    pub needs: Option<usize>,
}

/// A question that the world can judge.
#[derive(Debug, Clone)]
pub struct WorldQuestion {
    /// `w1-00007`: seed of the world and number.
    pub id: String,
    /// Words and signs separated by single spaces.
    pub text: String,
    /// Its form.
    pub form: Form,
    /// The evidence, in an order in which it can be found.
    pub hops: Vec<Hop>,
    /// How a person would go about it: `director then birthplace`.
    pub plan: String,
    /// Every right answer; the first is the preferred one.
    pub answers: Vec<String>,
    /// Whether the documents have the answer. Where not, `unknown` is right.
    pub answerable: bool,
    /// Whether some relation follows on one that it never follows on in training.
    pub held_out_composition: bool,
}

impl WorldQuestion {
    /// The fewest searches that bring all the evidence, or show that it is missing: one a hop.
    pub fn fewest_calls(&self, world: &World) -> usize {
        let told = |hop: &Hop| world.graph.fact(hop.fact).told;
        let missing = self.hops.iter().position(|hop| !told(hop));
        missing.map_or(self.hops.len(), |hop| hop + 1)
    }
}

/// Which questions are made up.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionSettings {
    /// Fewest hops, of 2 to 4.
    pub min_hops: usize,
    /// Most hops.
    pub max_hops: usize,
    /// Share of questions whose answer is in no document.
    pub unanswerable: f64,
}

impl QuestionSettings {
    /// Those of a configuration.
    pub fn of(config: &configs::search::WorldConfig) -> Self {
        Self {
            min_hops: config.min_hops,
            max_hops: config.max_hops,
            unanswerable: config.unanswerable,
        }
    }
}

impl Default for QuestionSettings {
    fn default() -> Self {
        Self {
            min_hops: 2,
            max_hops: 4,
            unanswerable: 0.05,
        }
    }
}

/// Makes up questions about a world.
#[derive(Debug)]
pub struct Questions<'a> {
    world: &'a World,
    draws: Draws,
    by_object: HashMap<(Relation, Object), Vec<EntityId>>,
    by_kind: HashMap<Kind, Vec<EntityId>>,
    shares: [f64; Form::SHARES.len()],
    unanswerable: f64,
    made: usize,
}

impl<'a> Questions<'a> {
    /// The questions of a world and a seed. Those about a [`Split::Train`] world have no held-out composition.
    ///
    /// # Errors
    /// [`WorldError::Hops`] where no question has so many hops.
    pub fn new(
        world: &'a World,
        settings: &QuestionSettings,
        seed: u64,
    ) -> Result<Self, WorldError> {
        let hops = settings.min_hops..=settings.max_hops;
        let asked = |(form, share): (Form, f64)| {
            if hops.contains(&form.hops()) {
                share
            } else {
                0.0
            }
        };
        let shares = Form::SHARES.map(asked);
        if shares.iter().all(|share| *share == 0.0) {
            return Err(WorldError::Hops {
                min: settings.min_hops,
                max: settings.max_hops,
            });
        }
        let mut by_object: HashMap<(Relation, Object), Vec<EntityId>> = HashMap::new();
        for fact in world.graph.facts.iter().filter(|fact| fact.holds(None)) {
            let subjects = by_object.entry((fact.relation, fact.object)).or_default();
            subjects.push(fact.subject);
        }
        let mut by_kind: HashMap<Kind, Vec<EntityId>> = HashMap::new();
        for (index, entity) in world.graph.entities.iter().enumerate() {
            let id = EntityId(index as u32);
            by_kind.entry(entity.kind).or_default().push(id);
        }
        Ok(Self {
            world,
            draws: Draws::new(seed, "questions"),
            by_object,
            by_kind,
            shares,
            unanswerable: settings.unanswerable,
            made: 0,
        })
    }

    /// The next question; none where the world is too small for such questions. One without an answer becomes one with
    /// an answer where no fact of the world is untold.
    pub fn make(&mut self) -> Option<WorldQuestion> {
        let answerable = !self.draws.chance(self.unanswerable);
        for round in 0..ROUNDS {
            let answerable = answerable || round >= ROUNDS / 2;
            let (form, _) = Form::SHARES[self.draws.weighted(&self.shares)];
            for _ in 0..ATTEMPTS {
                let question = match form {
                    Form::Bridge(hops) => self.bridge(hops, false),
                    Form::Temporal => self.bridge(2, true),
                    Form::Comparison => self.comparison(false),
                    Form::BridgeComparison => self.comparison(true),
                };
                if let Some(question) = question.filter(|made| self.fits(made, answerable)) {
                    self.made += 1;
                    return Some(question);
                }
            }
        }
        None
    }

    fn fits(&self, question: &WorldQuestion, answerable: bool) -> bool {
        let told = |hop: &&Hop| self.world.graph.fact(hop.fact).told;
        let missing = question.hops.len() - question.hops.iter().filter(told).count();
        let split = self.world.settings.split;
        missing == usize::from(!answerable)
            && (split == Split::HeldOut || !question.held_out_composition)
    }

    /// A chain of relations from an entity on; no entity comes twice.
    fn bridge(&mut self, length: usize, temporal: bool) -> Option<WorldQuestion> {
        let graph = &self.world.graph;
        let start = EntityId(self.draws.below(graph.entities.len()) as u32);
        let mut subject = start;
        let mut seen = vec![start];
        let mut hops: Vec<Hop> = Vec::new();
        for position in 0..length {
            let last = position + 1 == length;
            let relations = follow_ups(graph.entity(subject).kind, last, last && temporal);
            let relation = *self.draws.one_of(&relations)?;
            let (fact, year) = if last && temporal {
                let fact = *self.draws.one_of(graph.all_of(subject, relation))?;
                (fact, Some(self.year_of(fact)?))
            } else {
                (graph.holding(subject, relation, None)?, None)
            };
            hops.push(Hop {
                subject,
                relation,
                year,
                fact,
                needs: position.checked_sub(1),
            });
            if let Object::Entity(next) = graph.fact(fact).object {
                if seen.contains(&next) {
                    return None;
                }
                seen.push(next);
                subject = next;
            }
        }
        let form = if temporal {
            Form::Temporal
        } else {
            Form::Bridge(length)
        };
        let described = describe(
            &graph.entity(start).name,
            hops.iter().map(|hop| hop.relation),
        );
        let answer = graph.fact(hops.last()?.fact).object;
        let ending = hops
            .last()?
            .year
            .map_or(String::new(), |year| format!(" in {year}"));
        let text = match self.draws.below(3) {
            0 => format!("what is {described}{ending} ?"),
            1 => format!("name {described}{ending} ."),
            _ => format!("tell me {described}{ending} ."),
        };
        let words: Vec<&str> = hops.iter().map(|hop| hop.relation.word()).collect();
        let plan = format!("{}{ending}", words.join(" then "));
        let answers = self.names_of(answer);
        Some(self.finished(text, plan, form, hops, answers))
    }

    /// Whether two subjects agree, or who was born before whom; half of the questions about agreement are true.
    fn comparison(&mut self, bridged: bool) -> Option<WorldQuestion> {
        const SAME: [Relation; 7] = [
            Relation::Birthplace,
            Relation::Residence,
            Relation::Employer,
            Relation::Country,
            Relation::Studio,
            Relation::Headquarters,
            Relation::Director,
        ];
        let graph = &self.world.graph;
        let before = self.draws.chance(0.3);
        let relation = if before {
            Relation::BirthYear
        } else {
            *self.draws.one_of(&SAME)?
        };
        let one = EntityId(self.draws.below(graph.entities.len()) as u32);
        if graph.entity(one).kind != relation.description().subject {
            return None;
        }
        let object = graph.fact(graph.holding(one, relation, None)?).object;
        let two = if !before && self.draws.chance(0.5) {
            *self
                .draws
                .one_of(self.by_object.get(&(relation, object))?)?
        } else {
            *self.draws.one_of(&self.by_kind[&graph.entity(one).kind])?
        };
        let mut starts = [one, two];
        let mut first = None;
        if bridged {
            let kind = ObjectKind::Entity(graph.entity(one).kind);
            let leads = |row: &&_| leads_to(row, kind);
            let rows: Vec<Relation> = RELATIONS
                .iter()
                .filter(leads)
                .map(|row| row.relation)
                .collect();
            let bridge = *self.draws.one_of(&rows)?;
            for start in &mut starts {
                *start = *self
                    .draws
                    .one_of(self.by_object.get(&(bridge, Object::Entity(*start)))?)?;
            }
            first = Some(bridge);
        }
        if one == two || starts[0] == starts[1] {
            return None;
        }
        let mut hops: Vec<Hop> = Vec::new();
        for (start, subject) in starts.into_iter().zip([one, two]) {
            if let Some(bridge) = first {
                hops.push(Hop {
                    subject: start,
                    relation: bridge,
                    year: None,
                    fact: graph.holding(start, bridge, None)?,
                    needs: None,
                });
            }
            hops.push(Hop {
                subject,
                relation,
                year: None,
                fact: graph.holding(subject, relation, None)?,
                needs: first.map(|_| hops.len() - 1),
            });
        }
        let compared = |hop: usize| graph.fact(hops[hop].fact).object;
        let (left, right) = (compared(hops.len() / 2 - 1), compared(hops.len() - 1));
        let holds = match (left, right) {
            (Object::Year(left), Object::Year(right)) if left == right => return None,
            (Object::Year(left), Object::Year(right)) => left < right,
            _ => left == right,
        };
        let named = |start: EntityId| describe(&graph.entity(start).name, first.into_iter());
        let (left, right) = (named(starts[0]), named(starts[1]));
        let text = if before {
            format!("was {left} born before {right} ?")
        } else {
            format!("do {left} and {right} have the same {} ?", relation.word())
        };
        let bridge = first.map_or(String::new(), |bridge| format!("{} then ", bridge.word()));
        let how = if before { "before" } else { "same" };
        let plan = format!("{bridge}{} both {how}", relation.word());
        let form = if bridged {
            Form::BridgeComparison
        } else {
            Form::Comparison
        };
        let answer = if holds { "yes" } else { "no" };
        Some(self.finished(text, plan, form, hops, vec![answer.to_owned()]))
    }

    fn finished(
        &self,
        text: String,
        plan: String,
        form: Form,
        hops: Vec<Hop>,
        answers: Vec<String>,
    ) -> WorldQuestion {
        let answerable = hops.iter().all(|hop| self.world.graph.fact(hop.fact).told);
        let pairs = hops
            .iter()
            .filter_map(|hop| Some((hops[hop.needs?].relation, hop.relation)));
        let mut splits = pairs.map(|(first, then)| composition_split(first, then));
        WorldQuestion {
            id: format!("w{}-{:05}", self.world.settings.seed, self.made),
            text,
            form,
            held_out_composition: splits.any(|split| split == Split::HeldOut),
            hops,
            plan,
            answers: if answerable {
                answers
            } else {
                vec![UNKNOWN.to_owned()]
            },
            answerable,
        }
    }

    /// A year in which a fact holds, the present not among them.
    fn year_of(&mut self, fact: FactId) -> Option<u16> {
        let fact = self.world.graph.fact(fact);
        let since = fact.since?;
        let years = usize::from(fact.until.unwrap_or(PRESENT) - since) / 5;
        // Fewer than a hundred years.
        Some(since + 5 * self.draws.below(years) as u16)
    }

    fn names_of(&self, object: Object) -> Vec<String> {
        let mut names = vec![self.world.graph.words(object)];
        if let Object::Entity(id) = object {
            names.extend(self.world.graph.entity(id).alias.clone());
        }
        names
    }
}

/// `the birthplace of the director of Silent Harvest`, the relations in the order in which they are followed.
fn describe(name: &str, relations: impl Iterator<Item = Relation>) -> String {
    relations.fold(name.to_owned(), |inner, relation| {
        format!("the {} of {inner}", relation.word())
    })
}

/// What may be asked of a subject.
fn follow_ups(kind: Kind, last: bool, temporal: bool) -> Vec<Relation> {
    let fits = |row: &&super::relations::Description| {
        row.functional
            && row.subject == kind
            && (last || row.object != ObjectKind::Year)
            && (!temporal || row.temporal)
    };
    RELATIONS
        .iter()
        .filter(fits)
        .map(|row| row.relation)
        .collect()
}

/// Whether a relation's objects are of this kind, one for each subject.
fn leads_to(row: &super::relations::Description, kind: ObjectKind) -> bool {
    row.functional && row.object == kind
}
