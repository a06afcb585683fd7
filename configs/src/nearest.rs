//! The nearest known name to a misspelt one.

/// The candidate closest to `word`, or none when all are too far to be what was
/// meant (one edit for words of up to three letters, else two, or a third of the
/// word's length where that is more).
///
/// Comparison ignores case and treats `-`, `_` and `.` alike. Distance counts
/// insertions, deletions, substitutions and swaps of neighbours (optimal string
/// alignment). Among equals the first candidate wins. A candidate whose last
/// dotted part equals the word, or the reverse, counts as near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normalise(word);
    let limit = match wanted.len() {
        0 | 200.. => return None,
        1..=3 => 1,
        length => (length / 3).max(2),
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = normalise(candidate);
            let tail = last_part(candidate);
            let whole = distance(&wanted, &known);
            let same_tail = tail.unwrap_or(known) == last_part(word).unwrap_or(wanted.clone());
            let distance = if same_tail { whole.min(1) } else { whole };
            (distance <= limit).then_some((distance, whole, candidate))
        })
        .min_by_key(|(distance, whole, _)| (*distance, *whole))
        .map(|(_, _, candidate)| candidate)
}

fn normalise(word: &str) -> Vec<char> {
    word.chars()
        .map(|letter| match letter {
            '_' | '.' => '-',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// The part after the last dot, where there is a dot.
fn last_part(word: &str) -> Option<Vec<char>> {
    word.rsplit_once('.').map(|(_, tail)| normalise(tail))
}

fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    let mut current = vec![0; width];
    for (row, letter) in left.iter().enumerate() {
        current[0] = row + 1;
        for (column, other) in right.iter().enumerate() {
            let substitution = last[column] + usize::from(letter != other);
            let mut best = substitution
                .min(last[column + 1] + 1)
                .min(current[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_a_swap_as_one_edit() {
        let letters = |word: &str| word.chars().collect::<Vec<_>>();
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(distance(&letters("sede"), &letters("seed")), 1);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
    }

    #[test]
    fn the_nearest_name_is_offered_and_far_ones_are_not() {
        let names = ["replay.batch_episodes", "replay.capacity_episodes", "seed"];
        assert_eq!(
            nearest("replay.batch_episode", names),
            Some("replay.batch_episodes")
        );
        assert_eq!(nearest("sead", names), Some("seed"));
        let others = ["optimiser.warm_up_ratio", "max_updates"];
        assert_eq!(
            nearest("optimiser.max_updates", others),
            Some("max_updates")
        );
        let kinds = ["algorithm.kind", "network.kind"];
        assert_eq!(nearest("nettwork.kind", kinds), Some("network.kind"));
        assert_eq!(
            nearest("batch_episodes", names),
            Some("replay.batch_episodes")
        );
        assert_eq!(
            nearest("runtime.batch_episodes", names),
            Some("replay.batch_episodes")
        );
        assert_eq!(nearest("colour", names), None);
    }
}
