//! Prompts and replies of models that follow instructions.

use search::dialogue::chat::{Chat, Critic};
use search::dialogue::{Prompt, PromptStyle, Speaker};
use search::job::{Action, Instruction, JobKind};

use crate::{answer, call, job, state, step, tools};

fn chat() -> Chat {
    Chat::new(tools(), Critic::Residual)
}

fn text(prompt: &Prompt) -> String {
    let turns = prompt.in_words().turns.into_iter();
    let turns = turns.map(|turn| format!("[{:?}] {}\n", turn.speaker, turn.text));
    turns.collect()
}

fn common(one: &str, other: &str) -> usize {
    one.bytes()
        .zip(other.bytes())
        .take_while(|(one, other)| one == other)
        .count()
}

fn deepen() -> JobKind {
    JobKind::Step {
        instruction: Instruction::Deepen,
        tried: Vec::new(),
        tools_allowed: true,
    }
}

#[test]
fn all_jobs_of_a_node_share_everything_before_the_last_turn() {
    let steps = vec![
        step(
            "Who directed it?",
            call("search", "director \"Silent Harvest\""),
            Some("Silent Harvest was directed by Ada Frost."),
        ),
        step("So it is Ada Frost.", Action::Think, None),
        step(
            "Where was she born?",
            call("search", "Ada Frost born"),
            None,
        ),
    ];
    let state = state(steps, Some("1. director\n2. birthplace"));
    let widen = JobKind::Step {
        instruction: Instruction::Widen,
        tried: vec![
            call("search", "Ada Frost"),
            Action::Think,
            answer("Port Velda"),
        ],
        tools_allowed: false,
    };
    let kinds = [
        deepen(),
        widen,
        JobKind::Critic,
        JobKind::Answer { forced: true },
    ];
    let prompts: Vec<Prompt> = kinds
        .iter()
        .map(|kind| chat().prompt(&job(1, kind.clone(), &state)))
        .collect();
    for prompt in &prompts {
        // With the server's own protocol everything but the last turn is equal.
        let (last, before) = prompt.turns.split_last().unwrap();
        assert_eq!(before, &prompts[0].turns[..before.len()]);
        assert_eq!(last.speaker, Speaker::User);
        assert_eq!(prompt.tools, tools());
        let speakers: Vec<Speaker> = prompt.turns.iter().map(|turn| turn.speaker).collect();
        use Speaker::{Assistant, System, Tool, User};
        // The thought without a call joins the turn behind it.
        assert_eq!(
            speakers,
            [System, User, Assistant, Tool, Assistant, Tool, User]
        );
    }
    let may_call: Vec<bool> = prompts.iter().map(|prompt| prompt.may_call).collect();
    assert_eq!(may_call, [true, false, false, false]);
    let texts: Vec<String> = prompts.iter().map(text).collect();
    let path = texts[0].find("Observation: no observation").unwrap();
    assert!(
        texts.iter().all(|other| common(&texts[0], other) > path),
        "{texts:#?}"
    );
    // In words no speaker has two turns in a row.
    for prompt in &prompts {
        let turns = prompt.in_words().turns;
        assert!(
            turns
                .windows(2)
                .all(|pair| pair[0].speaker != pair[1].speaker)
        );
        assert!(
            turns
                .iter()
                .all(|turn| turn.call.is_none() && turn.speaker != Speaker::Tool)
        );
    }
    let words = &texts[0];
    assert!(words.contains("Action: search[\"director \\\"Silent Harvest\\\"\"]\n[User] Observation: Silent Harvest was"), "{words}");
    assert!(
        words.contains("So it is Ada Frost.\nWhere was she born?\nAction: search"),
        "{words}"
    );
    assert!(
        words.contains("- calculator[input]: Works out sums. Input: a sum."),
        "{words}"
    );
}

#[test]
fn the_budget_stands_last_and_what_was_tried_before_it() {
    let state = state(Vec::new(), None);
    let widen = JobKind::Step {
        instruction: Instruction::Widen,
        tried: vec![call("search", "harvest")],
        tools_allowed: true,
    };
    let prompt = text(&chat().prompt(&job(1, widen.clone(), &state)));
    assert!(prompt.ends_with("do something else:\n- Action: search[\"harvest\"]\nBudget left: 3 for tool calls, 812 tokens; 41 % of it.\n"), "{prompt}");
    // Another budget changes the end alone.
    let mut poorer = job(2, widen, &state);
    poorer.remaining.tokens = Some(99);
    let other = text(&chat().prompt(&poorer));
    assert_eq!(common(&prompt, &other), prompt.find("812").unwrap());
    // A child's prompt begins with all of its parent's path.
    let child = crate::state(vec![step("a", Action::Think, None)], None);
    let child = text(&chat().prompt(&job(3, deepen(), &child)));
    assert!(common(&prompt, &child) > prompt.find("born?").unwrap());
    let unlimited = {
        let mut job = job(4, deepen(), &state);
        (job.remaining.tokens, job.remaining.tool_calls) = (None, None);
        text(&chat().prompt(&job))
    };
    assert!(!unlimited.contains("Budget"), "{unlimited}");
}

#[test]
fn steps_are_read_however_they_are_put() {
    let cases: [(&str, bool, &str, Action); 16] = [
        (
            "Who directed it?\nAction: search[\"Silent \\\"Harvest\\\"\"]",
            false,
            "Who directed it?",
            call("search", "Silent \"Harvest\""),
        ),
        (
            "Thought: Who?\n**Action:** Search[Silent Harvest [film]]\nObservation: made up",
            false,
            "Who?",
            call("Search", "Silent Harvest [film]"),
        ),
        (
            "Action: search(\"a\") and so on",
            false,
            "",
            call("search", "a"),
        ),
        ("action: search['a b']", false, "", call("search", "a b")),
        // Cut within the call, and after it.
        (
            "Who?\nAction: search[\"Silent Har",
            true,
            "Who?\nAction: search[\"Silent Har",
            Action::Think,
        ),
        (
            "Who?\nAction: search[\"a\"]",
            true,
            "Who?",
            call("search", "a"),
        ),
        (
            "I know.\nAnswer: Port Velda",
            false,
            "I know.",
            answer("Port Velda"),
        ),
        (
            "I know.\n**Final Answer:** **Port Velda**\nSince she said so.",
            false,
            "I know.",
            answer("Port Velda"),
        ),
        ("Answer:\n\n\"Port Velda\"", false, "", answer("Port Velda")),
        (
            "I know.\nAnswer: Port Ve",
            true,
            "I know.\nAnswer: Port Ve",
            Action::Think,
        ),
        (
            "<think>Answer: no</think>\nWell.\nAnswer: yes",
            false,
            "Well.",
            answer("yes"),
        ),
        ("Answer: no</think>Answer: yes", false, "", answer("yes")),
        ("<think>Action: search[\"a\"] or", true, "", Action::Think),
        (
            "Just a thought: hm.",
            false,
            "Just a thought: hm.",
            Action::Think,
        ),
        (
            "Action: do what[you] like",
            false,
            "Action: do what[you] like",
            Action::Think,
        ),
        ("", false, "", Action::Think),
    ];
    for (reply, cut, thought, action) in cases {
        assert_eq!(
            chat().read_step(reply, cut),
            (thought.to_owned(), action),
            "{reply}"
        );
    }
}

#[test]
fn answers_are_read_with_their_label_or_without() {
    let cases = [
        ("Answer: Port Velda", "Port Velda"),
        ("Let me see.\nAnswer: **Port Velda**.\n", "Port Velda**."),
        ("<think>hm</think>Port Velda", "Port Velda"),
        ("It follows that\n\nPort Velda\n", "Port Velda"),
        ("<think>never ends", ""),
        ("", ""),
    ];
    for (reply, expected) in cases {
        assert_eq!(chat().read_answer(reply), expected, "{reply}");
    }
}

#[test]
fn judgements_are_read_from_json_or_by_their_first_number() {
    let cases: [(&str, Option<f64>, Option<bool>, &str); 14] = [
        (
            "{\"delta\": 3, \"sufficient\": true, \"why\": \"settled\"}",
            Some(3.0),
            Some(true),
            "settled",
        ),
        ("```json\n{\"delta\": -2}\n```", Some(-2.0), None, ""),
        (
            "{\"delta\": \"+2\", \"why\": \"half\"}",
            Some(2.0),
            None,
            "half",
        ),
        ("Set {a}: {\"delta\": 1.5} so", Some(1.5), None, ""),
        // Not JSON, cut, a long minus.
        ("{\"delta\": +4, \"why\"", Some(4.0), None, ""),
        (
            "{\"delta\": -1, \"new_facts\": [\"born in 19",
            Some(-1.0),
            None,
            "",
        ),
        ("delta \u{2212}3", Some(-3.0), None, ""),
        ("+2", Some(2.0), None, ""),
        ("I give it 1.", Some(1.0), None, ""),
        ("Born in 1962.", None, None, ""),
        ("{\"delta\": 37}", None, None, ""),
        ("{\"delta\": null}", None, None, ""),
        ("no idea", None, None, ""),
        ("", None, None, ""),
    ];
    for (reply, delta, sufficient, why) in cases {
        let read = chat().read_judgement(reply);
        assert_eq!(
            (read.delta, read.sufficient, read.why.as_str()),
            (delta, sufficient, why),
            "{reply}"
        );
        assert_eq!(read.score, None);
    }
    let absolute = Chat::new(tools(), Critic::Absolute);
    for (reply, score) in [
        ("{\"score\": 8}", Some(8.0)),
        ("8", Some(8.0)),
        ("0", None),
        ("{\"score\": 11}", None),
    ] {
        let read = absolute.read_judgement(reply);
        assert_eq!((read.delta, read.score), (None, score), "{reply}");
    }
    assert_eq!(absolute.critic_choices().len(), 10);
    let choices = chat().critic_choices();
    assert_eq!((choices.len(), choices[1].points), (9, -3.0));
    // Each choice is read as what it says.
    for choice in choices {
        assert_eq!(
            chat().read_judgement(&choice.text).delta,
            Some(choice.points)
        );
    }
}
