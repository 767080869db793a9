//! Luck that can be had again: the same seed, the same faults.

/// A small generator of evenly spread numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for each `of` of a run.
    pub(crate) fn new(seed: u64, of: u64) -> Self {
        // Both stirred: neighbours must not throw the same numbers one throw apart.
        Self(stirred(seed) ^ stirred(!of))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        stirred(self.0)
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

fn stirred(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_throw_evenly() {
        // The third throw of each of many dice, as the upstreams use them.
        let mut counts = [0; 10];
        for of in 0..10_000 {
            let mut dice = Dice::new(1, of);
            dice.below(60);
            dice.below(100);
            counts[usize::try_from(dice.below(10)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
