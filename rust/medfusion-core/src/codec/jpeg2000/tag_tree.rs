//! Tag trees (ISO/IEC 15444-1, B.10.2): the least number of a group is coded before its members.

use super::packets::HeaderBits;

#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    /// What its number is at least.
    low: u16,
    /// The number is `low`.
    known: bool,
}

/// A tree over a grid of numbers.
#[derive(Debug)]
pub(super) struct TagTree {
    nodes: Vec<Node>,
}

/// The root's parent.
const NONE: u32 = u32::MAX;

impl TagTree {
    pub(super) fn new(across: usize, lines: usize) -> Self {
        let mut nodes = Vec::new();
        let (mut across, mut lines) = (across, lines);
        while across * lines > 0 {
            let next = nodes.len() + across * lines;
            let (half_across, last) = (across.div_ceil(2), across * lines == 1);
            for place in 0..across * lines {
                let parent = next + place / across / 2 * half_across + place % across / 2;
                let parent = if last { NONE } else { u32::try_from(parent).unwrap_or(NONE) };
                nodes.push(Node { parent, low: 0, known: false });
            }
            if last {
                break;
            }
            (across, lines) = (half_across, lines.div_ceil(2));
        }
        Self { nodes }
    }

    /// Returns whether a leaf's number is below `limit`, and reads what's needed to tell.
    pub(super) fn below(&mut self, leaf: usize, limit: u16, bits: &mut HeaderBits<'_>) -> bool {
        let mut path = [0; 32];
        let mut depth = 0;
        let mut at = leaf;
        loop {
            path[depth] = at;
            depth += 1;
            match self.nodes[at].parent {
                NONE => break,
                parent => at = parent as usize,
            }
        }
        let mut low = 0;
        for &at in path[..depth].iter().rev() {
            let node = &mut self.nodes[at];
            node.low = node.low.max(low);
            while !node.known && node.low < limit {
                if bits.bit() == 1 {
                    node.known = true;
                } else {
                    node.low += 1;
                }
            }
            low = node.low;
        }
        let node = self.nodes[leaf];
        node.known && node.low < limit
    }

    /// A leaf's number, once it is known.
    pub(super) fn value(&self, leaf: usize) -> u16 {
        self.nodes[leaf].low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // Figure B.12: a grid of 6 by 3; the first numbers are 1, 3, 2, coded 01111, 001, 101.
        let mut tree = TagTree::new(6, 3);
        let mut bits = HeaderBits::new(&[0b0111_1001, 0b1010_0000]);
        for (leaf, number) in [1, 3, 2].into_iter().enumerate() {
            let limit = (1..9).find(|&limit| tree.below(leaf, limit, &mut bits));
            assert_eq!(limit, Some(number + 1));
            assert_eq!(tree.value(leaf), number);
        }
    }
}
