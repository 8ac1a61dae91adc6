//! What can be wrong with an operation on a node's state.

use std::fmt;

use nfl_abi::image::ResourceKind;

/// Why an operation on a state makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StateError {
    /// There is no resource of this name.
    NoSuchResource(String),
    /// The resource is of a kind that has no such operation.
    Kind {
        /// The resource.
        name: String,
        /// What it is.
        is: ResourceKind,
    },
    /// A key of the wrong size.
    KeySize {
        /// The resource.
        name: String,
        /// The key's bytes.
        is: usize,
        /// The resource's.
        must: usize,
    },
    /// A value of the wrong size.
    ValueSize {
        /// The resource.
        name: String,
        /// The value's bytes.
        is: usize,
        /// The resource's.
        must: usize,
    },
    /// A prefix that is longer than the address, or a part of a rule that leaves the key.
    Prefix(String),
    /// An index behind the end.
    Index {
        /// The resource.
        name: String,
        /// The index.
        is: u32,
        /// How many there are.
        len: u32,
    },
    /// All entries are taken.
    Full {
        /// The resource.
        name: String,
        /// How many it holds.
        capacity: u32,
    },
    /// A controller publishes this table to workers, so it is edited there.
    Published(String),
    /// Bytes that are no exported state; the offset from which on.
    Saved(usize),
    /// Two images share a name and mean different things by it.
    Differs(String),
    /// An image imports what this machine does not offer: the service's number.
    Service(u8),
}

impl fmt::Display for StateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::NoSuchResource(name) => write!(out, "there is no resource `{name}`"),
            StateError::Kind { name, is } => {
                write!(out, "`{name}` is a {}, which cannot do this", is.text())
            }
            StateError::KeySize { name, is, must } => {
                write!(out, "a key of `{name}` has {must} bytes, and this has {is}")
            }
            StateError::ValueSize { name, is, must } => {
                write!(
                    out,
                    "a value of `{name}` has {must} bytes, and this has {is}"
                )
            }
            StateError::Prefix(name) => {
                write!(out, "this reaches behind the end of a key of `{name}`")
            }
            StateError::Index { name, is, len } => {
                write!(out, "`{name}` has {len} elements, and {is} is none of them")
            }
            StateError::Full { name, capacity } => {
                write!(out, "`{name}` holds {capacity} entries, and all are taken")
            }
            StateError::Published(name) => {
                write!(out, "`{name}` is a controller's, and is edited through it")
            }
            StateError::Saved(at) => {
                write!(
                    out,
                    "these bytes are no state that was exported, from offset {at} on"
                )
            }
            StateError::Differs(name) => {
                write!(out, "two images declare `{name}`, and differ in how")
            }
            StateError::Service(number) => match nfl_abi::host::Service::by_number(*number) {
                Some(service) => write!(out, "this machine does not offer `{}`", service.name),
                None => write!(out, "there is no service number {number}"),
            },
        }
    }
}

impl std::error::Error for StateError {}
