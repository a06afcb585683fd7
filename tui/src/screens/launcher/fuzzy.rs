//! Finding by a few letters.

/// How well `wanted` fits a text: higher is better, none where a letter is missing. Each word
/// of `wanted` must be found, its letters in their order; letters side by side, at the start of
/// a word and near the start of the text count more.
#[must_use]
pub(crate) fn score(wanted: &str, text: &str) -> Option<i64> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    wanted
        .to_lowercase()
        .split_whitespace()
        .map(|word| score_word(word, &text))
        .sum()
}

fn score_word(word: &str, text: &[char]) -> Option<i64> {
    let letters: Vec<char> = word.chars().collect();
    // In one piece is best, wherever it is.
    let whole = text
        .windows(letters.len().max(1))
        .position(|window| window == letters.as_slice());
    if let Some(at) = whole {
        let start = at == 0 || !text[at - 1].is_alphanumeric();
        return Some(
            1_000 + if start { 200 } else { 0 } - i64::try_from(at.min(100)).unwrap_or(100),
        );
    }
    let mut total = 0;
    let mut next = 0;
    let mut before = None;
    for letter in letters {
        let found = (next..text.len()).find(|at| text[*at] == letter)?;
        total += if before.is_some_and(|at| at + 1 == found) {
            10
        } else {
            1
        };
        let start = found == 0 || !text[found - 1].is_alphanumeric();
        total += if start { 5 } else { 0 };
        // Letters all over a long text are chance.
        total -= i64::try_from(found - next).unwrap_or(100).min(20);
        before = Some(found);
        next = found + 1;
    }
    (total > -40).then_some(total)
}

/// The entries that fit, the best first; all in their order without anything wanted.
#[must_use]
pub(crate) fn ranked<T>(wanted: &str, entries: Vec<T>, text: impl Fn(&T) -> String) -> Vec<T> {
    if wanted.trim().is_empty() {
        return entries;
    }
    let mut found: Vec<(i64, T)> = entries
        .into_iter()
        .filter_map(|entry| Some((score(wanted, &text(&entry))?, entry)))
        .collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_find_what_was_meant() {
        let names = [
            "demo",
            "iql-lbf-coop",
            "mansa-lbf-coop",
            "mansa-two-step",
            "mappo-lbf-coop",
        ];
        let found = |wanted: &str| ranked(wanted, names.to_vec(), |name| (*name).to_owned());
        assert_eq!(found("demo"), ["demo"]);
        assert_eq!(found("mlbf")[0], "mansa-lbf-coop");
        assert_eq!(found("two mansa"), ["mansa-two-step"]);
        assert_eq!(found("xyz"), Vec::<&str>::new());
        assert_eq!(found(" "), names);
        assert_eq!(score("", ""), Some(0));
    }
}
