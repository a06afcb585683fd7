//! Causal attention of whole texts on the CPU, for training: forward, and backward without a
//! graph.
//!
//! Scores exist for a block of queries at a time, and only of the text's own keys: the time is
//! that of the texts one by one, however they lie in a batch. Texts that begin alike may share
//! their beginning, see [`Tree`]. Nothing but the heads themselves is kept for the backward
//! pass, which computes the scores again.

use std::ops::Range;

use super::buffer::{Buffer, Source, pack_panels, padded};
use super::decoding::{rms_norm_in_place, turn, turn_back};
use super::dispatch;
use super::kernels::{Finish, Product, Start, TransposedProduct};
use super::matrix::on_threads;
use super::rowwise::SoftRow;
use super::rowwise_backward::{RmsNormBackward, SoftRowBackward};

/// Places whose scores exist at the same time.
const BLOCK: usize = 64;

/// What the attention of a layer is made of.
#[derive(Clone, Copy, Debug)]
pub struct CausalAttention<'a> {
    /// Query heads.
    pub heads: usize,
    /// Key heads, each for as many query heads as the others.
    pub kv_heads: usize,
    /// Width of a head.
    pub width: usize,
    /// Multiplies the scores.
    pub scale: f32,
    /// Places that a query sees, its own included.
    pub window: Option<usize>,
    /// The rotation of queries and keys.
    pub turns: Option<Turns<'a>>,
    /// Gains of the norms of query heads and key heads, `[width]` each.
    pub norms: Option<[&'a [f32]; 2]>,
    /// Of these norms.
    pub epsilon: f32,
}

/// Angles of places, again and again where there are more places.
#[derive(Clone, Copy, Debug)]
pub struct Turns<'a> {
    /// `[places, turned]`.
    pub cosine: &'a [f32],
    /// `[places, turned]`, the first half negative.
    pub sine: &'a [f32],
    /// Dimensions that turn, the first ones of a head.
    pub turned: usize,
}

impl<'a> Turns<'a> {
    fn at(&self, place: usize) -> [&'a [f32]; 2] {
        let start = place % (self.cosine.len() / self.turned) * self.turned;
        [self.cosine, self.sine].map(|values| &values[start..start + self.turned])
    }
}

/// A text, and texts that go on from its end, each as if the others were not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The first place of the stem.
    pub start: usize,
    /// Places of the stem.
    pub stem: usize,
    /// Places of each branch; they lie behind the stem, one after the other.
    pub branches: Vec<usize>,
}

/// Places of a tree whose keys are those of the stem and their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The places, from the tree's start.
    pub own: Range<usize>,
    /// Places of the stem that all of them see.
    pub seen: usize,
}

impl Tree {
    /// Where it lies.
    pub fn places(&self) -> Range<usize> {
        self.start..self.start + self.stem + self.branches.iter().sum::<usize>()
    }

    /// The stem and the branches, those that are not empty.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        let mut end = self.stem;
        let stem = Segment {
            own: 0..end,
            seen: 0,
        };
        let branches = self.branches.iter().map(move |&count| {
            let start = end;
            end += count;
            Segment {
                own: start..end,
                seen: self.stem,
            }
        });
        let all = std::iter::once(stem).chain(branches);
        all.filter(|segment| !segment.own.is_empty())
    }

    /// Products of a head, in units.
    fn cost(&self) -> usize {
        let costs = self.segments().map(|segment| {
            let own = segment.own.len();
            own * (segment.seen + own / 2 + 16)
        });
        costs.sum()
    }
}

/// Trees of one thread and the rows of the output that are theirs.
struct Part<'a> {
    trees: &'a [Tree],
    first: usize, // place of the first row
    output: &'a mut [f32],
    norms: &'a mut [f32], // [2, width], sums of the norms' gradients
}

/// The heads of one tree that share a key head, and memory for their products.
#[derive(Default)]
struct Group {
    queries: Buffer, // [places * group, depth], turned and scaled
    keys: Buffer,    // [places, depth], turned
    values: Buffer,  // [places, depth]
    seen_keys: Buffer,
    seen_values: Buffer,
    panels: Buffer,
    value_panels: Buffer,
    block_panels: Buffer,
    weights: Buffer,   // [block * group, columns]
    of_scores: Buffer, // the same, backward
    block: Buffer,     // [block * group, depth]
    of_queries: Buffer,
    of_keys: Buffer,
    of_values: Buffer,
    of_seen_keys: Buffer,
    of_seen_values: Buffer,
}

impl CausalAttention<'_> {
    /// `all` `[places, heads + 2 kv_heads, width]`, queries, keys and values, to `output`
    /// `[places, heads, width]`; 0 at places of no tree.
    ///
    /// # Panics
    /// When the lengths disagree, or the trees are not in order.
    pub fn forward(&self, all: &[f32], trees: &[Tree], output: &mut [f32], threads: usize) {
        self.check(all, trees, output.len() / self.heads);
        output.fill(0.0);
        let mut norms = Vec::new();
        let row = self.heads * self.width;
        on_threads(
            parts(trees, output, row, &mut norms, 0, threads).into_iter(),
            |part| {
                let mut group = Group::default();
                for tree in part.trees {
                    for head in 0..self.kv_heads {
                        self.gather(all, tree, head, &mut group);
                        for segment in tree.segments() {
                            let from = tree.start - part.first;
                            let output = &mut part.output[from * row..];
                            self.segment(&mut group, &segment, head, output);
                        }
                    }
                }
            },
        );
    }

    /// Backward: `behind` `[places, heads, width]` is the gradient of the output, `before`
    /// `[places, heads + 2 kv_heads, width]` becomes that of `all`, 0 at places of no tree;
    /// the gradients of the two norms' gains are added to `of_norms`.
    ///
    /// # Panics
    /// As [`CausalAttention::forward`].
    pub fn backward(
        &self,
        all: &[f32],
        trees: &[Tree],
        behind: &[f32],
        before: &mut [f32],
        of_norms: Option<[&mut [f32]; 2]>,
        threads: usize,
    ) {
        self.check(all, trees, behind.len() / self.heads);
        assert_eq!(before.len(), all.len(), "a gradient for each input");
        before.fill(0.0);
        let row = (self.heads + 2 * self.kv_heads) * self.width;
        let mut norms = Vec::new();
        let shared = parts(trees, before, row, &mut norms, 2 * self.width, threads);
        on_threads(shared.into_iter(), |part| {
            let mut group = Group::default();
            let Part {
                trees,
                first,
                output,
                norms,
            } = part;
            for tree in trees {
                for head in 0..self.kv_heads {
                    self.gather(all, tree, head, &mut group);
                    group.clear_gradients(tree, self.group(), padded(self.width));
                    let behind = &behind[tree.start * self.heads * self.width..];
                    for segment in tree.segments() {
                        self.segment_backward(&mut group, &segment, head, behind);
                    }
                    let output = &mut output[(tree.start - first) * row..];
                    self.scatter(all, tree, head, &group, output, norms);
                }
            }
        });
        if let Some([of_query, of_key]) = of_norms {
            for sums in norms.chunks_exact(2 * self.width) {
                let (query, key) = sums.split_at(self.width);
                add(of_query, query);
                add(of_key, key);
            }
        }
    }

    fn check(&self, all: &[f32], trees: &[Tree], widths: usize) {
        let row = (self.heads + 2 * self.kv_heads) * self.width;
        let places = all.len() / row;
        assert_eq!(all.len(), places * row, "whole rows of heads");
        assert_eq!(widths, places * self.width, "a row for each place");
        assert!(
            self.heads.is_multiple_of(self.kv_heads),
            "key heads are shared alike"
        );
        let mut end = 0;
        for tree in trees {
            assert!(tree.start >= end, "trees lie one after the other");
            end = tree.places().end;
        }
        assert!(end <= places, "trees lie inside the batch");
        if let Some(turns) = self.turns {
            let [cosine, sine] = [turns.cosine.len(), turns.sine.len()];
            assert_eq!(cosine, sine, "a sine for each cosine");
            assert!(
                cosine > 0 && cosine.is_multiple_of(turns.turned),
                "whole rows of angles"
            );
        }
    }

    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// The row of `all` at `place`.
    fn row<'r>(&self, all: &'r [f32], place: usize) -> &'r [f32] {
        let row = (self.heads + 2 * self.kv_heads) * self.width;
        &all[place * row..][..row]
    }

    /// Copies what `head` and its queries are made of, normed, turned and scaled.
    fn gather(&self, all: &[f32], tree: &Tree, head: usize, group: &mut Group) {
        let (width, depth, queries) = (self.width, padded(self.width), self.group());
        let places = tree.places();
        let to_queries = group.queries.fit(places.len() * queries * depth);
        let to_keys = group.keys.fit(places.len() * depth);
        let to_values = group.values.fit(places.len() * depth);
        let rows = to_queries.chunks_exact_mut(queries * depth);
        let rows = rows.zip(to_keys.chunks_exact_mut(depth));
        let rows = rows.zip(to_values.chunks_exact_mut(depth));
        for (place, ((to_queries, to_key), to_value)) in places.zip(rows) {
            let row = self.row(all, place);
            let angles = self.turns.map(|turns| turns.at(place));
            let placed = |from: usize, norm: usize, to: &mut [f32]| {
                let (to, rest) = to.split_at_mut(width);
                to.copy_from_slice(&row[from * width..][..width]);
                rest.fill(0.0);
                if let Some(norms) = self.norms {
                    rms_norm_in_place(to, norms[norm], self.epsilon);
                }
                if let Some([cosine, sine]) = angles {
                    turn(to, cosine, sine);
                }
            };
            for (number, to) in to_queries.chunks_exact_mut(depth).enumerate() {
                placed(head * queries + number, 0, to);
                to.iter_mut().for_each(|value| *value *= self.scale);
            }
            placed(self.heads + head, 1, to_key);
            let (to_value, rest) = to_value.split_at_mut(width);
            let from = self.heads + self.kv_heads + head;
            to_value.copy_from_slice(&row[from * width..][..width]);
            rest.fill(0.0);
        }
    }

    /// Forward over the places of a segment.
    fn segment(&self, group: &mut Group, segment: &Segment, head: usize, output: &mut [f32]) {
        let (width, depth, queries) = (self.width, padded(self.width), self.group());
        group.see(segment, depth);
        let lanes = dispatch::best().lanes;
        let keys = Source::transposed(&group.seen_keys, segment.keys(), depth);
        pack_panels(keys, segment.columns(), lanes, &mut group.panels);
        for first in (0..segment.own.len()).step_by(BLOCK) {
            let block = Block::of(segment, first, queries);
            self.weigh(group, segment, &block, depth);
            let values = &group.seen_values[..block.visible * depth];
            let values = Source::straight(values, block.visible, depth);
            pack_panels(values, depth, lanes, &mut group.block_panels);
            multiply(
                (&group.weights, block.columns),
                block.visible,
                &group.block_panels,
                (group.block.fit(block.rows * depth), depth),
            );
            for (row, found) in group.block.chunks_exact(depth).enumerate() {
                let place = segment.own.start + first + row / queries;
                let at = place * self.heads + head * queries + row % queries;
                output[at * width..][..width].copy_from_slice(&found[..width]);
            }
        }
    }

    /// The attention weights of a block, to `group.weights` `[rows, columns]`.
    fn weigh(&self, group: &mut Group, segment: &Segment, block: &Block, depth: usize) {
        let queries = self.group();
        let from = (segment.own.start + block.first) * queries * depth;
        multiply(
            (&group.queries[from..][..block.rows * depth], depth),
            depth,
            &group.panels,
            (group.weights.fit(block.rows * block.columns), block.columns),
        );
        let kernels = dispatch::best();
        let rows = group.weights.chunks_exact_mut(block.columns);
        for (row, weights) in rows.enumerate() {
            let end = segment.seen + block.first + row / queries + 1;
            let start = self.window.map_or(0, |window| end.saturating_sub(window));
            weights[..start].fill(0.0);
            weights[end..].fill(0.0);
            (kernels.soft_row)(&mut SoftRow {
                values: &mut weights[start..end],
            });
        }
    }

    /// Backward over the places of a segment; `behind` begins at the tree.
    fn segment_backward(&self, group: &mut Group, segment: &Segment, head: usize, behind: &[f32]) {
        let (width, depth, queries) = (self.width, padded(self.width), self.group());
        group.see(segment, depth);
        let kernels = dispatch::best();
        let (keys, columns) = (segment.keys(), segment.columns());
        let source = Source::transposed(&group.seen_keys, keys, depth);
        pack_panels(source, columns, kernels.lanes, &mut group.panels);
        let source = Source::transposed(&group.seen_values, keys, depth);
        pack_panels(source, columns, kernels.lanes, &mut group.value_panels);
        group.of_seen_keys.zeros(keys * depth);
        group.of_seen_values.zeros(keys * depth);
        for first in (0..segment.own.len()).step_by(BLOCK) {
            let block = Block::of(segment, first, queries);
            self.weigh(group, segment, &block, depth);
            let rows = group.block.fit(block.rows * depth);
            for (row, to) in rows.chunks_exact_mut(depth).enumerate() {
                let place = segment.own.start + first + row / queries;
                let at = place * self.heads + head * queries + row % queries;
                let (to, rest) = to.split_at_mut(width);
                to.copy_from_slice(&behind[at * width..][..width]);
                rest.fill(0.0);
            }
            multiply(
                (&group.block, depth),
                depth,
                &group.value_panels,
                (
                    group.of_scores.fit(block.rows * block.columns),
                    block.columns,
                ),
            );
            let rows = group.of_scores.chunks_exact_mut(block.columns);
            for (gradient, weights) in rows.zip(group.weights.chunks_exact(block.columns)) {
                (kernels.soft_row_backward)(&mut SoftRowBackward { weights, gradient });
            }
            let from = (segment.own.start + first) * queries * depth;
            let outer = |left: &Buffer, right: &[f32], sum: &mut Buffer| {
                (kernels.transposed_product)(&mut TransposedProduct {
                    left: (left, block.columns),
                    right: (right, depth),
                    rows: block.rows,
                    height: block.visible,
                    columns: depth,
                    sum: (sum, depth),
                });
            };
            outer(&group.weights, &group.block, &mut group.of_seen_values);
            let own = &group.queries[from..][..block.rows * depth];
            outer(&group.of_scores, own, &mut group.of_seen_keys);
            let keys = &group.seen_keys[..block.visible * depth];
            let keys = Source::straight(keys, block.visible, depth);
            pack_panels(keys, depth, kernels.lanes, &mut group.block_panels);
            multiply(
                (&group.of_scores, block.columns),
                block.visible,
                &group.block_panels,
                (&mut group.of_queries[from..][..block.rows * depth], depth),
            );
        }
        group.unsee(segment, depth);
    }

    /// Carries the gradients of a group back through turns and norms, to their places.
    fn scatter(
        &self,
        all: &[f32],
        tree: &Tree,
        head: usize,
        group: &Group,
        output: &mut [f32],
        of_norms: &mut [f32],
    ) {
        let (width, depth, queries) = (self.width, padded(self.width), self.group());
        let (of_query_norm, of_key_norm) = of_norms.split_at_mut(width);
        let of_norms = [of_query_norm, of_key_norm];
        let all_heads = self.heads + 2 * self.kv_heads;
        let mut gradient = vec![0f32; width];
        for (number, place) in tree.places().enumerate() {
            let row = self.row(all, place);
            let angles = self.turns.map(|turns| turns.at(place));
            let output = &mut output[number * all_heads * width..][..all_heads * width];
            let of_queries = (0..queries).map(|query| {
                let from = (number * queries + query) * depth;
                let values = &group.of_queries[from..][..width];
                (head * queries + query, 0, self.scale, values)
            });
            let of_key = &group.of_keys[number * depth..][..width];
            let of_key = (self.heads + head, 1, 1.0, of_key);
            for (place, norm, scale, values) in of_queries.chain([of_key]) {
                for (to, value) in gradient.iter_mut().zip(values) {
                    *to = scale * value;
                }
                if let Some([cosine, sine]) = angles {
                    turn_back(&mut gradient, cosine, sine);
                }
                let to = &mut output[place * width..][..width];
                match self.norms {
                    None => to.copy_from_slice(&gradient),
                    Some(norms) => (dispatch::best().rms_norm_backward)(&mut RmsNormBackward {
                        input: &row[place * width..][..width],
                        gain: norms[norm],
                        epsilon: self.epsilon,
                        output_gradient: &gradient,
                        input_gradient: to,
                        gain_gradient: of_norms[norm],
                    }),
                }
            }
            let at = self.heads + self.kv_heads + head;
            let of_value = &group.of_values[number * depth..][..width];
            output[at * width..][..width].copy_from_slice(of_value);
        }
    }
}

/// Queries of a segment whose scores exist together.
struct Block {
    first: usize,   // place, from the segment's own first
    rows: usize,    // places times queries
    visible: usize, // keys that one of them sees
    columns: usize, // as many, in whole panels
}

impl Block {
    fn of(segment: &Segment, first: usize, queries: usize) -> Self {
        let count = BLOCK.min(segment.own.len() - first);
        let visible = segment.seen + first + count;
        Self {
            first,
            rows: count * queries,
            visible,
            columns: visible.next_multiple_of(2 * dispatch::best().lanes),
        }
    }
}

impl Segment {
    fn keys(&self) -> usize {
        self.seen + self.own.len()
    }

    fn columns(&self) -> usize {
        self.keys().next_multiple_of(2 * dispatch::best().lanes)
    }
}

impl Group {
    /// Puts the keys and values that a segment sees one after the other.
    fn see(&mut self, segment: &Segment, depth: usize) {
        let (seen, own) = (segment.seen * depth, at(segment, depth));
        for (from, to) in [
            (&self.keys, &mut self.seen_keys),
            (&self.values, &mut self.seen_values),
        ] {
            let (stem, rest) = to.fit(segment.keys() * depth).split_at_mut(seen);
            stem.copy_from_slice(&from[..seen]);
            rest.copy_from_slice(&from[own.clone()]);
        }
    }

    /// Adds the gradients of what a segment saw where it came from.
    fn unsee(&mut self, segment: &Segment, depth: usize) {
        let (seen, own) = (segment.seen * depth, at(segment, depth));
        for (from, to) in [
            (&self.of_seen_keys, &mut self.of_keys),
            (&self.of_seen_values, &mut self.of_values),
        ] {
            add(&mut to[..seen], &from[..seen]);
            add(&mut to[own.clone()], &from[seen..]);
        }
    }

    fn clear_gradients(&mut self, tree: &Tree, queries: usize, depth: usize) {
        let places = tree.places().len();
        self.of_queries.fit(places * queries * depth);
        self.of_keys.zeros(places * depth);
        self.of_values.zeros(places * depth);
    }
}

fn at(segment: &Segment, depth: usize) -> Range<usize> {
    segment.own.start * depth..segment.own.end * depth
}

fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// `out [rows, columns] = left [rows, depth]` times a packed matrix, both with their strides;
/// the columns are all of the output's stride.
fn multiply(left: (&[f32], usize), depth: usize, right: &[f32], out: (&mut [f32], usize)) {
    let columns = out.1;
    (dispatch::best().product)(&mut Product {
        left,
        rows: out.0.len() / columns,
        depth,
        right,
        columns,
        start: Start::Zero,
        finish: Finish::Nothing,
        out,
    });
}

/// Shares the trees between threads, by their cost and in order, with the rows of `output`
/// that are theirs and `sums` numbers each of `norms`.
fn parts<'a>(
    trees: &'a [Tree],
    mut output: &'a mut [f32],
    row: usize,
    norms: &'a mut Vec<f32>,
    sums: usize,
    threads: usize,
) -> Vec<Part<'a>> {
    let threads = threads.clamp(1, trees.len().max(1));
    let share = trees
        .iter()
        .map(Tree::cost)
        .sum::<usize>()
        .div_ceil(threads);
    norms.resize(threads * sums, 0.0);
    let mut norms = &mut norms[..];
    let (mut parts, mut rest, mut first) = (Vec::new(), trees, 0);
    for left in (0..threads).rev() {
        let mut cost = 0;
        let mut count = 0;
        while count < rest.len() && (left == 0 || cost < share) {
            cost += rest[count].cost();
            count += 1;
        }
        let (own, after) = rest.split_at(count);
        let Some(last) = own.last() else { break };
        let end = last.places().end;
        let (own_output, after_output) = output.split_at_mut((end - first) * row);
        let (own_norms, after_norms) = norms.split_at_mut(sums);
        parts.push(Part {
            trees: own,
            first,
            output: own_output,
            norms: own_norms,
        });
        (rest, output, norms, first) = (after, after_output, after_norms, end);
    }
    parts
}

#[cfg(test)]
mod tests;
