//! What keys and values of resources are made of.
//!
//! In: a checked program, and the values of a function's parameters. Out: for each resource the numbers
//! in its keys and values, with names, kinds and places. An image without its source has resources whose
//! keys and values are bytes.

use nfl_abi::image::{Resource, ResourceKind};
use nfl_test::{Layouts, Leaf};
use nfl_typeck::tables::{FunctionId, ResourceDef};
use nfl_typeck::{Bindings, Checked, Konst, Ty, TyKind};

/// A resource of a program as people fill it.
#[derive(Clone, PartialEq, Debug)]
pub struct ResourceShape {
    /// Its name, in chains behind the name of its stage.
    pub name: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Whether there are several, each with an index.
    pub(super) is_array: bool,
    pub(super) key: Layout,
    pub(super) value: Layout,
}

/// Where the parts of a key or value lie.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    /// Bytes in all.
    pub(super) size: usize,
}

/// What a key or value is.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) enum Shape {
    /// There is none.
    #[default]
    Nothing,
    /// A number or address.
    Scalar(Scalar, Leaf),
    /// Components by name.
    Record(Vec<Component>),
    /// Elements in order.
    Array(Vec<Shape>),
    /// The five-tuple of a flow.
    Flow,
    /// Bytes that nobody explains.
    Bytes,
}

/// A component of a record.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// The number of a component that may be left out.
    pub(super) default: Option<u128>,
}

/// A number or address.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Scalar {
    Bool,
    Number {
        bits: u32,
        signed: bool,
    },
    Ip4,
    Ip6,
    Mac,
    /// Nanoseconds: a length of time, or a point in time since 1970.
    Duration,
    /// Bytes.
    Size,
    /// Bits per second.
    Rate,
    /// Names with their numbers.
    Enum(Vec<(String, i128)>),
}

impl ResourceShape {
    /// A resource of an image whose source is not known.
    pub fn of_image(resource: &Resource) -> ResourceShape {
        let bytes = |size: u16| match (size, resource.flow_key) {
            (0, _) => Layout::default(),
            (size, _) => Layout {
                shape: Shape::Bytes,
                size: usize::from(size),
            },
        };
        let key = match resource.flow_key {
            true => Layout {
                shape: Shape::Flow,
                size: 0,
            },
            false => bytes(resource.key_bytes),
        };
        let indexed = matches!(
            resource.kind,
            ResourceKind::Register | ResourceKind::Counter
        );
        ResourceShape {
            name: resource.name.clone(),
            kind: resource.kind,
            is_array: indexed && resource.capacity > 1,
            key,
            value: bytes(resource.value_bytes),
        }
    }
}

/// The resources of a function, those of a chain's stages among them.
pub(super) fn shapes(
    checked: &Checked,
    function: FunctionId,
    bindings: &Bindings,
) -> Vec<ResourceShape> {
    let tables = &checked.tables;
    let def = &tables.functions[function];
    let shaper = Shaper {
        checked,
        layouts: Layouts {
            t: tables,
            bindings,
        },
    };
    let own = def.resources.iter().map(|&id| (String::new(), id));
    let stages = def.stages.iter().flat_map(|stage| {
        let resources = tables.functions[stage.function].resources.iter();
        resources.map(|&id| (format!("{}.", stage.name), id))
    });
    own.chain(stages)
        .map(|(stage, id)| shaper.resource(stage, &tables.resources[id]))
        .collect()
}

struct Shaper<'a> {
    checked: &'a Checked,
    layouts: Layouts<'a>,
}

impl Shaper<'_> {
    fn resource(&self, stage: String, def: &ResourceDef) -> ResourceShape {
        let name = self.checked.program.names.text(def.name);
        let layout = |ty: Option<Ty>| ty.map(|ty| self.layout(ty)).unwrap_or_default();
        ResourceShape {
            name: stage + name,
            kind: def.kind,
            is_array: def.count.is_some(),
            key: layout(def.key),
            value: layout(def.value),
        }
    }

    fn layout(&self, ty: Ty) -> Layout {
        let flat = self.layouts.of(ty);
        let mut leaves = flat.leaves.into_iter();
        Layout {
            shape: self.shape(ty, &mut leaves).unwrap_or_default(),
            size: flat.size,
        }
    }

    /// The shape of a type whose numbers lie at the next places.
    fn shape(&self, ty: Ty, leaves: &mut impl Iterator<Item = Leaf>) -> Option<Shape> {
        let tables = &self.checked.tables;
        let names = &self.checked.program.names;
        Some(match tables.types.kind(ty) {
            TyKind::Record(id) => {
                let components = tables.records[id].components.iter();
                let components = components.map(|c| {
                    let default = c.default.and_then(|e| tables.konst[e].as_ref());
                    Some(Component {
                        name: names.text(c.name).to_string(),
                        shape: self.shape(c.ty, leaves)?,
                        default: default.and_then(number_of),
                    })
                });
                Shape::Record(components.collect::<Option<_>>()?)
            }
            TyKind::Array(elem, len) => {
                let items = (0..self.layouts.count(len)).map(|_| self.shape(elem, leaves));
                Shape::Array(items.collect::<Option<_>>()?)
            }
            TyKind::FlowKey => Shape::Flow,
            kind => Shape::Scalar(self.scalar(ty, kind)?, leaves.next()?),
        })
    }

    fn scalar(&self, ty: Ty, kind: TyKind) -> Option<Scalar> {
        let tables = &self.checked.tables;
        Some(match kind {
            TyKind::Bool => Scalar::Bool,
            TyKind::Ip4 => Scalar::Ip4,
            TyKind::Ip6 => Scalar::Ip6,
            TyKind::Mac => Scalar::Mac,
            TyKind::Duration | TyKind::Instant => Scalar::Duration,
            TyKind::Size => Scalar::Size,
            TyKind::Rate => Scalar::Rate,
            TyKind::Enum(id, _) => {
                let names = &self.checked.program.names;
                let consts = tables.enums[id].consts.iter();
                Scalar::Enum(
                    consts
                        .map(|&(name, n)| (names.text(name).to_string(), n))
                        .collect(),
                )
            }
            _ => Scalar::Number {
                bits: tables.types.bits(ty)?,
                signed: tables.types.is_signed(ty),
            },
        })
    }
}

/// The bits of a constant that is one number.
fn number_of(konst: &Konst) -> Option<u128> {
    match konst {
        Konst::Bool(b) => Some(u128::from(*b)),
        Konst::Int(n) => Some(*n as u128),
        Konst::Ip6(n) => Some(*n),
        _ => None,
    }
}

impl Scalar {
    /// What people write for it.
    pub(super) fn wanted(&self) -> String {
        match self {
            Scalar::Bool => "`true` or `false`".to_string(),
            Scalar::Number { .. } => {
                let (lo, hi) = self.range();
                format!("a number in {lo}..{hi}")
            }
            Scalar::Ip4 => "an IPv4 address such as \"10.0.0.1\"".to_string(),
            Scalar::Ip6 => "an IPv6 address such as \"2001:db8::1\"".to_string(),
            Scalar::Mac => "an Ethernet address such as \"02:00:00:00:00:01\"".to_string(),
            Scalar::Duration => "a length of time such as \"10ms\"".to_string(),
            Scalar::Size => "a size such as \"64KiB\"".to_string(),
            Scalar::Rate => "a rate such as \"10Mbps\"".to_string(),
            Scalar::Enum(names) => {
                let names: Vec<String> = names.iter().map(|(n, _)| format!("\"{n}\"")).collect();
                match names.as_slice() {
                    [one] => one.clone(),
                    _ => format!("one of {}", names.join(", ")),
                }
            }
        }
    }

    /// The smallest and the largest number.
    pub(super) fn range(&self) -> (i128, i128) {
        let (bits, signed) = match self {
            Scalar::Bool => (1, false),
            Scalar::Number { bits, signed } => (*bits, *signed),
            Scalar::Ip4 | Scalar::Size => (32, false),
            Scalar::Ip6 => (127, false),
            Scalar::Mac => (48, false),
            Scalar::Duration | Scalar::Rate | Scalar::Enum(_) => (64, false),
        };
        match (bits.clamp(1, 127), signed) {
            (127, _) => (0, i128::MAX),
            (bits, true) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            (bits, false) => (0, (1 << bits) - 1),
        }
    }
}
