//! The Merkle tree of RFC 6962, section 2.1: SHA-256, `0x00` before a leaf, `0x01` before a node.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf's data.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that only grows: the roots of its perfect subtrees are all that it must remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// How many leaves it has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, given its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing one of the size is a perfect subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("there is a peak for every one in the size");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root: of an empty tree, the hash of nothing.
    pub fn root(&self) -> Hash {
        let peaks = self.peaks.iter().rev().copied();
        peaks
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// Makes an inclusion proof while all the tree's leaves pass by once.
#[derive(Debug)]
pub struct PathBuilder {
    seen: u64,
    /// The parts of the tree beside the way from the leaf to the root, leaf's neighbour first.
    parts: Vec<(Range<u64>, Tree)>,
}

impl PathBuilder {
    /// For the leaf at `index` of a tree of `size` leaves; `None` if there is no such leaf.
    pub fn new(index: u64, size: u64) -> Option<Self> {
        if size <= index {
            return None;
        }
        let mut parts = Vec::new();
        let mut within = 0..size;
        while 1 < within.end - within.start {
            let middle = within.start + largest_power_below(within.end - within.start);
            let (inside, beside) = if index < middle {
                (within.start..middle, middle..within.end)
            } else {
                (middle..within.end, within.start..middle)
            };
            parts.push((beside, Tree::default()));
            within = inside;
        }
        parts.reverse();
        Some(Self { seen: 0, parts })
    }

    /// The next leaf's hash, from the first leaf to the last.
    pub fn push(&mut self, leaf: Hash) {
        let at = self.seen;
        self.seen += 1;
        if let Some((_, part)) = self.parts.iter_mut().find(|(range, _)| range.contains(&at)) {
            part.push(leaf);
        }
    }

    /// The proof: the hashes beside the way, from the leaf to the root.
    pub fn path(self) -> Vec<Hash> {
        self.parts.iter().map(|(_, part)| part.root()).collect()
    }
}

/// The largest power of two that is smaller than `size`, which is at least 2.
const fn largest_power_below(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Whether a proof shows that the leaf stands at `index` of the tree with this size and root
/// (RFC 9162, section 2.1.3.2).
pub fn includes(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if size <= index {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(beside, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves of the test vectors that the Certificate Transparency project publishes for
    /// RFC 6962.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    /// Their roots, for trees of 0 to 8 leaves.
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn hashes() -> Vec<Hash> {
        LEAVES.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect()
    }

    fn tree(leaves: &[Hash]) -> Tree {
        let mut tree = Tree::default();
        for leaf in leaves {
            tree.push(*leaf);
        }
        tree
    }

    fn path(leaves: &[Hash], index: u64) -> Vec<Hash> {
        let mut builder = PathBuilder::new(index, leaves.len() as u64).unwrap();
        for leaf in leaves {
            builder.push(*leaf);
        }
        builder.path()
    }

    #[test]
    fn roots_are_the_published_ones() {
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(hex::encode(tree(&hashes()[..size]).root()), *root, "{size} leaves");
        }
    }

    #[test]
    fn paths_are_the_published_ones() {
        let published: [(u64, usize, &[&str]); 5] = [
            (0, 1, &[]),
            (
                0,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                5,
                8,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
            (
                1,
                5,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (index, size, expected) in published {
            let found = path(&hashes()[..size], index);
            assert_eq!(found.iter().map(hex::encode).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn every_leaf_of_every_tree_is_proved_and_nothing_else_is() {
        let leaves: Vec<Hash> = (0..40_u8).map(|number| leaf_hash(&[number])).collect();
        for size in 1..=leaves.len() {
            let root = tree(&leaves[..size]).root();
            for index in 0..size {
                let path = path(&leaves[..size], index as u64);
                let holds = |leaf: &Hash, index: usize, size: usize, path: &[Hash]| {
                    includes(leaf, index as u64, size as u64, path, &root)
                };
                assert!(holds(&leaves[index], index, size, &path), "{index} of {size}");
                assert!(!holds(&leaf_hash(b"another"), index, size, &path));
                assert!(!holds(&leaves[index], size, size, &path));
                for wrong in (0..size).filter(|wrong| *wrong != index) {
                    assert!(!holds(&leaves[index], wrong, size, &path), "{wrong}, not {index}");
                }
                if let Some(short) = path.len().checked_sub(1) {
                    assert!(!holds(&leaves[index], index, size, &path[..short]));
                }
                let mut long = path.clone();
                long.push(root);
                assert!(!holds(&leaves[index], index, size, &long));
            }
        }
        assert!(PathBuilder::new(3, 3).is_none());
    }
}
