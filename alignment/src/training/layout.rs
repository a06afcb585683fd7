//! How the texts of a pass lie in a batch, and where which of their tokens are asked for.

use lm::decoder::{Batch, Branched};
use tch::Device;

use crate::preparation::Sequence;

/// What is asked for, one entry each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The place whose prediction counts.
    pub(super) places: Vec<i64>,
    /// The token that is asked for there.
    pub(super) targets: Vec<i64>,
    /// Its text.
    pub(super) owners: Vec<i64>,
}

impl Asked {
    /// The learnt tokens of `text` from token `from` on; `before` gives the place of the token
    /// before each.
    fn add(
        &mut self,
        number: usize,
        text: &Sequence,
        from: usize,
        before: impl Fn(usize) -> usize,
    ) {
        for token in from.max(1)..text.ids.len() {
            if text.learnt.get(token).copied().unwrap_or(false) {
                self.places.push(before(token) as i64);
                self.targets.push(text.ids[token]);
                self.owners.push(number as i64);
            }
        }
    }
}

/// Chosen and rejected of each of `count` pairs, where all chosen come before all rejected.
pub(super) fn halves(count: usize) -> Vec<[usize; 2]> {
    (0..count).map(|number| [number, count + number]).collect()
}

/// A row for each text, padded on the left.
pub(super) fn padded(texts: &[&Sequence], device: Device) -> (Batch, Asked) {
    let ids: Vec<&[i64]> = texts.iter().map(|text| text.ids.as_slice()).collect();
    let width = ids.iter().map(|ids| ids.len()).max().unwrap_or(0);
    let mut asked = Asked::default();
    for (number, text) in texts.iter().enumerate() {
        let start = (number + 1) * width - text.ids.len();
        asked.add(number, text, 0, |token| start + token - 1);
    }
    (Batch::padded(&ids, device), asked)
}

/// All texts in one row; those of a pair behind what both begin with and nobody learns, which
/// is mostly their prompt.
pub(super) fn packed(texts: &[&Sequence], pairs: &[[usize; 2]], device: Device) -> (Batch, Asked) {
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut alone: Vec<bool> = vec![true; texts.len()];
    for pair in pairs {
        let shared = shared_beginning(pair.map(|number| texts[number]));
        if shared > 0 {
            groups.push((shared, pair.to_vec()));
            pair.iter().for_each(|number| alone[*number] = false);
        }
    }
    let alone = (0..texts.len()).filter(|number| alone[*number]);
    groups.extend(alone.map(|number| (texts[number].ids.len(), vec![number])));
    let mut asked = Asked::default();
    let mut branches: Vec<Vec<&[i64]>> = Vec::with_capacity(groups.len());
    let mut start = 0;
    for (stem, members) in &groups {
        let mut end = start + stem;
        let mut own = Vec::new();
        for number in members {
            let text = texts[*number];
            if members.len() == 1 {
                asked.add(*number, text, 0, |token| start + token - 1);
                continue;
            }
            // The first token of a branch is predicted at the end of the stem.
            let (branch, fork) = (end, start + stem - 1);
            asked.add(*number, text, *stem, |token| match token - stem {
                0 => fork,
                later => branch + later - 1,
            });
            own.push(&text.ids[*stem..]);
            end += text.ids.len() - stem;
        }
        branches.push(own);
        start = end;
    }
    let trees = groups.iter().zip(&branches);
    let trees: Vec<Branched<'_>> = trees
        .map(|((stem, members), branches)| Branched {
            stem: &texts[members[0]].ids[..*stem],
            branches,
        })
        .collect();
    (Batch::branched(&trees, device), asked)
}

/// Tokens that both texts begin with and of which neither learns one.
fn shared_beginning([first, second]: [&Sequence; 2]) -> usize {
    let alike = first.ids.iter().zip(&second.ids);
    let alike = alike.take_while(|(first, second)| first == second).count();
    let silent = |text: &Sequence| {
        let learnt = text.learnt.iter().position(|learnt| *learnt);
        learnt.unwrap_or(text.ids.len())
    };
    alike.min(silent(first)).min(silent(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_shares_what_nobody_learns() {
        let texts = [
            Sequence::new(&[5, 6, 7], &[8, 9]),
            Sequence::new(&[1], &[2]),
            Sequence::new(&[5, 6, 7], &[8, 3, 4]),
            Sequence::new(&[2], &[2]),
        ];
        let texts: Vec<&Sequence> = texts.iter().collect();
        let (batch, asked) = packed(&texts, &halves(2), Device::Cpu);
        let ids: Vec<i64> = Vec::try_from(batch.ids().get(0)).unwrap();
        // The second pair begins with different tokens: its texts stand alone, behind the others.
        assert_eq!(ids, [5, 6, 7, 8, 9, 8, 3, 4, 1, 2, 2, 2]);
        assert_eq!(asked.places, [2, 3, 2, 5, 6, 8, 10]);
        assert_eq!(asked.targets, [8, 9, 8, 3, 4, 2, 2]);
        assert_eq!(asked.owners, [0, 0, 2, 2, 2, 1, 3]);
        let positions: Vec<i64> = Vec::try_from(batch.positions().get(0)).unwrap();
        assert_eq!(positions, [0, 1, 2, 3, 4, 3, 4, 5, 0, 1, 0, 1]);
    }

    #[test]
    fn padded_texts_end_together() {
        let texts = [
            Sequence::new(&[5, 6, 7], &[8, 9]),
            Sequence::new(&[1], &[2]),
        ];
        let texts: Vec<&Sequence> = texts.iter().collect();
        let (batch, asked) = padded(&texts, Device::Cpu);
        assert_eq!(batch.ids().size(), [2, 5]);
        assert_eq!(asked.places, [2, 3, 8]);
        assert_eq!(asked.targets, [8, 9, 2]);
        assert_eq!(asked.owners, [0, 0, 1]);
    }
}
