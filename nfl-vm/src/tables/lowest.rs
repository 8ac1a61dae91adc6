//! A set of numbers that knows its lowest.
//!
//! In: numbers. Out: the lowest of those that are there. Guaranteed: each operation reads one word of 64 bits
//! for each six bits of the numbers.

/// Numbers as bits: the words of each level say which words of the level below are not zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lowest(Vec<Vec<u64>>);

impl Lowest {
    /// Adds a number.
    pub(crate) fn insert(&mut self, number: u32) {
        let mut at = number as usize;
        let mut level = 0;
        loop {
            if self.0.len() == level {
                // A new top has to say what is below so far.
                let below = level
                    .checked_sub(1)
                    .is_some_and(|below| self.0[below][0] != 0);
                self.0.push(vec![u64::from(below)]);
            }
            let words = &mut self.0[level];
            if words.len() <= at / 64 {
                words.resize(at / 64 + 1, 0);
            }
            words[at / 64] |= 1 << (at % 64);
            at /= 64;
            level += 1;
            if at == 0 && level >= self.0.len() {
                return;
            }
        }
    }

    /// Takes the lowest number out.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let top = self.0.last()?;
        if top.first() == Some(&0) {
            return None;
        }
        let mut at = 0;
        for words in self.0.iter().rev() {
            at = at * 64 + words.get(at)?.trailing_zeros() as usize;
        }
        self.remove(at as u32);
        Some(at as u32)
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: u32) {
        let mut at = number as usize;
        for words in &mut self.0 {
            let Some(word) = words.get_mut(at / 64) else {
                return;
            };
            *word &= !(1 << (at % 64));
            if *word != 0 {
                return;
            }
            at /= 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lowest;

    #[test]
    fn the_lowest_comes_first() {
        let mut set = Lowest::default();
        assert_eq!(set.pop(), None);
        for number in [70_000, 3, 64, 5, 4096, 300_000] {
            set.insert(number);
        }
        assert_eq!(set.pop(), Some(3));
        set.insert(0);
        let rest: Vec<u32> = std::iter::from_fn(|| set.pop()).collect();
        assert_eq!(rest, [0, 5, 64, 4096, 70_000, 300_000]);
        set.insert(9);
        set.insert(8);
        set.remove(8);
        set.remove(1_000_000);
        assert_eq!(set.pop(), Some(9));
        assert_eq!(set.pop(), None);
    }
}
