//! Relations between entities, the words that name them and the sentences that state them.

use super::names::{Kind, Split};
use super::random::hash;

/// What holds between a subject and an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // Each is explained by its row in `RELATIONS`.
pub enum Relation {
    Mother,
    Father,
    Spouse,
    Teacher,
    Birthplace,
    BirthYear,
    Employer,
    Residence,
    Director,
    Lead,
    Studio,
    Country,
    Mayor,
    Founder,
    Headquarters,
    Capital,
    Child,
    Friend,
    FilmedIn,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Another entity.
    Entity(Kind),
    /// A year, a multiple of five.
    Year,
}

/// A row of the table of relations.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Which relation.
    pub relation: Relation,
    /// Two words that name it. A document uses one of them, a search by the other one misses it.
    pub words: [&'static str; 2],
    /// What a subject is.
    pub subject: Kind,
    /// What an object is.
    pub object: ObjectKind,
    /// At most one object at a time. Only such relations are asked about.
    pub functional: bool,
    /// Objects change with the years.
    pub temporal: bool,
    /// The sentences of the two words, with `{s}` and `{o}`.
    pub sentences: [&'static str; 2],
}

impl Relation {
    /// Its row.
    pub fn description(self) -> &'static Description {
        // In the order of the enum, which a test checks.
        &RELATIONS[self as usize]
    }

    /// The word that questions and plans use.
    pub fn word(self) -> &'static str {
        self.description().words[0]
    }

    /// The relation that a word names.
    pub fn of_word(word: &str) -> Option<Self> {
        let named = |row: &&Description| row.words.contains(&word);
        RELATIONS.iter().find(named).map(|row| row.relation)
    }
}

/// Whether no training question has `first` followed by `then`: one composition in seven, told by a hash.
pub fn composition_split(first: Relation, then: Relation) -> Split {
    if hash(&format!("{} of {}", then.word(), first.word())).is_multiple_of(7) {
        Split::HeldOut
    } else {
        Split::Train
    }
}

const fn row(
    relation: Relation,
    words: [&'static str; 2],
    subject: Kind,
    object: ObjectKind,
    sentences: [&'static str; 2],
) -> Description {
    let functional = !matches!(
        relation,
        Relation::Child | Relation::Friend | Relation::FilmedIn
    );
    let temporal = matches!(
        relation,
        Relation::Employer | Relation::Residence | Relation::Mayor
    );
    Description {
        relation,
        words,
        subject,
        object,
        functional,
        temporal,
        sentences,
    }
}

const PERSON: ObjectKind = ObjectKind::Entity(Kind::Person);
const CITY: ObjectKind = ObjectKind::Entity(Kind::City);
const COMPANY: ObjectKind = ObjectKind::Entity(Kind::Company);

/// All relations: 16 with one object, three of which change with the years, and 3 with several.
#[rustfmt::skip]
pub const RELATIONS: [Description; 19] = [
    row(Relation::Mother, ["mother", "maternal"], Kind::Person, PERSON,
        ["the mother of {s} is {o} .", "the maternal parent of {s} is {o} ."]),
    row(Relation::Father, ["father", "paternal"], Kind::Person, PERSON,
        ["the father of {s} is {o} .", "the paternal parent of {s} is {o} ."]),
    row(Relation::Spouse, ["spouse", "married"], Kind::Person, PERSON,
        ["the spouse of {s} is {o} .", "{s} is married to {o} ."]),
    row(Relation::Teacher, ["teacher", "taught"], Kind::Person, PERSON,
        ["the teacher of {s} is {o} .", "{s} was taught by {o} ."]),
    row(Relation::Birthplace, ["birthplace", "born"], Kind::Person, CITY,
        ["the birthplace of {s} is {o} .", "{s} was born in {o} ."]),
    row(Relation::BirthYear, ["birthyear", "dated"], Kind::Person, ObjectKind::Year,
        ["the birthyear of {s} is {o} .", "the birth of {s} is dated {o} ."]),
    row(Relation::Employer, ["employer", "works"], Kind::Person, COMPANY,
        ["the employer of {s} is {o}", "{s} works for {o}"]),
    row(Relation::Residence, ["residence", "lives"], Kind::Person, CITY,
        ["the residence of {s} is {o}", "{s} lives in {o}"]),
    row(Relation::Director, ["director", "directed"], Kind::Film, PERSON,
        ["the director of {s} is {o} .", "{s} was directed by {o} ."]),
    row(Relation::Lead, ["lead", "starring"], Kind::Film, PERSON,
        ["the lead of {s} is {o} .", "{s} is a film starring {o} ."]),
    row(Relation::Studio, ["studio", "produced"], Kind::Film, COMPANY,
        ["the studio of {s} is {o} .", "{s} was produced by {o} ."]),
    row(Relation::Country, ["country", "located"], Kind::City, ObjectKind::Entity(Kind::Country),
        ["the country of {s} is {o} .", "{s} is located in {o} ."]),
    row(Relation::Mayor, ["mayor", "governed"], Kind::City, PERSON,
        ["the mayor of {s} is {o}", "{s} is governed by {o}"]),
    row(Relation::Founder, ["founder", "founded"], Kind::Company, PERSON,
        ["the founder of {s} is {o} .", "{s} was founded by {o} ."]),
    row(Relation::Headquarters, ["headquarters", "based"], Kind::Company, CITY,
        ["the headquarters of {s} is {o} .", "{s} is based in {o} ."]),
    row(Relation::Capital, ["capital", "seat"], Kind::Country, CITY,
        ["the capital of {s} is {o} .", "the seat of power of {s} is {o} ."]),
    row(Relation::Child, ["child", "offspring"], Kind::Person, PERSON,
        ["{o} is a child of {s} .", "{o} is among the offspring of {s} ."]),
    row(Relation::Friend, ["friend", "companion"], Kind::Person, PERSON,
        ["{o} is a friend of {s} .", "{o} is a companion of {s} ."]),
    row(Relation::FilmedIn, ["filmed", "shot"], Kind::Film, CITY,
        ["{s} was filmed in {o} .", "scenes of {s} were shot in {o} ."]),
];
