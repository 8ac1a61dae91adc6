//! A node with the images of one function, their state, and what travels with its packets.

use nfl_abi::image::{OWN_REASONS, Profile, REASONS, Verdict, VerdictKind};
use nfl_abi::{Manifest, Role};
use nfl_typeck::Bindings;
use nfl_typeck::tables::FunctionId;
use nfl_vm::{Budget, Context, Effects, Fault, Instance, Loaded, Packet, SharedState, State};

/// Makes the images of a function whose parameters have these values, each proved and loaded; or says
/// why there are none.
pub type Images<'a> = dyn Fn(FunctionId, &Bindings) -> Result<Vec<Loaded>, String> + Sync + 'a;

/// What a handler decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ran {
    /// What becomes of the packet.
    pub(crate) verdict: Verdict,
    /// The name of the reason, where there is one: capsules have a single `Drop`.
    pub(crate) reason: Option<String>,
    /// What it did to the packet beside its bytes.
    pub(crate) effects: Effects,
}

/// A node.
pub(crate) struct Node {
    images: Vec<Instance>,
    state: SharedState,
    carried: Vec<u8>,
}

impl Node {
    /// A node with these images and nothing in its tables.
    pub(crate) fn new(images: &[Loaded]) -> Result<Node, String> {
        let state = SharedState::default();
        let instances = images.iter().map(|loaded| loaded.instance_on(&state));
        let instances = instances.collect::<Result<Vec<Instance>, _>>();
        let carried = images
            .iter()
            .map(|loaded| &loaded.image().manifest.carried)
            .max_by_key(|carried| carried.len());
        Ok(Node {
            images: instances.map_err(|error| error.to_string())?,
            state,
            carried: carried.cloned().unwrap_or_default(),
        })
    }

    /// Runs the handler of a role on the bytes from its layer on.
    pub(crate) fn run(
        &mut self,
        role: Role,
        bytes: &mut Vec<u8>,
        context: &Context,
    ) -> Result<Ran, String> {
        let has = |i: &&mut Instance| i.loaded().entry(role).is_some();
        let Some(image) = self.images.iter_mut().find(has) else {
            return Err(Fault::NoEntry(role).to_string());
        };
        let carried = image.loaded().image().manifest.carried.len();
        let Some(carried) = self.carried.get_mut(..carried) else {
            return Err("the images differ in what travels with the packet".to_string());
        };
        self.state.lock().set_clock(context.clock_ns);
        let mut packet = Packet::from(std::mem::take(bytes));
        let outcome = image.run(role, &mut packet, context, carried, Budget::Proven);
        *bytes = packet.bytes().to_vec();
        let outcome = outcome.map_err(|fault| fault.to_string())?;
        Ok(Ran {
            verdict: outcome.verdict,
            reason: reason(&image.loaded().image().manifest, outcome.verdict),
            effects: outcome.effects,
        })
    }

    /// Does something to the node, and undoes it.
    pub(crate) fn try_out<T>(&mut self, probe: impl FnOnce(&mut Node) -> T) -> T {
        let before = (self.state.lock().clone(), self.carried.clone());
        let answer = probe(self);
        (*self.state.lock(), self.carried) = before;
        answer
    }

    /// Reads or changes the state.
    pub(crate) fn with_state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock())
    }

    /// The memory that travels with the packets.
    pub(crate) fn carried(&self) -> &[u8] {
        &self.carried
    }
}

/// The name of a verdict's reason.
fn reason(manifest: &Manifest, verdict: Verdict) -> Option<String> {
    let counted = match verdict.kind {
        VerdictKind::Drop => manifest.profile == Profile::Resident,
        VerdictKind::Punt => true,
        _ => false,
    };
    let number = usize::try_from(verdict.operand).ok().filter(|_| counted)?;
    let standard = REASONS.get(number).map(ToString::to_string);
    standard.or_else(|| {
        let own = number.checked_sub(usize::from(OWN_REASONS))?;
        manifest.reasons.get(own).cloned()
    })
}
