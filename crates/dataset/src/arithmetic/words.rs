//! Short stories: buying, sharing, ages, distances.

use super::computation::Computation;
use super::random::Random;

const NAMES: [&str; 12] = [
    "Ann", "Ben", "Eva", "Ida", "Joe", "Kim", "Lea", "Max", "Mia", "Sam", "Tom", "Zoe",
];

const THINGS: [&str; 10] = [
    "apples", "books", "cards", "caps", "eggs", "kites", "nuts", "pens", "plums", "stamps",
];

/// A story with its question, and what it computes.
pub(super) fn draw(random: &mut Random) -> (String, Computation) {
    match random.below(8) {
        0 => buying(random),
        1 => change(random),
        2 => sharing(random),
        3 => older(random),
        4 => later(random),
        5 => legs(random),
        6 => riding(random),
        _ => boxes(random),
    }
}

fn buying(random: &mut Random) -> (String, Computation) {
    let (name, thing) = (random.one_of(&NAMES), random.one_of(&THINGS));
    let (count, price) = (random.from(2, 12), random.from(2, 30));
    (
        format!("{name} buys {count} {thing} at {price} coins each. How many coins is that?"),
        Computation::Product(price, count),
    )
}

fn change(random: &mut Random) -> (String, Computation) {
    let (name, thing) = (random.one_of(&NAMES), random.one_of(&THINGS));
    let (count, price) = (random.from(2, 12), random.from(2, 12));
    let coins = count * price + random.from(1, 99);
    (
        format!(
            "{name} has {coins} coins and buys {count} {thing} at {price} coins each. How many coins are left?"
        ),
        Computation::LessProduct(count, price, coins),
    )
}

fn sharing(random: &mut Random) -> (String, Computation) {
    let (name, thing) = (random.one_of(&NAMES), random.one_of(&THINGS));
    let (friends, each) = (random.from(2, 12), random.from(2, 30));
    let all = friends * each;
    (
        format!("{name} shares {all} {thing} among {friends} friends. How many does each get?"),
        Computation::Quotient(all, friends),
    )
}

/// Two names that differ.
fn two(random: &mut Random) -> (&'static str, &'static str) {
    let first = random.below(NAMES.len() as u64);
    let second = (first + random.from(1, NAMES.len() as u64 - 1)) % NAMES.len() as u64;
    (NAMES[first as usize], NAMES[second as usize])
}

fn older(random: &mut Random) -> (String, Computation) {
    let (first, second) = two(random);
    let age = random.from(12, 80);
    if random.below(2) == 0 {
        let by = random.from(2, 40);
        (
            format!(
                "{first} is {age} years old. {second} is {by} years older. How old is {second}?"
            ),
            Computation::Sum(age, by),
        )
    } else {
        let by = random.from(2, age - 5);
        (
            format!(
                "{first} is {age} years old. {second} is {by} years younger. How old is {second}?"
            ),
            Computation::Difference(age, by),
        )
    }
}

fn later(random: &mut Random) -> (String, Computation) {
    let (first, second) = two(random);
    let (age, by, years) = (random.from(5, 60), random.from(2, 30), random.from(2, 30));
    (
        format!(
            "{first} is {age} years old. {second} is {by} years older. How old is {second} in {years} years?"
        ),
        Computation::Three(age, by, years),
    )
}

fn legs(random: &mut Random) -> (String, Computation) {
    let name = random.one_of(&NAMES);
    let (a, b, c) = (random.from(2, 99), random.from(2, 99), random.from(2, 99));
    (
        format!("{name} goes {a} km, then {b} km and then {c} km. How many km is that?"),
        Computation::Three(a, b, c),
    )
}

fn riding(random: &mut Random) -> (String, Computation) {
    let name = random.one_of(&NAMES);
    let (speed, hours) = (random.from(3, 60), random.from(2, 9));
    (
        format!("{name} rides {speed} km an hour for {hours} hours. How many km is that?"),
        Computation::Product(speed, hours),
    )
}

fn boxes(random: &mut Random) -> (String, Computation) {
    let (name, thing) = (random.one_of(&NAMES), random.one_of(&THINGS));
    let (count, each, more) = (random.from(2, 12), random.from(2, 12), random.from(1, 99));
    (
        format!(
            "{name} has {count} boxes of {each} {thing} and {more} more. How many {thing} is that?"
        ),
        Computation::ProductPlus(count, each, more),
    )
}
