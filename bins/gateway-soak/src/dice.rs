//! Luck that can be had again: the same seed, the same faults.

/// A small generator of evenly spread numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for each `of` of a run.
    pub(crate) fn new(seed: u64, of: u64) -> Self {
        let mut dice = Self(seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below`, without it.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    /// One of them, each as often as its number says.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[(u64, T)]) -> T {
        let total = of.iter().map(|(share, _)| share).sum();
        let mut point = self.below(total);
        for &(share, what) in of {
            if point < share {
                return what;
            }
            point -= share;
        }
        of[0].1
    }
}
