//! Who and what there is in a world, and what holds between them.

use std::collections::HashMap;

use super::names::Kind;
use super::random::Draws;
use super::relations::{ObjectKind, RELATIONS, Relation};
use super::{WorldError, WorldSettings};

/// The year in which a world is looked at.
pub const PRESENT: u16 = 2020;
/// The first year of birth.
pub const FIRST_YEAR: u16 = 1900;
/// Years are so many apart.
pub const YEAR_STEP: u16 = 5;

/// Names an entity of one world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u32);

/// Names a fact of one world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u32);

/// Somebody or something.
#[derive(Debug, Clone)]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    /// Two words.
    pub name: String,
    /// Another name: one person in ten has one, `the elder` or `the younger` behind the surname.
    pub alias: Option<String>,
}

/// What a fact is about beside its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// Another entity.
    Entity(EntityId),
    /// A year.
    Year(u16),
}

/// A subject, a relation, an object and when it holds.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Of whom.
    pub subject: EntityId,
    /// What.
    pub relation: Relation,
    /// Who, where or when.
    pub object: Object,
    /// The first year; none where it always holds.
    pub since: Option<u16>,
    /// The first year in which it no longer holds.
    pub until: Option<u16>,
    /// Whether a document states it. One in twenty is told nowhere: questions about it have no answer.
    pub told: bool,
    /// Which of the relation's two words its document uses.
    pub wording: usize,
}

impl Fact {
    /// Whether it holds in a year; in the present for none.
    pub fn holds(&self, year: Option<u16>) -> bool {
        let year = year.unwrap_or(PRESENT);
        self.since.is_none_or(|since| since <= year) && self.until.is_none_or(|until| year < until)
    }
}

/// Entities and facts.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Indexed by [`EntityId`].
    pub entities: Vec<Entity>,
    /// Indexed by [`FactId`].
    pub facts: Vec<Fact>,
    by_subject: HashMap<(EntityId, Relation), Vec<FactId>>,
}

impl Graph {
    /// The graph of a seed.
    ///
    /// # Errors
    /// [`WorldError::TooManyEntities`] where the names of a kind do not suffice.
    pub fn new(settings: &WorldSettings) -> Result<Self, WorldError> {
        let mut draws = Draws::new(settings.seed, "graph");
        let mut graph = Self {
            entities: Vec::new(),
            facts: Vec::new(),
            by_subject: HashMap::new(),
        };
        let mut of_kind = HashMap::new();
        for kind in Kind::ALL {
            of_kind.insert(kind, graph.add_entities(kind, settings, &mut draws)?);
        }
        graph.add_births(&of_kind, &mut draws);
        for row in RELATIONS.iter().filter(|row| {
            !matches!(
                row.relation,
                Relation::BirthYear | Relation::Mother | Relation::Father | Relation::Child
            )
        }) {
            let ObjectKind::Entity(kind) = row.object else {
                continue;
            };
            let objects = &of_kind[&kind];
            for subject in of_kind[&row.subject].clone() {
                graph.add_facts_of(subject, row.relation, objects, &mut draws);
            }
        }
        for (index, fact) in graph.facts.iter().enumerate() {
            let key = (fact.subject, fact.relation);
            // Graphs have some ten thousand facts.
            let facts: &mut Vec<FactId> = graph.by_subject.entry(key).or_default();
            facts.push(FactId(index as u32));
        }
        Ok(graph)
    }

    /// An entity of this graph.
    pub fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.0 as usize]
    }

    /// A fact of this graph.
    pub fn fact(&self, id: FactId) -> &Fact {
        &self.facts[id.0 as usize]
    }

    /// The fact of a functional relation that holds in a year (in the present for none).
    pub fn holding(
        &self,
        subject: EntityId,
        relation: Relation,
        year: Option<u16>,
    ) -> Option<FactId> {
        let facts = self.by_subject.get(&(subject, relation))?;
        let mut holding = facts.iter().filter(|id| self.fact(**id).holds(year));
        holding.next().copied()
    }

    /// Everything known of a subject by one relation, whenever it held.
    pub fn all_of(&self, subject: EntityId, relation: Relation) -> &[FactId] {
        let facts = self.by_subject.get(&(subject, relation));
        facts.map_or(&[], Vec::as_slice)
    }

    /// An object in words.
    pub fn words(&self, object: Object) -> String {
        match object {
            Object::Entity(id) => self.entity(id).name.clone(),
            Object::Year(year) => year.to_string(),
        }
    }

    fn add_entities(
        &mut self,
        kind: Kind,
        settings: &WorldSettings,
        draws: &mut Draws,
    ) -> Result<Vec<EntityId>, WorldError> {
        let mut names = kind.names(settings.split);
        let asked = share(kind, settings.entities);
        if asked > names.len() {
            return Err(WorldError::TooManyEntities {
                kind,
                asked,
                names: names.len(),
                entities: settings.entities,
                split: settings.split,
            });
        }
        draws.shuffle(&mut names);
        let mut added = Vec::with_capacity(asked);
        for (first, second) in names.into_iter().take(asked) {
            let known_otherwise = kind == Kind::Person && draws.chance(0.1);
            let byname = if draws.chance(0.5) {
                "elder"
            } else {
                "younger"
            };
            added.push(EntityId(self.entities.len() as u32));
            self.entities.push(Entity {
                kind,
                name: format!("{first} {second}"),
                alias: known_otherwise.then(|| format!("{second} the {byname}")),
            });
        }
        Ok(added)
    }

    /// Years of birth, and parents who are 20 to 45 years older; fathers have the child's surname where one is there.
    fn add_births(&mut self, of_kind: &HashMap<Kind, Vec<EntityId>>, draws: &mut Draws) {
        let people = &of_kind[&Kind::Person];
        let years: HashMap<EntityId, u16> = people
            .iter()
            .map(|person| (*person, FIRST_YEAR + YEAR_STEP * draws.below(21) as u16))
            .collect();
        for person in people {
            let year = years[person];
            self.add(*person, Relation::BirthYear, Object::Year(year), draws);
            let fits = |other: &&EntityId| (20..=45).contains(&year.saturating_sub(years[*other]));
            let older: Vec<EntityId> = people.iter().filter(fits).copied().collect();
            let surname = |id: EntityId| {
                self.entity(id)
                    .name
                    .split(' ')
                    .nth(1)
                    .unwrap_or("")
                    .to_owned()
            };
            let named: Vec<EntityId> = older
                .iter()
                .filter(|other| surname(**other) == surname(*person))
                .copied()
                .collect();
            let father = draws
                .one_of(if named.is_empty() { &older } else { &named })
                .copied();
            let mother = draws.one_of(&older).copied();
            for (parent, relation) in [(father, Relation::Father), (mother, Relation::Mother)] {
                let Some(parent) = parent.filter(|_| draws.chance(0.8)) else {
                    continue;
                };
                self.add(*person, relation, Object::Entity(parent), draws);
                // The same fact the other way round misleads a search for the parent's own parents.
                if draws.chance(0.3) {
                    self.add(parent, Relation::Child, Object::Entity(*person), draws);
                }
            }
        }
    }

    fn add_facts_of(
        &mut self,
        subject: EntityId,
        relation: Relation,
        objects: &[EntityId],
        draws: &mut Draws,
    ) {
        let row = relation.description();
        if !draws.chance(if row.functional { 0.85 } else { 0.4 }) {
            return;
        }
        let mut others: Vec<EntityId> = Vec::new();
        let count = if row.temporal || !row.functional {
            2
        } else {
            1
        };
        while others.len() < count {
            let other = objects[draws.below(objects.len())];
            if other != subject && !others.contains(&other) {
                others.push(other);
            }
        }
        if !row.temporal {
            for other in others {
                self.add(subject, relation, Object::Entity(other), draws);
            }
            return;
        }
        let change = 1960 + YEAR_STEP * draws.below(10) as u16;
        let before = change - YEAR_STEP * (1 + draws.below(6)) as u16;
        let now = self.add(subject, relation, Object::Entity(others[0]), draws);
        self.facts[now].since = Some(change);
        if draws.chance(0.7) {
            let then = self.add(subject, relation, Object::Entity(others[1]), draws);
            self.facts[then].since = Some(before);
            self.facts[then].until = Some(change);
        }
    }

    fn add(
        &mut self,
        subject: EntityId,
        relation: Relation,
        object: Object,
        draws: &mut Draws,
    ) -> usize {
        self.facts.push(Fact {
            subject,
            relation,
            object,
            since: None,
            until: None,
            told: !draws.chance(0.05),
            wording: usize::from(draws.chance(0.3)),
        });
        self.facts.len() - 1
    }
}

/// How many of the entities are of a kind.
fn share(kind: Kind, entities: usize) -> usize {
    let percent = match kind {
        Kind::Person => 64,
        Kind::City => 12,
        Kind::Film => 14,
        Kind::Company => 8,
        Kind::Country => 2,
    };
    (entities * percent / 100).max(2)
}
