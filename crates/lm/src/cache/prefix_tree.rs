//! Beginnings of texts that were computed before, shared by all texts that begin so.

use std::collections::BTreeMap;

/// What a node holds of its tokens; it can be cut where two texts part.
pub trait Cut: Sized {
    /// The first `at` tokens, and the rest.
    fn cut(self, at: usize) -> (Self, Self);
}

/// A radix tree of token ids: each node continues its parent's text by some tokens and holds
/// a piece `S` (keys and values) for them.
///
/// It keeps `limit` tokens at most. What was not used for longest goes first, from the ends
/// of texts; what a [`Lease`] counts on stays.
#[derive(Debug)]
pub struct PrefixTree<S> {
    nodes: Vec<Node<S>>,
    vacant: Vec<usize>,
    roots: [BTreeMap<i64, usize>; 2],
    limit: usize,
    tokens: usize,
    clock: u64,
}

#[derive(Debug)]
struct Node<S> {
    ids: Vec<i64>,
    piece: Option<S>,
    parent: Option<usize>,
    root: usize,
    children: BTreeMap<i64, usize>, // by their first id
    leases: usize,
    used: u64,
}

/// A claim on a cached beginning: it is not forgotten before the lease is
/// [returned](PrefixTree::give_back).
#[derive(Debug)]
#[must_use = "a lease that is not given back keeps its tokens for ever"]
pub struct Lease(Option<usize>);

/// A cached beginning of a text.
#[derive(Debug)]
pub struct Match<'a, S> {
    /// The pieces, in order, and how many tokens of each belong to the text: all, but for
    /// the last piece.
    pub pieces: Vec<(&'a S, usize)>,
    /// Tokens of all pieces.
    pub tokens: usize,
}

impl<S: Cut> PrefixTree<S> {
    /// An empty tree for `limit` tokens; 0 keeps nothing.
    pub fn new(limit: usize) -> Self {
        Self {
            nodes: Vec::new(),
            vacant: Vec::new(),
            roots: [BTreeMap::new(), BTreeMap::new()],
            limit,
            tokens: 0,
            clock: 0,
        }
    }

    /// Tokens that are kept.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The ceiling.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many of the first tokens of `ids` are kept. `long` chooses one of two forests that
    /// share nothing: texts with the angles of short and of long ones.
    pub fn matched(&self, long: bool, ids: &[i64]) -> usize {
        self.walk(long, ids).1
    }

    /// The longest kept beginning of `ids`; it counts as used now.
    pub fn find(&mut self, long: bool, ids: &[i64]) -> Match<'_, S> {
        let (path, tokens) = self.walk(long, ids);
        self.touch(path.last().copied());
        let mut left = tokens;
        let mut pieces = Vec::with_capacity(path.len());
        for node in path {
            let node = &self.nodes[node];
            let count = node.ids.len().min(left);
            left -= count;
            pieces.extend(node.piece.as_ref().map(|piece| (piece, count)));
        }
        Match { pieces, tokens }
    }

    /// Keeps the longest kept beginning of `ids` until the lease is given back.
    pub fn lease(&mut self, long: bool, ids: &[i64]) -> Lease {
        let end = self.walk(long, ids).0.last().copied();
        if let Some(end) = end {
            self.nodes[end].leases += 1;
            self.touch(Some(end));
        }
        Lease(end)
    }

    /// Ends a lease.
    #[expect(clippy::needless_pass_by_value, reason = "a lease ends once")]
    pub fn give_back(&mut self, lease: Lease) {
        if let Some(node) = lease.0 {
            self.nodes[node].leases -= 1;
        }
    }

    /// Keeps `ids`, where there is room or can be made. `piece` is asked once, for the tokens
    /// from the given one on, when some are not kept yet.
    pub fn insert(&mut self, long: bool, ids: &[i64], piece: impl FnOnce(usize) -> S) {
        let (path, tokens) = self.walk(long, ids);
        let end = path.last().copied();
        self.touch(end);
        let rest = &ids[tokens..];
        if rest.is_empty() || rest.len() > self.limit {
            return;
        }
        let lease = Lease(end);
        if let Some(end) = end {
            self.nodes[end].leases += 1;
        }
        let has_room = self.make_room(rest.len());
        self.give_back(lease);
        if !has_room {
            return;
        }
        let parent = end.map(|end| {
            let above: usize = path[..path.len() - 1]
                .iter()
                .map(|node| self.nodes[*node].ids.len())
                .sum();
            self.part(end, tokens - above)
        });
        let node = Node {
            ids: rest.to_vec(),
            piece: Some(piece(tokens)),
            parent,
            root: usize::from(long),
            children: BTreeMap::new(),
            leases: 0,
            used: self.clock,
        };
        self.tokens += rest.len();
        let number = self.add(node);
        self.siblings(parent, usize::from(long))
            .insert(rest[0], number);
    }

    fn siblings(&mut self, parent: Option<usize>, root: usize) -> &mut BTreeMap<i64, usize> {
        match parent {
            Some(parent) => &mut self.nodes[parent].children,
            None => &mut self.roots[root],
        }
    }

    fn add(&mut self, node: Node<S>) -> usize {
        if let Some(number) = self.vacant.pop() {
            self.nodes[number] = node;
            return number;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The nodes that `ids` pass, the last perhaps in part, and the tokens in common.
    fn walk(&self, long: bool, ids: &[i64]) -> (Vec<usize>, usize) {
        let mut path = Vec::new();
        let mut tokens = 0;
        let mut children = &self.roots[usize::from(long)];
        while let Some(next) = ids.get(tokens).and_then(|id| children.get(id)) {
            let node = &self.nodes[*next];
            let pairs = node.ids.iter().zip(&ids[tokens..]);
            let common = pairs.take_while(|(ours, theirs)| ours == theirs).count();
            path.push(*next);
            tokens += common;
            if common < node.ids.len() {
                break;
            }
            children = &node.children;
        }
        (path, tokens)
    }

    fn touch(&mut self, mut node: Option<usize>) {
        self.clock += 1;
        while let Some(number) = node {
            self.nodes[number].used = self.clock;
            node = self.nodes[number].parent;
        }
    }

    /// Parts a node after `at` tokens, if it is longer; returns the node of the first part.
    /// The second keeps its number, and with it the leases.
    fn part(&mut self, number: usize, at: usize) -> usize {
        let node = &mut self.nodes[number];
        if at == node.ids.len() {
            return number;
        }
        let rest = node.ids.split_off(at);
        let front = std::mem::replace(&mut node.ids, rest);
        let pieces = node.piece.take().map(|piece| piece.cut(at));
        let (first, second) = pieces.unzip();
        node.piece = second;
        let (parent, root, used) = (node.parent, node.root, node.used);
        let (key, below) = (front[0], node.ids[0]);
        let upper = self.add(Node {
            ids: front,
            piece: first,
            parent,
            root,
            children: BTreeMap::from([(below, number)]),
            leases: 0,
            used,
        });
        self.nodes[number].parent = Some(upper);
        self.siblings(parent, root).insert(key, upper);
        upper
    }

    /// Tokens that a lease counts on.
    fn leased(&self) -> usize {
        let mut counted = vec![false; self.nodes.len()];
        let mut tokens = 0;
        let leased = (0..self.nodes.len()).filter(|node| self.nodes[*node].leases > 0);
        for mut node in leased {
            while !counted[node] {
                counted[node] = true;
                tokens += self.nodes[node].ids.len();
                match self.nodes[node].parent {
                    Some(parent) => node = parent,
                    None => break,
                }
            }
        }
        tokens
    }

    /// Lets the ends of texts go until `tokens` more fit; none, when they never will.
    fn make_room(&mut self, tokens: usize) -> bool {
        if self.tokens + tokens > self.limit && self.leased() + tokens > self.limit {
            return false;
        }
        while self.tokens + tokens > self.limit {
            let nodes = self.nodes.iter().enumerate();
            let idle = nodes.filter(|(_, node)| {
                node.piece.is_some() && node.children.is_empty() && node.leases == 0
            });
            let Some((oldest, _)) = idle.min_by_key(|(_, node)| node.used) else {
                return false;
            };
            let node = &mut self.nodes[oldest];
            node.piece = None;
            let (ids, parent, root) = (std::mem::take(&mut node.ids), node.parent, node.root);
            self.tokens -= ids.len();
            self.siblings(parent, root).remove(&ids[0]);
            self.vacant.push(oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nn::random::RandomStream;

    /// A piece that knows the text it stands for.
    #[derive(Debug)]
    struct Ids(Vec<i64>);

    impl Cut for Ids {
        fn cut(mut self, at: usize) -> (Self, Self) {
            let back = self.0.split_off(at);
            (self, Self(back))
        }
    }

    fn insert(tree: &mut PrefixTree<Ids>, ids: &[i64]) {
        tree.insert(false, ids, |from| Ids(ids[from..].to_vec()));
    }

    #[test]
    fn texts_share_their_beginnings() {
        let mut tree = PrefixTree::new(100);
        insert(&mut tree, &[1, 2, 3, 4, 5]);
        insert(&mut tree, &[1, 2, 3, 9]);
        insert(&mut tree, &[1, 2]);
        assert_eq!(tree.tokens(), 6);
        let found = tree.find(false, &[1, 2, 3, 9, 7]);
        assert_eq!(found.tokens, 4);
        let pieces = found.pieces.iter();
        let pieces: Vec<_> = pieces
            .map(|(piece, count)| (piece.0.clone(), *count))
            .collect();
        assert_eq!(pieces, [(vec![1, 2, 3], 3), (vec![9], 1)]);
        let found = tree.find(false, &[1, 2, 8]);
        assert_eq!((found.pieces.len(), found.tokens), (1, 2));
        assert_eq!(tree.matched(true, &[1, 2, 3]), 0, "another forest");
    }

    #[test]
    fn what_is_oldest_goes_first_but_no_lease() {
        let mut tree = PrefixTree::new(6);
        insert(&mut tree, &[1, 1, 1]);
        insert(&mut tree, &[2, 2, 2]);
        let lease = tree.lease(false, &[1, 1]);
        _ = tree.find(false, &[2, 2, 2]);
        insert(&mut tree, &[3, 3]);
        assert_eq!(
            tree.matched(false, &[2, 2, 2]),
            0,
            "2 was let go, 1 is leased"
        );
        assert_eq!(tree.matched(false, &[1, 1, 1]), 3);
        insert(&mut tree, &[4, 4, 4, 4]);
        assert_eq!(
            tree.matched(false, &[4, 4, 4, 4]),
            0,
            "no room beside the lease"
        );
        tree.give_back(lease);
        insert(&mut tree, &[4, 4, 4, 4]);
        assert_eq!(tree.matched(false, &[4, 4, 4, 4]), 4);
        assert_eq!(tree.tokens(), 6, "3 and 4 remain");
    }

    #[test]
    fn any_order_of_calls_keeps_the_ceiling_and_finds_true_beginnings() {
        for seed in 0..40 {
            let mut stream = RandomStream::new(seed, "prefix-tree", 0);
            let limit = 5 + stream.below(40);
            let mut tree = PrefixTree::<Ids>::new(limit);
            let mut leases: Vec<(Lease, Vec<i64>)> = Vec::new();
            for _ in 0..300 {
                let length = 1 + stream.below(12);
                let ids: Vec<i64> = (0..length).map(|_| stream.below(3) as i64).collect();
                match stream.below(5) {
                    0 => {
                        let kept = tree.matched(false, &ids);
                        leases.push((tree.lease(false, &ids), ids[..kept].to_vec()));
                    }
                    1 if !leases.is_empty() => {
                        let (lease, _) = leases.swap_remove(stream.below(leases.len()));
                        tree.give_back(lease);
                    }
                    2 => {
                        let found = tree.find(false, &ids);
                        let pieces = found.pieces.iter();
                        let text: Vec<i64> = pieces
                            .flat_map(|(piece, count)| piece.0[..*count].to_vec())
                            .collect();
                        assert_eq!(text, ids[..found.tokens]);
                    }
                    _ => insert(&mut tree, &ids),
                }
                assert!(tree.tokens() <= limit);
                let nodes = tree.nodes.iter().filter(|node| node.piece.is_some());
                let counted: usize = nodes.map(|node| node.ids.len()).sum();
                assert_eq!(tree.tokens(), counted);
                for (_, ids) in &leases {
                    assert_eq!(tree.matched(false, ids), ids.len(), "a lease was broken");
                }
            }
        }
    }
}
