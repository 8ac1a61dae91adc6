//! Choices that are made at random, and the same in every run.
//!
//! In: the number of a choice. Out: numbers that look random, or none where the usual choice is made. Guaranteed: equal
//! noise makes equal choices.
//!
//! The idea: a layer of noise touches one choice in eight. Adding a layer to noise that proved good changes a little, so that a
//! search goes on from where it stands.

/// Layers of noise, the last on top.
#[derive(Clone, Default, Debug)]
pub(crate) struct Noise {
    layers: Vec<u64>,
}

/// One choice in so many is touched by a layer.
const TOUCHED: u64 = 8;

impl Noise {
    /// This with one more layer.
    pub(crate) fn with(&self, layer: u64) -> Noise {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Noise { layers }
    }

    /// A number for a choice, if some layer touches it.
    pub(crate) fn of(&self, choice: u64) -> Option<u64> {
        let layers = self.layers.iter().rev();
        layers
            .map(|&layer| mix(layer ^ mix(choice)))
            .find(|n| n % TOUCHED == 0)
            .map(|n| n / TOUCHED)
    }
}

/// A number that looks random (the finaliser of SplitMix64).
pub(crate) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_touches_few_choices_and_the_last_one_counts() {
        let one = Noise::default().with(1);
        let two = one.with(2);
        let touched = |noise: &Noise| (0..8000).filter(|&n| noise.of(n).is_some()).count();
        assert_eq!(touched(&Noise::default()), 0);
        assert!((800..1200).contains(&touched(&one)), "{}", touched(&one));
        assert!(touched(&two) > touched(&one));
        let kept = (0..8000).filter(|&n| one.of(n).is_some() && two.of(n) == one.of(n));
        assert!(kept.count() > 700);
    }
}
