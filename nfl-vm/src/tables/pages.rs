//! An array of elements of one size that are zero until they are written.
//!
//! In: indices and bytes. Out: bytes. Guaranteed: pages that nobody wrote take no memory, unless they
//! were reserved; arrays that read alike are equal.

/// Bytes of a page, about.
const PAGE_BYTES: usize = 1 << 14;

/// Elements, all zero at first.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    bytes: usize,
    len: u32,
    /// The logarithm of the elements of a page.
    shift: u32,
    pages: Vec<Box<[u8]>>,
}

impl Pages {
    /// So many elements, at least one, of so many bytes each.
    pub(crate) fn new(bytes: usize, len: u32) -> Pages {
        let len = len.max(1);
        Pages {
            bytes,
            len,
            shift: (PAGE_BYTES / bytes.max(1)).clamp(1, len as usize).ilog2(),
            pages: Vec::new(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Makes all pages now.
    pub(crate) fn reserve(&mut self) {
        let pages = (self.len as usize).div_ceil(1 << self.shift);
        self.pages.resize_with(pages, Box::default);
        for page in &mut self.pages {
            if page.is_empty() {
                *page = vec![0; self.bytes << self.shift].into_boxed_slice();
            }
        }
    }

    /// The bytes of one; nothing for those that are surely zero.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&[u8]> {
        let (page, at) = self.place(index);
        self.pages.get(page)?.get(at..at + self.bytes)
    }

    /// The bytes of one, to be written; nothing behind the end.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut [u8]> {
        if index >= self.len {
            return None;
        }
        let (page, at) = self.place(index);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Box::default);
        }
        let (bytes, shift) = (self.bytes, self.shift);
        let page = &mut self.pages[page];
        if page.is_empty() {
            *page = vec![0; bytes << shift].into_boxed_slice();
        }
        page.get_mut(at..at + bytes)
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        self.pages.iter_mut().for_each(|page| page.fill(0));
    }

    /// Those that are not zero, in the order of their indices.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let pages = (0..).step_by(1 << self.shift).zip(&self.pages);
        let all = pages.flat_map(|(first, page)| (first..).zip(page.chunks(self.bytes.max(1))));
        all.filter(|(_, bytes)| bytes.iter().any(|&byte| byte != 0))
    }

    fn place(&self, index: u32) -> (usize, usize) {
        let index = index as usize;
        let within = index & ((1 << self.shift) - 1);
        (index >> self.shift, within * self.bytes)
    }
}

impl PartialEq for Pages {
    fn eq(&self, other: &Pages) -> bool {
        (self.bytes, self.len) == (other.bytes, other.len) && self.entries().eq(other.entries())
    }
}

impl Eq for Pages {}
