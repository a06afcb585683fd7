//! What the theory of switching promises, on small random problems that are solved exactly.
//!
//! For fixed independent and central policies the switching agent faces an ordinary Markov
//! decision problem with two actions (Mguni et al. 2023, the switching problem). Everything
//! here is about that problem: states, the two ways to move and be paid, a cost, a budget.

use nn::random::RandomStream;

const STATES: usize = 6;
const DISCOUNT: f64 = 0.9;
const MODES: [usize; 2] = [0, 1]; // independent, central

/// Values of all states.
type Values = [f64; STATES];

/// A problem of the switching agent.
struct Problem {
    rewards: [Values; 2],         // by mode
    moves: [[Values; STATES]; 2], // by mode: chance of the next state
}

/// Switches paid per step ([`Problem::solve`]) or only when switching on.
#[derive(Clone, Copy)]
struct Cost(f64);

impl Problem {
    fn random(index: u64) -> Self {
        let mut stream = RandomStream::new(11, "theory", index);
        let mut row = || {
            let mut row: Values = std::array::from_fn(|_| f64::from(stream.uniform()).powi(4));
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|chance| *chance /= sum);
            row
        };
        let moves = std::array::from_fn(|_| std::array::from_fn(|_| row()));
        let mut stream = RandomStream::new(12, "theory", index);
        let rewards = std::array::from_fn(|_| std::array::from_fn(|_| f64::from(stream.uniform())));
        Self { rewards, moves }
    }

    /// Value of one step in a mode and of what follows, without the cost.
    fn step(&self, mode: usize, state: usize, values: &Values) -> f64 {
        let following: f64 = self.moves[mode][state]
            .iter()
            .zip(values)
            .map(|(chance, value)| chance * value)
            .sum();
        self.rewards[mode][state] + DISCOUNT * following
    }

    /// The obstacle form, by iteration: `V = max(Q_I, Q_C - c)`.
    fn solve(&self, cost: Cost) -> Values {
        fixed_point([0.0; STATES], |values| {
            std::array::from_fn(|state| {
                let independent = self.step(0, state, values);
                independent.max(self.step(1, state, values) - cost.0)
            })
        })
    }

    /// Where a call is made: where it gains more than it costs.
    fn calls(&self, values: &Values, cost: Cost) -> [bool; STATES] {
        std::array::from_fn(|state| {
            self.step(1, state, values) - cost.0 > self.step(0, state, values)
        })
    }

    /// The value of a fixed rule, by solving its linear equations.
    fn value_of(&self, rule: [bool; STATES], cost: Cost) -> Values {
        let mut system = [[0.0; STATES + 1]; STATES];
        for (state, equation) in system.iter_mut().enumerate() {
            let mode = usize::from(rule[state]);
            for (next, chance) in self.moves[mode][state].iter().enumerate() {
                equation[next] = f64::from(u8::from(next == state)) - DISCOUNT * chance;
            }
            equation[STATES] = self.rewards[mode][state] - cost.0 * mode as f64;
        }
        eliminate(system)
    }

    /// The budgeted problem: values by calls left, `[budget + 1]`. A call leads from `x` to
    /// `x - 1`; at 0 there is none.
    fn budgeted(&self, budget: usize, cost: Cost) -> Vec<Values> {
        let mut values: Vec<Values> = Vec::new();
        for left in 0..=budget {
            let fewer = left.checked_sub(1).map(|fewer| values[fewer]);
            let own = fixed_point([0.0; STATES], |own| {
                std::array::from_fn(|state| {
                    let independent = self.step(0, state, own);
                    let call = fewer.map(|fewer| self.step(1, state, &fewer) - cost.0);
                    call.map_or(independent, |call| call.max(independent))
                })
            });
            values.push(own);
        }
        values
    }

    /// The problem whose cost is paid for switching on: values by the mode before, `[2]`.
    fn paid_for_switching_on(&self, cost: Cost) -> [Values; 2] {
        let mut values = [[0.0; STATES]; 2];
        for _ in 0..500 {
            values = MODES.map(|before| {
                std::array::from_fn(|state| {
                    let paid = cost.0 * (1 - before) as f64;
                    let independent = self.step(0, state, &values[0]);
                    independent.max(self.step(1, state, &values[1]) - paid)
                })
            });
        }
        values
    }
}

fn fixed_point(mut values: Values, improve: impl Fn(&Values) -> Values) -> Values {
    for _ in 0..500 {
        values = improve(&values); // 0.9^500 is 1e-23
    }
    values
}

/// Gauss-Jordan elimination with pivots of equations in rows, right-hand sides last.
fn eliminate(mut system: [[f64; STATES + 1]; STATES]) -> Values {
    for column in 0..STATES {
        let pivot = (column..STATES)
            .max_by(|&a, &b| system[a][column].abs().total_cmp(&system[b][column].abs()))
            .unwrap_or(column);
        system.swap(column, pivot);
        let own = system[column];
        for (row, equation) in system.iter_mut().enumerate() {
            if row != column {
                let factor = equation[column] / own[column];
                for (entry, of_pivot) in equation.iter_mut().zip(own) {
                    *entry -= factor * of_pivot;
                }
            }
        }
    }
    std::array::from_fn(|state| system[state][STATES] / system[state][state])
}

fn at_most(left: &Values, right: &Values) -> bool {
    left.iter()
        .zip(right)
        .all(|(left, right)| *left <= right + 1e-9)
}

fn equal(left: &Values, right: &Values) -> bool {
    at_most(left, right) && at_most(right, left)
}

const COSTS: [Cost; 6] = [
    Cost(0.0),
    Cost(0.02),
    Cost(0.1),
    Cost(0.3),
    Cost(1.0),
    Cost(30.0),
];
const NEVER: [bool; STATES] = [false; STATES];
const ALWAYS: [bool; STATES] = [true; STATES];

fn problems() -> impl Iterator<Item = Problem> {
    (0..20).map(Problem::random)
}

#[test]
fn the_obstacle_form_is_the_best_of_all_rules_in_every_state_at_once() {
    for problem in problems() {
        for cost in COSTS {
            let values = problem.solve(cost);
            let mut best = [f64::NEG_INFINITY; STATES];
            for course in 0..1u32 << STATES {
                let rule = std::array::from_fn(|state| course >> state & 1 == 1);
                let own = problem.value_of(rule, cost);
                best = std::array::from_fn(|state| best[state].max(own[state]));
            }
            assert!(equal(&values, &best), "{values:?} {best:?}");
            // The rule that calls where the gain exceeds the cost reaches it.
            let own = problem.value_of(problem.calls(&values, cost), cost);
            assert!(equal(&values, &own), "{values:?} {own:?}");
        }
    }
}

#[test]
fn a_higher_cost_is_never_better_and_an_absurd_one_leaves_independent_learning() {
    for problem in problems() {
        for pair in COSTS.windows(2) {
            let values = [problem.solve(pair[0]), problem.solve(pair[1])];
            assert!(at_most(&values[1], &values[0]), "{values:?}");
        }
        let absurd = Cost(30.0);
        let values = problem.solve(absurd);
        assert_eq!(problem.calls(&values, absurd), NEVER);
        assert!(equal(&values, &problem.value_of(NEVER, absurd)));
    }
}

#[test]
fn switching_is_never_worse_than_independent_and_without_cost_than_central() {
    let (mut better_than_both, free) = (0, Cost(0.0));
    for problem in problems() {
        let independent = problem.value_of(NEVER, free);
        for cost in COSTS {
            assert!(at_most(&independent, &problem.solve(cost)));
        }
        let (switched, central) = (problem.solve(free), problem.value_of(ALWAYS, free));
        assert!(at_most(&central, &switched));
        let bests: Values = std::array::from_fn(|state| independent[state].max(central[state]));
        better_than_both += usize::from(!at_most(&switched, &bests));
    }
    assert_eq!(
        better_than_both, 20,
        "switching is more than the better of the two"
    );
}

#[test]
fn a_growing_budget_goes_from_independent_to_free_calls() {
    let free = Cost(0.0);
    for problem in problems() {
        let budgeted = problem.budgeted(120, free);
        assert!(equal(&budgeted[0], &problem.value_of(NEVER, free)));
        for pair in budgeted.windows(2) {
            assert!(at_most(&pair[0], &pair[1]), "another call never hurts");
        }
        let unbudgeted = problem.solve(free);
        for (calls, values) in budgeted.iter().enumerate() {
            assert!(at_most(values, &unbudgeted));
            // What comes after the last call is discounted at least once per call.
            let most = DISCOUNT.powi(calls as i32) / (1.0 - DISCOUNT);
            let missing = unbudgeted.iter().zip(values).map(|(all, own)| all - own);
            assert!(missing.into_iter().all(|missing| missing <= most + 1e-9));
        }
        assert!(at_most(
            &unbudgeted,
            &budgeted[120].map(|value| value + 1e-4)
        ));
    }
}

#[test]
fn the_best_budgeted_rule_never_exceeds_its_budget_and_uses_it_where_it_pays() {
    let free = Cost(0.0);
    let mut stream = RandomStream::new(13, "theory", 0);
    for problem in problems() {
        let budgeted = problem.budgeted(4, free);
        for _ in 0..50 {
            let (mut state, mut left, mut calls) = (stream.below(STATES), 4, 0);
            for _ in 0..60 {
                let gain = |left: usize| {
                    let call = problem.step(1, state, &budgeted[left - 1]);
                    call - problem.step(0, state, &budgeted[left])
                };
                let mode = usize::from(left > 0 && gain(left) > 0.0);
                (left, calls) = (left - mode, calls + mode);
                let mut chance = f64::from(stream.uniform());
                let moves = problem.moves[mode][state];
                state = moves
                    .iter()
                    .position(|&part| {
                        chance -= part;
                        chance < 0.0
                    })
                    .unwrap_or(STATES - 1);
            }
            assert!(calls <= 4, "{calls} calls");
            assert!(calls > 0, "60 steps without a state that is worth a call");
        }
    }
}

#[test]
fn paying_for_switching_on_lies_between_paying_for_steps_and_paying_nothing() {
    for problem in problems() {
        for cost in COSTS {
            let [off, on] = problem.paid_for_switching_on(cost);
            assert!(at_most(&problem.solve(cost), &off));
            assert!(at_most(&off, &on), "who is on already pays less");
            assert!(at_most(&on, &problem.solve(Cost(0.0))));
        }
    }
}
