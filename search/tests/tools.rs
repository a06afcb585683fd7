//! Tools: what they find, what they refuse, and that nothing they say is too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use search::language::Toolbox;
use search::tools::cache::Cached;
use search::tools::calculator::{Calculator, evaluate};
use search::tools::collection::{Collection, Passage};
use search::tools::document_search::DocumentSearch;
use search::tools::failing::Failing;
use search::tools::lookup::Lookup;
use search::tools::{Tool, ToolError, ToolReply, Tools};

fn collection() -> Arc<Collection> {
    let passage = |title: &str, text: &str| Passage {
        title: title.to_owned(),
        text: text.to_owned(),
    };
    Arc::new(Collection::new(vec![
        passage(
            "Ada Frost",
            "Ada Frost was born in Port Velda. She paid 3.50 a day! She never left.",
        ),
        passage(
            "Port Velda",
            "A harbour on the lake. Its mayor is Otto Klein.",
        ),
        passage("Otto Klein", "Otto Klein is a mayor."),
    ]))
}

/// Counts its calls.
struct Counting(Arc<AtomicUsize>);

impl Tool for Counting {
    fn name(&self) -> &str {
        "counting"
    }
    fn purpose(&self) -> &str {
        "Counts."
    }
    fn input(&self) -> &str {
        "anything"
    }
    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if input == "bad" {
            return Err(ToolError::input(input, "good inputs", "try one"));
        }
        Ok(ToolReply::new(input))
    }
}

#[test]
fn a_search_shows_the_best_passages_with_their_titles() {
    let search = DocumentSearch::new(collection(), 2, 5);
    let found = search.call("mayor of Port Velda").unwrap().text;
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines[0],
        "Port Velda: A harbour on the lake. Its mayor is Otto Klein."
    );
    assert_eq!(search.call("zebra").unwrap().text, "nothing found");
    assert!(search.call(" ?! ").is_err());
    assert_eq!(search.cost(), 5);
}

#[test]
fn a_lookup_gives_the_sentences_with_all_words() {
    let lookup = Lookup::new(collection(), 1);
    let said = |input: &str| lookup.call(input).unwrap().text;
    assert_eq!(
        said("ada frost | BORN"),
        "Ada Frost was born in Port Velda."
    );
    assert_eq!(said("Ada Frost | she day"), "She paid 3.50 a day!");
    assert_eq!(said("Port Velda").lines().count(), 2);
    assert_eq!(said("Port Velda | zebra"), "no sentence has: zebra");
    let error = lookup.call("Atlantis | born").unwrap_err().to_string();
    assert!(
        error.contains("`Atlantis`") && error.contains("search for it first"),
        "{error}"
    );
}

#[test]
fn sums_are_worked_out_as_on_paper() {
    for (sum, value) in [
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("2 ^ -1", 0.5),
        ("7 / 2 - -1", 4.5),
        (" 1.5*( 2-.5 ) ", 2.25),
    ] {
        assert_eq!(evaluate(sum), Some(value), "{sum}");
    }
    for none in ["", "2 +", "(2", "2)", "2 3", "two", "1.2.3", "^2"] {
        assert_eq!(evaluate(none), None, "{none}");
    }
    assert_eq!(evaluate(&"(".repeat(100_000)), None);
    assert_eq!(evaluate(&"-".repeat(100_000)), None);
    assert_eq!(evaluate(&"2^".repeat(100_000)), None);
    let calculator = Calculator::new(1);
    assert_eq!(calculator.call("(1987 - 1950) * 2").unwrap().text, "74");
    let error = calculator.call("1 / 0").unwrap_err().to_string();
    assert!(error.contains("divide by something else"), "{error}");
}

#[test]
fn a_call_made_before_is_answered_from_memory_and_failures_are_tried_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let cached = Cached::new(Counting(Arc::clone(&calls)));
    assert!(cached.is_empty());
    for _ in 0..3 {
        assert_eq!(cached.call("a").unwrap().text, "a");
        assert!(cached.call("bad").is_err());
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1 + 3);
    assert_eq!((cached.len(), cached.cost()), (1, 1));
}

#[test]
fn failures_come_from_the_seed_at_the_wanted_rate() {
    let run = |seed| -> Vec<bool> {
        let tool = Failing::new(Calculator::new(1), 0.3, seed);
        (0..1_000)
            .map(|number| tool.call(&format!("{} + 1", number / 2)).is_err())
            .collect()
    };
    let failed = run(1);
    assert_eq!(failed, run(1));
    assert_ne!(failed, run(2));
    let share = failed.iter().filter(|failed| **failed).count();
    assert!((250..350).contains(&share), "{share}");
    // A second call with an input is a new draw.
    assert!(failed.chunks(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn all_tools_share_a_bound_and_strangers_are_told_the_names() {
    let search = Box::new(DocumentSearch::new(collection(), 3, 5));
    let tools = Tools::new(vec![search, Box::new(Lookup::new(collection(), 1))], 12).unwrap();
    assert_eq!(tools.costs(), [("search", 5), ("lookup", 1)]);
    let found = tools.call("search", "Ada");
    assert_eq!(
        (found.text.as_str(), found.failed, found.units),
        ("Ada Frost wa", false, 5)
    );
    let refused = tools.call("lookup", "é");
    assert!(refused.failed && refused.units == 1 && refused.text.chars().count() == 12);
    let stranger = tools.call("web", "x");
    assert_eq!(stranger.text, "there is no tool web, only search, lookup");
    assert_eq!((stranger.failed, stranger.units), (true, 0));
    let names: Vec<String> = tools
        .descriptions()
        .into_iter()
        .map(|tool| tool.name)
        .collect();
    assert_eq!(names, ["search", "lookup"]);
    let twice = Tools::new(
        vec![Box::new(Calculator::new(1)), Box::new(Calculator::new(2))],
        9,
    );
    assert!(matches!(twice, Err(ToolError::Name { name }) if name == "calculator"));
}
