//! Which texts of unequal length are computed together.

/// Groups of the texts `0..lengths.len()`, longest first, so that the texts of a group are of
/// about the same length and rows times the longest stay within `ceiling` tokens; a longer
/// text is alone. Texts that differ in `kind` are never together.
pub(crate) fn groups(
    lengths: &[usize],
    ceiling: usize,
    kind: impl Fn(usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&text| std::cmp::Reverse(lengths[text]));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for text in order {
        let fits = groups.last().is_some_and(|group| {
            let longest = lengths[group[0]];
            (group.len() + 1) * longest <= ceiling && kind(longest) == kind(lengths[text])
        });
        match groups.last_mut() {
            Some(group) if fits => group.push(text),
            _ => groups.push(vec![text]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn texts_of_like_length_share_a_group_within_the_ceiling() {
        let lengths = [3, 100, 10, 9, 8, 1];
        let found = groups(&lengths, 30, |_| false);
        assert_eq!(found, [vec![1], vec![2, 3, 4], vec![0, 5]]);
        let apart = groups(&lengths, 30, |length| length > 9);
        assert_eq!(apart, [vec![1], vec![2], vec![3, 4, 0], vec![5]]);
        assert!(groups(&[], 30, |_| false).is_empty());
    }
}
