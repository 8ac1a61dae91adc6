//! Packets one behind the other, each with room around it.
//!
//! In: packets. Out: the same, to be changed by runs and put back. The sandboxes use this file too.

/// Room in front of a packet, in bytes; the IP header is aligned, as in a node.
const HEAD: usize = 66;
/// Room behind it: as much as a window may reach behind an empty packet.
const TAIL: usize = 128;
/// Packets begin on lines of the cache, but for the two bytes that align their headers.
const LINE: usize = 64;

/// Which packets run many times in a row: each so many-th from one on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Row {
    pub(crate) first: usize,
    /// Whether the function changes packets, so that they are put back.
    pub(crate) changes: bool,
}

impl Row {
    pub(crate) const STEP: usize = 64;
    pub(crate) const REPEAT: u32 = 500;
    /// Bytes that are put back.
    const BACK: usize = 64;

    /// Other packets in the next pass.
    pub(crate) fn next(&mut self) {
        self.first = (self.first + 7) % Row::STEP;
    }
}

/// Packets one behind the other.
pub(crate) struct Frames {
    pristine: Vec<u8>,
    bytes: Vec<u8>,
    places: Vec<(usize, u32)>,
}

impl Frames {
    pub(crate) fn new(packets: &[Vec<u8>]) -> Frames {
        let mut pristine = Vec::new();
        let mut places = Vec::new();
        for packet in packets {
            pristine.resize(pristine.len().next_multiple_of(LINE) + HEAD, 0);
            places.push((pristine.len(), packet.len() as u32));
            pristine.extend(packet);
            pristine.resize(pristine.len() + TAIL, 0);
        }
        Frames {
            bytes: pristine.clone(),
            pristine,
            places,
        }
    }

    pub(crate) fn restore(&mut self) {
        self.bytes.copy_from_slice(&self.pristine);
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where a packet lies in the memory, and its length.
    pub(crate) fn place(&self, packet: usize) -> (usize, u32) {
        self.places[packet]
    }

    /// All packets and the gaps between them.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Runs something over each packet in its room: the buffer, and where in it the packet begins and how long it is.
    #[inline(always)]
    pub(crate) fn each_in_room(
        &mut self,
        mut run: impl FnMut(&mut [u8], usize, usize) -> u32,
    ) -> u32 {
        let mut sum = 0u32;
        for &(at, length) in &self.places {
            let room = &mut self.bytes[at - HEAD..at + length as usize + TAIL];
            sum = sum.wrapping_add(run(room, HEAD, length as usize));
        }
        sum
    }

    /// Runs something over some packets, one packet many times in a row, and puts its first bytes back before each run where that
    /// matters, as the kernel's programs do.
    #[inline(always)]
    pub(crate) fn in_a_row(
        &mut self,
        row: Row,
        mut run: impl FnMut(&mut [u8], usize, usize) -> u32,
    ) -> u32 {
        let mut sum = 0u32;
        for &(at, length) in self.places.iter().skip(row.first).step_by(Row::STEP) {
            let back = at..at + (length as usize).min(Row::BACK);
            for _ in 0..Row::REPEAT {
                if row.changes {
                    self.bytes[back.clone()].copy_from_slice(&self.pristine[back.clone()]);
                }
                let room = &mut self.bytes[at - HEAD..at + length as usize + TAIL];
                sum = sum.wrapping_add(run(room, HEAD, length as usize));
            }
        }
        sum
    }

    /// How many runs that is.
    pub(crate) fn runs_in_a_row(&self) -> usize {
        self.len().div_ceil(Row::STEP) * Row::REPEAT as usize
    }

    /// Runs something over each packet, and adds up what it answers, so that nothing is left out as unused.
    #[inline(always)]
    pub(crate) fn each(&mut self, mut run: impl FnMut(&mut [u8]) -> u32) -> u32 {
        let mut sum = 0u32;
        for &(at, length) in &self.places {
            sum = sum.wrapping_add(run(&mut self.bytes[at..at + length as usize]));
        }
        sum
    }

    pub(crate) fn ends(
        &mut self,
        mut run: impl FnMut(&mut [u8]) -> (u32, u32),
    ) -> Vec<(u32, u32, Vec<u8>)> {
        self.restore();
        let mut ends = Vec::new();
        for &(at, length) in &self.places {
            let packet = &mut self.bytes[at..at + length as usize];
            let (verdict, port) = run(packet);
            ends.push((verdict, port, packet.to_vec()));
        }
        ends
    }
}
