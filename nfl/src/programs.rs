//! Loaded programs by the hash of their images, so that flows with one program share it.
//!
//! In: images that are about to be loaded, and programs that were. Out: the program that an equal image
//! became, as long as anybody runs it. Guaranteed: a program is dropped with its last user; at most
//! [`PROGRAMS_MAX`] are remembered, and none takes longer to remember than another.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nfl_abi::Image;
use nfl_vm::{Loaded, WeakLoaded};
use sha2::{Digest, Sha256};

/// Programs that an engine remembers at most; those beyond are loaded and not shared.
pub(crate) const PROGRAMS_MAX: usize = 1 << 17;

/// Entries that are looked at for each new one, so that those of dropped programs go in time.
const SWEPT: usize = 4;

/// SHA-256 of an image's canonical bytes.
pub(crate) type ImageHash = [u8; 32];

/// The programs of an engine.
#[derive(Debug, Default)]
pub(crate) struct Programs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_hash: BTreeMap<ImageHash, WeakLoaded>,
    /// The last entry that was looked at.
    swept: Option<ImageHash>,
}

impl Programs {
    /// What an image is known by.
    pub(crate) fn hash(image: &Image) -> ImageHash {
        Sha256::digest(image.to_bytes()).into()
    }

    /// The program of the image with this hash, if it is alive.
    pub(crate) fn get(&self, hash: &ImageHash) -> Option<Loaded> {
        self.known().by_hash.get(hash)?.upgrade()
    }

    /// Remembers a program; answers the one that another thread remembered first.
    pub(crate) fn keep(&self, hash: ImageHash, program: Loaded) -> Loaded {
        let mut known = self.known();
        if let Some(other) = known.by_hash.get(&hash).and_then(WeakLoaded::upgrade) {
            return other;
        }
        known.sweep();
        if known.by_hash.len() < PROGRAMS_MAX {
            known.by_hash.insert(hash, program.downgrade());
        }
        program
    }

    /// How many are remembered, dropped ones that were not yet met again included.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.known().by_hash.len()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Looks at the next few entries and forgets those of dropped programs.
    fn sweep(&mut self) {
        let from = self.swept.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.by_hash.range((from, Bound::Unbounded)).take(SWEPT);
        let next: Vec<(ImageHash, bool)> = next
            .map(|(&hash, program)| (hash, program.upgrade().is_some()))
            .collect();
        // Behind the last entry comes the first.
        self.swept = next.last().map(|&(hash, _)| hash);
        for (hash, _) in next.iter().filter(|(_, alive)| !alive) {
            self.by_hash.remove(hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use nfl_abi::Limits;
    use nfl_vm::Policy;

    use super::*;
    use crate::{Compiler, MemoryFiles};

    fn image(port: u16) -> Image {
        let source = format!(
            "package t;\nimport nfl.net.*;\nfunction F() {{\n on originator(Packet pkt) {{\n  \
             if (pkt instanceof Ipv4 ip / Tcp tcp && tcp.dport == {port}) return Pass;\n  \
             return Drop;\n }}\n}}\n"
        );
        let files = MemoryFiles::from([("f.nfl", source.as_str())]);
        let unit = Compiler::new(Limits::EDGE).build(&files, "f.nfl").finish();
        let unit = unit.expect("it compiles");
        let function = unit.function("F").expect("it is there");
        let images = function.bind(&[]).and_then(|bound| bound.images());
        images.expect("it is proved").remove(0).image
    }

    fn load(image: &Image) -> Loaded {
        let proven = nfl_verify::prove(image, &Limits::EDGE).expect("it is proved");
        nfl_vm::load(proven, &Policy::ALL).expect("all is granted")
    }

    #[test]
    fn a_program_is_known_while_somebody_has_it() {
        let programs = Programs::default();
        let image = image(443);
        let hash = Programs::hash(&image);
        assert!(programs.get(&hash).is_none());
        let program = programs.keep(hash, load(&image));
        assert!(programs.get(&hash).is_some());
        // Who comes second gets the first one's.
        drop(programs.keep(hash, load(&image)));
        assert_eq!(programs.len(), 1);
        drop(program);
        assert!(programs.get(&hash).is_none());
    }

    #[test]
    fn dropped_programs_are_forgotten_in_time() {
        let programs = Programs::default();
        let image = image(443);
        let program = load(&image);
        let kept = programs.keep([0; 32], program.clone());
        for n in 1..=200u8 {
            let hash = [n; 32];
            drop(programs.keep(hash, load(&image)));
            assert!(programs.len() < 16, "{} are known", programs.len());
        }
        assert!(programs.get(&[0; 32]).is_some());
        drop(kept);
    }
}
