//! What is to be evaluated, as a form: fields with their ranges, and the command that does
//! the same.

use tracking::evaluation::plan::Sweep;

/// What is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    /// The best checkpoint of each run.
    #[default]
    Scores,
    /// Several checkpoints of each run.
    Curve,
    /// Policies with each other.
    Tournament,
    /// Policies at several values of a setting.
    Sweep,
}

impl What {
    const ALL: [What; 4] = [What::Scores, What::Curve, What::Tournament, What::Sweep];

    fn word(self) -> &'static str {
        match self {
            What::Scores => "scores",
            What::Curve => "curve",
            What::Tournament => "tournament",
            What::Sweep => "sweep",
        }
    }
}

/// A line of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What is evaluated.
    What,
    /// Names of runs and folders of checkpoints.
    Policies,
    /// Which checkpoints of each run.
    Checkpoints,
    /// The setting of a sweep.
    Setting,
    /// Its values.
    Values,
    /// Episodes of each team.
    Episodes,
    /// Seed of the starts.
    Seed,
    /// Another environment.
    Environment,
    /// Another time limit.
    TimeLimit,
    /// Chance of a random action.
    Epsilon,
    /// Which half of MANSA acts.
    Execution,
    /// Workers at the same time.
    Jobs,
}

/// Resources of recorded searches; a sweep over them plays nothing.
const RESOURCES: [&str; 2] = ["tokens", "tool_calls"];

/// Every field, in the order of the form.
const FIELDS: [Field; 12] = [
    Field::What,
    Field::Policies,
    Field::Checkpoints,
    Field::Setting,
    Field::Values,
    Field::Episodes,
    Field::Seed,
    Field::Environment,
    Field::TimeLimit,
    Field::Epsilon,
    Field::Execution,
    Field::Jobs,
];

impl Field {
    /// Its words on the screen.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Field::What => "what",
            Field::Policies => "policies",
            Field::Checkpoints => "checkpoints",
            Field::Setting => "setting",
            Field::Values => "values",
            Field::Episodes => "episodes",
            Field::Seed => "seed",
            Field::Environment => "environment",
            Field::TimeLimit => "time limit",
            Field::Epsilon => "epsilon",
            Field::Execution => "execution",
            Field::Jobs => "jobs",
        }
    }

    /// What it takes.
    #[must_use]
    pub fn allowed(self, form: &Form) -> &'static str {
        match self {
            Field::What => "scores, curve, tournament or sweep",
            Field::Policies => "runs or checkpoint folders, with spaces between",
            Field::Checkpoints if form.what() == What::Curve => "all or every:N",
            Field::Checkpoints => "best, last, step-N, all or every:N",
            Field::Setting if form.is_recorded() => "what recorded searches spent",
            Field::Setting => "what is changed: calls, epsilon, half of MANSA",
            Field::Values => match form.text(Field::Setting) {
                "epsilon" => "chances from 0 to 1, with commas between",
                "execution" => "il, mansa, cl, with commas between",
                _ => "calls per episode, or none for as trained",
            },
            Field::Episodes => "1 to 10000000, for every team",
            Field::Seed => "0 or more; equal seeds give equal numbers",
            Field::Environment => "an id of the same sizes; empty as trained",
            Field::TimeLimit => "1 to 1000000 steps; empty as trained",
            Field::Epsilon => "0 to 1; 0 plays greedily",
            Field::Execution => "which half of MANSA acts",
            Field::Jobs => "1 to 256 workers at the same time",
        }
    }

    /// The values that it goes through, if there are few.
    fn choices(self) -> &'static [&'static str] {
        match self {
            Field::What => &["scores", "curve", "tournament", "sweep"],
            Field::Setting => &[
                "budget_calls",
                "epsilon",
                "execution",
                RESOURCES[0],
                RESOURCES[1],
            ],
            Field::Execution => &["as trained", "mansa", "il", "cl"],
            _ => &[],
        }
    }
}

/// The values that a sweep begins with.
fn usual_values(setting: &str) -> &'static str {
    match setting {
        "epsilon" => "0,0.05,0.1,0.2",
        "execution" => "il,mansa,cl",
        _ => "0,1,2,5,10,none",
    }
}

/// The form.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    texts: [String; FIELDS.len()],
}

impl Default for Form {
    fn default() -> Self {
        let text = |field: Field| match field {
            Field::What => "scores",
            Field::Checkpoints => "best",
            Field::Setting => "budget_calls",
            Field::Values => usual_values("budget_calls"),
            Field::Episodes => "1000",
            Field::Seed | Field::Jobs => "1",
            Field::Epsilon => "0",
            Field::Execution => "as trained",
            Field::Policies | Field::Environment | Field::TimeLimit => "",
        };
        Form {
            texts: FIELDS.map(|field| text(field).to_owned()),
        }
    }
}

impl Form {
    /// The text of a field.
    #[must_use]
    pub fn text(&self, field: Field) -> &str {
        &self.texts[field as usize]
    }

    /// Changes a field.
    pub fn set(&mut self, field: Field, text: &str) {
        self.texts[field as usize] = text.trim().to_owned();
        match field {
            Field::Setting => {
                let values = usual_values(self.text(Field::Setting));
                self.texts[Field::Values as usize] = values.to_owned();
            }
            Field::What => {
                let checkpoints = match self.what() {
                    What::Curve => "all",
                    _ => "best",
                };
                self.texts[Field::Checkpoints as usize] = checkpoints.to_owned();
            }
            _ => {}
        }
    }

    /// What is evaluated.
    #[must_use]
    pub fn what(&self) -> What {
        let word = self.text(Field::What);
        let found = What::ALL.into_iter().find(|what| what.word() == word);
        found.unwrap_or_default()
    }

    /// Whether recorded searches are judged instead of policies played.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.what() == What::Sweep && RESOURCES.contains(&self.text(Field::Setting))
    }

    /// Makes it about recorded searches.
    pub fn set_recorded(&mut self) {
        self.set(Field::What, "sweep");
        self.set(Field::Setting, RESOURCES[0]);
    }

    /// The fields that matter now.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        if self.is_recorded() {
            return vec![Field::What, Field::Policies, Field::Setting];
        }
        let sweep = self.what() == What::Sweep;
        let swept = self.text(Field::Setting);
        let shown = |field: &Field| match field {
            Field::Setting | Field::Values => sweep,
            // What is swept is no single value.
            Field::Epsilon => !(sweep && swept == "epsilon"),
            Field::Execution => !(sweep && (swept == "execution" || swept == "budget_calls")),
            _ => true,
        };
        FIELDS.into_iter().filter(shown).collect()
    }

    /// Whether a field goes through choices instead of being typed.
    #[must_use]
    pub fn is_choice(field: Field) -> bool {
        !field.choices().is_empty()
    }

    /// Goes to the next or previous choice of a field, or counts a number up or down.
    pub fn step(&mut self, field: Field, forward: bool) {
        let choices = field.choices();
        if !choices.is_empty() {
            let at = choices.iter().position(|one| *one == self.text(field));
            let by = if forward { 1 } else { choices.len() - 1 };
            self.set(field, choices[(at.unwrap_or(0) + by) % choices.len()]);
            return;
        }
        let by = match field {
            Field::Episodes => 100,
            Field::Seed | Field::Jobs => 1,
            _ => return,
        };
        let lowest = u64::from(field != Field::Seed);
        let number: u64 = self.text(field).parse().unwrap_or(0);
        let next = if forward {
            number.saturating_add(by)
        } else {
            number.saturating_sub(by)
        };
        self.set(field, &next.max(lowest).to_string());
    }

    /// What is wrong with a field, in words for the user.
    #[must_use]
    pub fn problem(&self, field: Field) -> Option<String> {
        let text = self.text(field);
        let whole = |low: u64, high: u64| {
            let number = text.parse::<u64>();
            number.is_ok_and(|number| (low..=high).contains(&number))
        };
        let fine = match field {
            Field::What | Field::Setting | Field::Execution | Field::Environment => true,
            Field::Policies => {
                let named = text.split_whitespace().count();
                if self.what() == What::Tournament
                    && named == 1
                    && ["best", "last"].contains(&self.text(Field::Checkpoints))
                {
                    return Some(
                        "one policy has nobody to play with: name two, or take all checkpoints"
                            .to_owned(),
                    );
                }
                named > 0
            }
            Field::Checkpoints => is_checkpoints(text, self.what()),
            Field::Values => {
                let sweep = format!("{}={text}", self.text(Field::Setting));
                return Sweep::parse(&sweep).err();
            }
            Field::Episodes => whole(1, 10_000_000),
            Field::Seed => whole(0, u64::MAX),
            Field::TimeLimit => text.is_empty() || whole(1, 1_000_000),
            Field::Epsilon => text
                .parse::<f64>()
                .is_ok_and(|chance| (0.0..=1.0).contains(&chance)),
            Field::Jobs => whole(1, 256),
        };
        let shown = if text.is_empty() { "empty" } else { text };
        (!fine).then(|| format!("{shown} - allowed: {}", field.allowed(self)))
    }

    /// The first field with a problem, and what it is.
    #[must_use]
    pub fn first_problem(&self) -> Option<(Field, String)> {
        let mut problems = self.fields().into_iter();
        problems.find_map(|field| Some((field, self.problem(field)?)))
    }

    /// The words of the command that does the same, without the program's name.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let what = self.what();
        let command = match what {
            What::Tournament => "tournament",
            _ => "eval",
        };
        let mut words: Vec<String> = vec![command.to_owned()];
        let policies = self.text(Field::Policies).split_whitespace();
        words.extend(policies.map(str::to_owned));
        if self.is_recorded() {
            words.extend(["--sweep", self.text(Field::Setting)].map(str::to_owned));
            return words;
        }
        let mut flag = |name: &str, value: &str| {
            words.push(name.to_owned());
            words.push(value.to_owned());
        };
        let checkpoints = self.text(Field::Checkpoints);
        match what {
            What::Tournament if checkpoints != "best" => flag("--checkpoints", checkpoints),
            What::Tournament => {}
            _ if checkpoints != "best" => flag("--checkpoint", checkpoints),
            _ => {}
        }
        if what == What::Sweep {
            let (setting, values) = (self.text(Field::Setting), self.text(Field::Values));
            flag("--sweep", &format!("{setting}={values}"));
        }
        let defaults = Form::default();
        let shown = self.fields();
        for (field, name) in [
            (Field::Episodes, "--episodes"),
            (Field::Seed, "--seed"),
            (Field::Environment, "--env"),
            (Field::TimeLimit, "--time-limit"),
            (Field::Epsilon, "--epsilon"),
            (Field::Execution, "--execution"),
            (Field::Jobs, "--jobs"),
        ] {
            let text = self.text(field);
            if shown.contains(&field) && text != defaults.text(field) {
                flag(name, text);
            }
        }
        if what != What::Tournament {
            words.push("--keep".to_owned());
        }
        words
    }

    /// The command as it is typed in a shell.
    #[must_use]
    pub fn command(&self, root: &str) -> String {
        let mut words = vec!["concord".to_owned()];
        if root != "runs" {
            words.extend(["--run-dir".to_owned(), quoted(root)]);
        }
        words.extend(self.arguments().iter().map(|word| quoted(word)));
        words.join(" ")
    }
}

fn is_checkpoints(text: &str, what: What) -> bool {
    let number = |prefix: &str| {
        let number = text.strip_prefix(prefix).map(str::parse::<u64>);
        number.is_some_and(|number| number.is_ok())
    };
    let several = text == "all" || (number("every:") && text != "every:0");
    match what {
        What::Curve => several,
        _ => several || ["best", "last"].contains(&text) || number("step-"),
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./:=,@+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(what: &str) -> Form {
        let mut form = Form::default();
        form.set(Field::Policies, "a b");
        form.set(Field::What, what);
        form
    }

    #[test]
    fn the_command_says_what_differs_from_its_defaults() {
        assert_eq!(form("scores").command("runs"), "concord eval a b --keep");
        assert_eq!(
            form("curve").command("/my runs"),
            "concord --run-dir '/my runs' eval a b --checkpoint all --keep"
        );
        let mut tournament = form("tournament");
        tournament.set(Field::Checkpoints, "every:3");
        tournament.set(Field::Episodes, "200");
        tournament.set(Field::Jobs, "2");
        assert_eq!(
            tournament.command("runs"),
            "concord tournament a b --checkpoints every:3 --episodes 200 --jobs 2"
        );
        let mut sweep = form("sweep");
        sweep.set(Field::Setting, "epsilon");
        sweep.set(Field::Epsilon, "0.5");
        assert_eq!(
            sweep.command("runs"),
            "concord eval a b --sweep epsilon=0,0.05,0.1,0.2 --keep"
        );
    }

    #[test]
    fn recorded_searches_are_judged_without_playing() {
        let mut form = form("scores");
        form.set_recorded();
        assert_eq!(form.command("runs"), "concord eval a b --sweep tokens");
        assert_eq!(form.first_problem(), None);
        form.step(Field::Setting, true);
        assert_eq!(form.command("runs"), "concord eval a b --sweep tool_calls");
        form.step(Field::Setting, true);
        assert_eq!(form.text(Field::Setting), "budget_calls");
        assert!(form.fields().contains(&Field::Values));
    }

    #[test]
    fn every_field_says_what_is_wrong_with_it() {
        for (field, wrong) in [
            (Field::Policies, " "),
            (Field::Checkpoints, "first"),
            (Field::Values, "-1"),
            (Field::Episodes, "0"),
            (Field::Seed, "x"),
            (Field::TimeLimit, "0"),
            (Field::Epsilon, "1.5"),
            (Field::Jobs, "0"),
        ] {
            let mut form = form("sweep");
            assert_eq!(form.first_problem(), None);
            form.set(field, wrong);
            let (found, problem) = form.first_problem().expect("a problem");
            assert_eq!(found, field);
            assert!(problem.contains("allowed"), "{problem}");
        }
        let mut alone = form("tournament");
        alone.set(Field::Policies, "a");
        assert!(alone.problem(Field::Policies).is_some());
        alone.set(Field::Checkpoints, "all");
        assert_eq!(alone.first_problem(), None);
    }

    #[test]
    fn choices_go_round_and_numbers_stay_in_their_range() {
        let mut form = Form::default();
        form.step(Field::What, false);
        assert_eq!(form.what(), What::Sweep);
        form.step(Field::What, true);
        assert_eq!(form.what(), What::Scores);
        form.set(Field::Episodes, "50");
        form.step(Field::Episodes, false);
        assert_eq!(form.text(Field::Episodes), "1");
        form.set(Field::Seed, &u64::MAX.to_string());
        form.step(Field::Seed, true);
        assert_eq!(form.problem(Field::Seed), None);
    }
}
