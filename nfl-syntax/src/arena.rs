//! Numbered nodes: `entity!` makes an id type, [`IdVec`] stores nodes by id, [`SharedVec`] as well, and [`IdMap`] and
//! [`SharedMap`] results about them.
//!
//! An `IdMap` answers with its default for ids it was never told about, so a pass only writes what
//! it finds. What is shared is copied in no time, and a copy that is changed keeps the changes to itself.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// A number that names a node.
pub trait Id: Copy + Eq + Ord + fmt::Debug {
    /// The id with this number.
    fn new(index: usize) -> Self;
    /// Its number.
    fn index(self) -> usize;
}

/// Declares an id type: `entity! { /// doc  pub struct ExprId = "e"; }`.
#[macro_export]
macro_rules! entity {
    ($($(#[$doc:meta])* $vis:vis struct $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(u32);

        impl $crate::arena::Id for $name {
            fn new(index: usize) -> $name {
                $name(u32::try_from(index).expect("fewer than 2^32 nodes"))
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

/// Nodes by id.
#[derive(Clone, PartialEq, Eq)]
pub struct IdVec<I, T> {
    items: Vec<T>,
    ids: PhantomData<I>,
}

impl<I: Id, T> IdVec<I, T> {
    /// No nodes.
    pub fn new() -> IdVec<I, T> {
        IdVec {
            items: Vec::new(),
            ids: PhantomData,
        }
    }

    /// Stores a node and answers its id.
    pub fn push(&mut self, item: T) -> I {
        let id = I::new(self.items.len());
        self.items.push(item);
        id
    }

    /// Forgets all nodes from this number on.
    pub fn truncate(&mut self, len: usize) {
        self.items.truncate(len);
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The id that the next `push` will answer.
    pub fn next_id(&self) -> I {
        I::new(self.items.len())
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.items.len()).map(I::new)
    }

    /// All nodes with their ids, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.items
            .iter()
            .enumerate()
            .map(|(i, item)| (I::new(i), item))
    }

    /// All nodes with their ids, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        self.items
            .iter_mut()
            .enumerate()
            .map(|(i, item)| (I::new(i), item))
    }

    /// The node with this id, if there is one.
    pub fn get(&self, id: I) -> Option<&T> {
        self.items.get(id.index())
    }
}

impl<I: Id, T> Default for IdVec<I, T> {
    fn default() -> IdVec<I, T> {
        IdVec::new()
    }
}

impl<I: Id, T> Index<I> for IdVec<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for IdVec<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}

impl<I, T: fmt::Debug> fmt::Debug for IdVec<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.fmt(f)
    }
}

/// Nodes by id, of which the first are shared with others that begin with the same ones.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedVec<I, T> {
    first: Arc<Vec<T>>,
    own: Vec<T>,
    ids: PhantomData<I>,
}

impl<I: Id, T: Clone> SharedVec<I, T> {
    /// Shares all nodes that there are: copies have them too, and take no time.
    pub fn share(&mut self) {
        let mut all = Arc::unwrap_or_clone(std::mem::take(&mut self.first));
        match all.is_empty() {
            true => all = std::mem::take(&mut self.own),
            false => all.append(&mut self.own),
        }
        self.first = Arc::new(all);
    }
}

impl<I: Id, T> SharedVec<I, T> {
    /// Stores a node and answers its id.
    pub fn push(&mut self, item: T) -> I {
        let id = self.next_id();
        self.own.push(item);
        id
    }

    /// Forgets all nodes from this number on; shared ones stay.
    pub fn truncate(&mut self, len: usize) {
        self.own.truncate(len.saturating_sub(self.first.len()));
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.own.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id that the next `push` will answer.
    pub fn next_id(&self) -> I {
        I::new(self.len())
    }

    /// Whether a node was there when nodes were shared.
    pub fn is_shared(&self, id: I) -> bool {
        id.index() < self.first.len()
    }

    /// The first node that is not shared.
    pub fn first_own(&self) -> Option<&T> {
        self.own.first()
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.len()).map(I::new)
    }

    /// All nodes with their ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        let items = self.first.iter().chain(&self.own);
        items.enumerate().map(|(i, item)| (I::new(i), item))
    }
}

impl<I: Id, T> Default for SharedVec<I, T> {
    fn default() -> SharedVec<I, T> {
        SharedVec {
            first: Arc::default(),
            own: Vec::new(),
            ids: PhantomData,
        }
    }
}

impl<I: Id, T> Index<I> for SharedVec<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        match id.index().checked_sub(self.first.len()) {
            None => &self.first[id.index()],
            Some(own) => &self.own[own],
        }
    }
}

/// All shared nodes are copied where one of them is changed while others have them.
impl<I: Id, T: Clone> IndexMut<I> for SharedVec<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        match id.index().checked_sub(self.first.len()) {
            None => &mut Arc::make_mut(&mut self.first)[id.index()],
            Some(own) => &mut self.own[own],
        }
    }
}

impl<I, T: fmt::Debug> fmt::Debug for SharedVec<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.first.iter().chain(&self.own))
            .finish()
    }
}

/// Results by id, with a default for ids without one.
#[derive(Clone, PartialEq, Eq)]
pub struct IdMap<I, T> {
    items: Vec<T>,
    default: T,
    ids: PhantomData<I>,
}

impl<I: Id, T: Clone + Default> IdMap<I, T> {
    /// Nothing known.
    pub fn new() -> IdMap<I, T> {
        IdMap {
            items: Vec::new(),
            default: T::default(),
            ids: PhantomData,
        }
    }

    /// Nothing known of this many ids, with room for what will be: they are noted without growing.
    pub fn sized(len: usize) -> IdMap<I, T> {
        IdMap {
            items: vec![T::default(); len],
            default: T::default(),
            ids: PhantomData,
        }
    }

    /// Notes a result.
    pub fn set(&mut self, id: I, item: T) {
        self[id] = item;
    }
}

impl<I: Id, T: Clone + Default> Default for IdMap<I, T> {
    fn default() -> IdMap<I, T> {
        IdMap::new()
    }
}

impl<I: Id, T> Index<I> for IdMap<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        self.items.get(id.index()).unwrap_or(&self.default)
    }
}

impl<I: Id, T: Clone> IndexMut<I> for IdMap<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        if id.index() >= self.items.len() {
            self.items.resize(id.index() + 1, self.default.clone());
        }
        &mut self.items[id.index()]
    }
}

impl<I, T: fmt::Debug> fmt::Debug for IdMap<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.fmt(f)
    }
}

/// How many results lie in a page of a [`SharedMap`].
const PAGE: usize = 64;

/// Results by id, with a default for ids without one, in pages that copies share until they change them.
#[derive(Clone)]
pub struct SharedMap<I, T> {
    pages: Vec<Page<T>>,
    default: T,
    ids: PhantomData<I>,
}

/// Results of as many ids as a page has, in their order.
#[derive(Clone)]
enum Page<T> {
    /// Nothing known.
    Empty,
    Own(Box<[T]>),
    Shared(Arc<[T]>),
}

impl<I: Id, T: Clone + Default> SharedMap<I, T> {
    /// Shares all results that there are.
    pub fn share(&mut self) {
        for page in &mut self.pages {
            if let Page::Own(items) = page {
                *page = Page::Shared(std::mem::take(items).into());
            }
        }
    }

    /// Notes a result.
    pub fn set(&mut self, id: I, item: T) {
        let (page, at) = (id.index() / PAGE, id.index() % PAGE);
        if page >= self.pages.len() {
            self.pages.resize(page + 1, Page::Empty);
        }
        let page = &mut self.pages[page];
        match page {
            Page::Own(items) => items[at] = item,
            Page::Empty | Page::Shared(_) => {
                let mut items: Box<[T]> = match page {
                    Page::Shared(items) => items.iter().cloned().collect(),
                    _ => vec![T::default(); PAGE].into(),
                };
                items[at] = item;
                *page = Page::Own(items);
            }
        }
    }
}

impl<I: Id, T: Clone + Default> Default for SharedMap<I, T> {
    fn default() -> SharedMap<I, T> {
        SharedMap {
            pages: Vec::new(),
            default: T::default(),
            ids: PhantomData,
        }
    }
}

impl<I: Id, T> Index<I> for SharedMap<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        match self.pages.get(id.index() / PAGE) {
            Some(Page::Own(items)) => &items[id.index() % PAGE],
            Some(Page::Shared(items)) => &items[id.index() % PAGE],
            Some(Page::Empty) | None => &self.default,
        }
    }
}

impl<I, T: fmt::Debug> fmt::Debug for SharedMap<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.pages.iter().map(|page| match page {
            Page::Empty => &[][..],
            Page::Own(items) => items,
            Page::Shared(items) => items,
        });
        f.debug_list().entries(pages).finish()
    }
}
