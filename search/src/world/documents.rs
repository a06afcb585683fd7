//! Facts as documents of one short sentence.

use super::graph::{EntityId, FactId, Graph, Object};
use super::random::Draws;
use super::relations::Relation;

/// What a document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// A fact, one that holds no longer included.
    Fact(FactId),
    /// Another name of a person.
    Alias(EntityId),
}

/// One sentence with the name of its subject as title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The subject's name.
    pub title: String,
    /// The sentence, words and signs separated by single spaces.
    pub text: String,
    /// What it says.
    pub content: Content,
}

/// How a document relates to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relevance {
    /// States a fact of the evidence.
    Gold,
    /// A needed subject and relation at another time.
    Outdated,
    /// A needed fact's entities and relation the other way round.
    Reversed,
    /// A needed relation of another entity.
    SameRelation,
    /// A needed subject, another relation.
    SameSubject,
    /// A person with the surname of a needed subject.
    SameSurname,
    /// Nothing in common.
    None,
}

/// The documents of a graph in an order of its seed.
pub fn documents(graph: &Graph, seed: u64) -> Vec<Document> {
    let mut documents = Vec::new();
    for (index, fact) in graph.facts.iter().enumerate() {
        if fact.told {
            let id = FactId(index as u32);
            documents.push(Document {
                title: graph.entity(fact.subject).name.clone(),
                text: sentence(graph, id),
                content: Content::Fact(id),
            });
        }
    }
    for (index, entity) in graph.entities.iter().enumerate() {
        if let Some(alias) = &entity.alias {
            documents.push(Document {
                title: entity.name.clone(),
                text: format!("{} is also known as {alias} .", entity.name),
                content: Content::Alias(EntityId(index as u32)),
            });
        }
    }
    Draws::new(seed, "documents").shuffle(&mut documents);
    documents
}

fn sentence(graph: &Graph, id: FactId) -> String {
    let fact = graph.fact(id);
    let sentence = fact.relation.description().sentences[fact.wording]
        .replace("{s}", &graph.entity(fact.subject).name)
        .replace("{o}", &graph.words(fact.object));
    match (fact.since, fact.until) {
        (Some(since), Some(until)) => format!("from {since} to {until} {sentence} ."),
        (Some(since), None) => format!("since {since} {sentence} ."),
        _ => sentence,
    }
}

/// How a document relates to a question whose evidence these facts are.
pub fn relevance(graph: &Graph, evidence: &[FactId], content: Content) -> Relevance {
    let needed = |test: &dyn Fn(FactId) -> bool| evidence.iter().any(|id| test(*id));
    let Content::Fact(said) = content else {
        return Relevance::None;
    };
    let fact = graph.fact(said);
    let of = |id: FactId| graph.fact(id);
    let surname = |id: EntityId| graph.entity(id).name.split(' ').nth(1);
    let reversed = |id: FactId| {
        let family = [Relation::Mother, Relation::Father].contains(&of(id).relation);
        fact.object == Object::Entity(of(id).subject)
            && (fact.relation == of(id).relation || family && fact.relation == Relation::Child)
    };
    if needed(&|id| id == said) {
        Relevance::Gold
    } else if needed(&|id| of(id).subject == fact.subject && of(id).relation == fact.relation) {
        Relevance::Outdated
    } else if needed(&reversed) {
        Relevance::Reversed
    } else if needed(&|id| of(id).subject == fact.subject) {
        Relevance::SameSubject
    } else if needed(&|id| of(id).relation == fact.relation) {
        Relevance::SameRelation
    } else if needed(&|id| surname(of(id).subject) == surname(fact.subject)) {
        Relevance::SameSurname
    } else {
        Relevance::None
    }
}
