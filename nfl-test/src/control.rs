//! Resources as the controller sees them, and what nodes have to report.
//!
//! In: operations on resources of an instance. Out: what they do to its state. A resource that the
//! compiler left out, because no handler needs it, is empty and takes everything.

use nfl_abi::image::ResourceKind;
use nfl_syntax::ast::{Arg, ExprId, ExprKind};
use nfl_typeck::tables::{CarriedId, RecordId, ResourceDef, ResourceId};
use nfl_typeck::test::Control;
use nfl_typeck::ty::{Ty, TyKind};
use nfl_typeck::{Bindings, Intrinsic};
use nfl_vm::{Count, Part, State, StateError, TernaryRule};

use crate::layout::Layouts;
use crate::run::{Eval, Run, Stop, stop};
use crate::value::Value;

/// A resource of an instance.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Named {
    /// The instance.
    pub(crate) at: usize,
    pub(crate) id: ResourceId,
    /// The element of an array.
    pub(crate) index: u32,
}

/// What a missing resource answers.
fn unless_missing<T>(result: Result<T, StateError>, empty: T) -> Eval<T> {
    match result {
        Ok(value) => Ok(value),
        Err(StateError::NoSuchResource(_)) => Ok(empty),
        Err(error) => Err(Stop::Sentence(error.to_string())),
    }
}

impl<'a> Run<'a> {
    pub(crate) fn layouts(&self, at: usize) -> Layouts<'_> {
        Layouts {
            t: self.t,
            bindings: &self.instances[at].bindings,
        }
    }

    fn resource(&self, named: Named) -> &'a ResourceDef {
        &self.t.resources[named.id]
    }

    /// Reads or changes the state of a resource.
    fn state<T>(
        &self,
        named: Named,
        empty: T,
        with: impl FnOnce(&mut State, &str) -> Result<T, StateError>,
    ) -> Eval<T> {
        let own = self.sound.program().names.text(self.resource(named).name);
        let instance = &self.instances[named.at];
        // In a chain two stages may have resources of one name.
        let stages = self.t.functions[instance.function].stages.iter();
        let stage = stages.into_iter().find(|stage| {
            self.t.functions[stage.function]
                .resources
                .contains(&named.id)
        });
        let name = match stage {
            Some(stage) => format!("{}.{own}", stage.name),
            None => own.to_string(),
        };
        let result = instance.node.with_state(|state| with(state, &name));
        unless_missing(result, empty)
    }

    fn bytes_of(&self, named: Named, ty: Option<Ty>, value: &Value) -> Eval<Vec<u8>> {
        if let Value::Flow(flow) = value {
            return Ok(flow.to_bytes());
        }
        let bytes = ty.and_then(|ty| self.layouts(named.at).encode(ty, value));
        match bytes {
            Some(bytes) => Ok(bytes),
            None => stop("this value cannot lie in a resource"),
        }
    }

    fn key(&self, named: Named, value: &Value) -> Eval<Vec<u8>> {
        let def = self.resource(named);
        match def.kind {
            ResourceKind::Slots => match value {
                Value::Int(n) => Ok((*n as u32).to_le_bytes().to_vec()),
                _ => stop("a slot is a number"),
            },
            ResourceKind::Ring => self.bytes_of(named, def.value, value),
            _ => self.bytes_of(named, def.key, value),
        }
    }

    fn value_in(&self, named: Named, bytes: Option<Vec<u8>>, lookup: Ty) -> Eval<Value> {
        let def = self.resource(named);
        let found = bytes.map(|bytes| {
            let ty = def.value.unwrap_or_default();
            self.layouts(named.at).decode(ty, &bytes)
        });
        match found {
            Some(None) => stop("the value is shorter than its type"),
            Some(Some(value)) => self.hit(Some(value), lookup),
            None => self.hit(None, lookup),
        }
    }

    /// What the controller does.
    pub(crate) fn controlled(
        &mut self,
        control: Control,
        named: Named,
        args: &[Arg],
    ) -> Eval<Value> {
        let def = self.resource(named);
        let mut values = Vec::new();
        for arg in args {
            values.push(self.initial(arg.value)?);
        }
        match (control, values.as_slice()) {
            (Control::Add, [key, rest @ ..]) => self.add(named, key, rest),
            (Control::Remove, [key]) => {
                self.remove(named, key)?;
                Ok(Value::Void)
            }
            (Control::Contains, [key]) => {
                let key = self.key(named, key)?;
                let found = self.state(named, false, |state, name| {
                    Ok(state.get(name, &key)?.is_some())
                })?;
                Ok(Value::Bool(found))
            }
            (Control::Clear, _) => {
                self.state(named, (), |state, name| state.clear(name))?;
                Ok(Value::Void)
            }
            (Control::Packets | Control::Bytes, keys) => {
                let count = match (def.kind, keys) {
                    (ResourceKind::Counters, [key]) => {
                        let key = self.key(named, key)?;
                        self.state(named, Count::default(), |state, name| {
                            state.counter_of(name, &key)
                        })?
                    }
                    _ => self.state(named, Count::default(), |state, name| {
                        state.counter(name, named.index)
                    })?,
                };
                let number = match control {
                    Control::Packets => count.packets,
                    _ => count.bytes,
                };
                Ok(Value::Int(i128::from(number)))
            }
            _ => stop("this operation is not known to tests"),
        }
    }

    fn add(&mut self, named: Named, key: &Value, rest: &[Value]) -> Eval<Value> {
        let def = self.resource(named);
        let value = match rest.first() {
            Some(value) => self.bytes_of(named, def.value, value)?,
            None => Vec::new(),
        };
        match (def.kind, key) {
            (ResourceKind::Lpm, _) => {
                let (address, bits) = prefix(key)?;
                self.state(named, (), |state, name| {
                    state.insert_prefix(name, &address, bits, &value)
                })?;
            }
            (ResourceKind::Ternary, _) => {
                let priority = match rest.get(1) {
                    Some(Value::Int(n)) => *n as u32,
                    _ => 0,
                };
                let parts = self.rule(named, key)?;
                let rule = TernaryRule {
                    priority,
                    parts,
                    value,
                };
                self.state(named, (), |state, name| state.insert_rule(name, rule))?;
            }
            _ => {
                let key = self.key(named, key)?;
                self.state(named, (), |state, name| state.insert(name, &key, &value))?;
            }
        }
        Ok(Value::Void)
    }

    fn remove(&mut self, named: Named, key: &Value) -> Eval<bool> {
        match self.resource(named).kind {
            ResourceKind::Lpm => {
                let (address, bits) = prefix(key)?;
                self.state(named, false, |state, name| {
                    state.remove_prefix(name, &address, bits)
                })
            }
            ResourceKind::Ternary => {
                let rule = TernaryRule {
                    priority: 0,
                    parts: self.rule(named, key)?,
                    value: Vec::new(),
                };
                self.state(named, false, |state, name| state.remove_rule(name, &rule))
            }
            _ => {
                let key = self.key(named, key)?;
                self.state(named, false, |state, name| state.remove(name, &key))
            }
        }
    }

    /// The parts of a ternary rule: those that are named, or all components of a record.
    fn rule(&self, named: Named, key: &Value) -> Eval<Vec<Part>> {
        let ty = self.resource(named).key.unwrap_or_default();
        let layouts = self.layouts(named.at);
        let leaves = layouts.of(ty).leaves;
        let part = |at: usize, lo: u128, hi: u128| {
            let leaf = leaves.get(at)?;
            Some(Part {
                offset: leaf.offset as u16,
                bytes: leaf.bytes as u8,
                big_endian: leaf.wire,
                lo,
                hi,
            })
        };
        let parts: Option<Vec<Part>> = match key {
            Value::Rule(ranges) => ranges
                .iter()
                .map(|&(at, lo, hi)| part(at, lo, hi))
                .collect(),
            _ => {
                let bytes = self.bytes_of(named, Some(ty), key)?;
                let leaves = leaves.iter().enumerate();
                leaves
                    .map(|(at, leaf)| leaf.read(&bytes).and_then(|n| part(at, n, n)))
                    .collect()
            }
        };
        match parts {
            Some(parts) => Ok(parts),
            None => stop("this is no rule over the key of the table"),
        }
    }

    /// `AclKey.where(src = 10.0.0.0/8, dport = 1024..65535)`
    pub(crate) fn ranges(&mut self, record: RecordId, args: &[Arg]) -> Eval<Value> {
        let components = &self.t.records[record].components;
        let mut ranges = Vec::new();
        for arg in args {
            let named = arg.name.map(|n| n.name);
            let at = components.iter().position(|c| Some(c.name) == named);
            let Some(at) = at else {
                return stop("each part of a rule names a component");
            };
            let (lo, hi) = match self.ast.exprs[arg.value].kind {
                ExprKind::Range { lo, hi } => (self.eval(lo)?, self.eval(hi)?),
                _ => match self.eval(arg.value)? {
                    Value::Prefix4(address, len) => {
                        let host = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
                        let last = i128::from(address | host);
                        (Value::Int(i128::from(address)), Value::Int(last))
                    }
                    Value::Prefix6(address, len) => {
                        let host = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
                        (Value::Ip6(address), Value::Ip6(address | host))
                    }
                    one => (one.clone(), one),
                },
            };
            let no_parameters = Bindings::default();
            let layouts = Layouts {
                t: self.t,
                bindings: &no_parameters,
            };
            let before = components[..at].iter();
            let place = before.map(|c| layouts.of(c.ty).leaves.len()).sum();
            match (crate::wire::bits_of(&lo), crate::wire::bits_of(&hi)) {
                (Some(lo), Some(hi)) => ranges.push((place, lo, hi)),
                _ => return stop("a rule asks for numbers and addresses"),
            }
        }
        Ok(Value::Rule(ranges))
    }

    /// The operations that handlers have too. Nothing is renewed by looking.
    pub(crate) fn operation(
        &mut self,
        e: ExprId,
        which: Intrinsic,
        named: Named,
        args: &[Arg],
    ) -> Eval<Value> {
        let def = self.resource(named);
        let ty = self.t.expr_ty[e];
        let values = self.arguments(e, args)?;
        match (which, values.as_slice()) {
            (
                Intrinsic::TableGet
                | Intrinsic::LpmGet
                | Intrinsic::TernaryMatch
                | Intrinsic::FlowGet
                | Intrinsic::SlotGet
                | Intrinsic::TagLookup,
                [key],
            ) => {
                let key = self.key(named, key)?;
                let found = self.state(named, None, |state, name| {
                    Ok(state.get(name, &key)?.map(<[u8]>::to_vec))
                })?;
                self.value_in(named, found, ty)
            }
            (Intrinsic::SetContains | Intrinsic::FlowContains, [key]) => {
                let key = self.key(named, key)?;
                let found = self.state(named, false, |state, name| {
                    Ok(state.get(name, &key)?.is_some())
                })?;
                Ok(Value::Bool(found))
            }
            (Intrinsic::FlowPut, [key, rest @ ..]) | (Intrinsic::FlowAdd, [key, rest @ ..]) => {
                self.add(named, key, rest)?;
                Ok(Value::Bool(true))
            }
            (Intrinsic::FlowRemove | Intrinsic::SlotRemove, [key]) => {
                self.remove(named, key).map(Value::Bool)
            }
            (Intrinsic::RegisterGet, []) => {
                let value_ty = def.value.unwrap_or_default();
                let size = self.layouts(named.at).of(value_ty).size;
                let bytes = self.state(named, vec![0; size], |state, name| {
                    state.register(name, named.index)
                })?;
                match self.layouts(named.at).decode(value_ty, &bytes) {
                    Some(value) => Ok(value),
                    None => stop("the value is shorter than its type"),
                }
            }
            (Intrinsic::RegisterSet, [value]) => {
                let bytes = self.bytes_of(named, def.value, value)?;
                self.state(named, (), |state, name| {
                    state.set_register(name, named.index, &bytes)
                })?;
                Ok(Value::Void)
            }
            (Intrinsic::TopicMembers, []) => {
                let group = self.state(named, 0, |state, name| state.group(name))?;
                Ok(Value::Int(i128::from(group)))
            }
            _ => stop("only handlers do this"),
        }
    }

    /// A field of the memory that travels with the packets of an instance.
    pub(crate) fn carried(&mut self, at: usize, field: CarriedId) -> Eval<Value> {
        let t = self.t;
        let layouts = self.layouts(at);
        let bytes = self.instances[at].node.carried();
        let mut offset = 0;
        let whole = &t.functions[self.instances[at].function];
        let stages = whole
            .stages
            .iter()
            .map(|stage| &t.functions[stage.function]);
        let all = std::iter::once(whole).chain(stages);
        for &id in all.flat_map(|function| &function.carried) {
            let ty = t.carried[id].ty;
            let size = layouts.of(ty).size;
            if id == field {
                let value = bytes.get(offset..).and_then(|b| layouts.decode(ty, b));
                return match value {
                    Some(value) => Ok(value),
                    None => stop("this field is not among what travels with the packet"),
                };
            }
            offset += size;
        }
        stop("this field belongs to another function")
    }

    /// All reports, in the order of the instances that made them.
    fn all_reports(&self) -> Vec<(usize, nfl_vm::Reported)> {
        let mut all = Vec::new();
        for (at, instance) in self.instances.iter().enumerate() {
            let reports = instance.node.with_state(|state| state.reports().to_vec());
            all.extend(reports.into_iter().map(|report| (at, report)));
        }
        all
    }

    /// `logs.length`
    pub(crate) fn logs_length(&self) -> Value {
        let lines = self.instances.iter().map(|instance| {
            let node = &instance.node;
            node.with_state(|state| state.logs().len())
        });
        Value::Int(lines.sum::<usize>() as i128)
    }

    /// `reports.length`
    pub(crate) fn reports_length(&self) -> Value {
        Value::Int(self.all_reports().len() as i128)
    }

    /// `reports[i]`
    pub(crate) fn report(&mut self, index: ExprId) -> Eval<Value> {
        let index = usize::try_from(self.number(index)?).unwrap_or(usize::MAX);
        let all = self.all_reports();
        let Some((at, report)) = all.get(index) else {
            let count = all.len();
            return stop(format!("there is no report {index}: the list has {count}"));
        };
        let mut records = self.t.records.iter();
        let names = &self.sound.program().names;
        let record = records
            .find(|(_, r)| names.text(r.name) == report.record || r.qualified == report.record);
        let value = record.and_then(|(id, _)| {
            let types = &self.t.types;
            let ty = types.find(TyKind::Record(id))?;
            self.layouts(*at).decode(ty, &report.bytes)
        });
        match value {
            Some(value) => Ok(value),
            None => stop(format!("`{}` is no record of this program", report.record)),
        }
    }
}

/// An address in wire order and how many of its bits count.
fn prefix(value: &Value) -> Eval<(Vec<u8>, u16)> {
    Ok(match value {
        Value::Prefix4(address, len) => (address.to_be_bytes().to_vec(), u16::from(*len)),
        Value::Prefix6(address, len) => (address.to_be_bytes().to_vec(), u16::from(*len)),
        Value::Int(address) => ((*address as u32).to_be_bytes().to_vec(), 32),
        Value::Ip6(address) => (address.to_be_bytes().to_vec(), 128),
        _ => return stop("a prefix or an address is needed here"),
    })
}
