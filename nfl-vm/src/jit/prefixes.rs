//! Prefixes of IPv4, looked up by host code itself.
//!
//! In: an address, and where the arrays of a table begin. Out: host code that finds the value of the longest prefix, or 0.
//! Guaranteed: the answer is the table's; what three bytes of the address do not decide, and smaller tables that have no
//! array for the first two, it asks of a function.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I32, I64, I64X2};
use cranelift_codegen::ir::{Block, Endianness, InstBuilder, MemFlagsData, Value};

use super::roots::Root;
use super::translate::{FRAME, Translator};
use crate::tables::prefixes::{BEGINS, FEW, KIND, NODE_BYTES, WIDE};

/// An address while it is looked up, and where lookups of its table begin.
struct Sought {
    root: Value,
    /// Two bytes as a place in the first array, in bytes.
    first: Value,
    third: Value,
}

impl Translator<'_, '_> {
    /// Looks up an address that the function would take, as a little-endian word.
    pub(super) fn prefix(&mut self, root: Value, address: Value, function: usize) -> Value {
        let [large, vast, by_two, known, fully, done] = [(); 6].map(|()| self.b.create_block());
        self.b.set_cold_block(fully);
        let leaf = self.b.append_block_param(known, I32);
        let answer = self.b.append_block_param(done, I64);

        let short = self.of_root(root, Root::SHORT);
        self.b.ins().brif(short, large, &[], fully, &[]);
        self.open_block(large);
        let flat = self.of_root(root, Root::FLAT);
        self.b.ins().brif(flat, vast, &[], by_two, &[]);
        self.open_block(vast);
        self.leaf_of_three(flat, address, [known, fully, by_two]);

        self.open_block(by_two);
        let sought = self.sought(root, address);
        let place = self.b.ins().iadd(short, sought.first);
        let next = self.b.ins().load(I32, FRAME, place, 0);
        self.leaf(&sought, next, [known, fully, done]);

        self.open_block(known);
        let (values, size) = (
            self.of_root(root, Root::VALUES),
            self.of_root(root, Root::VALUE_BYTES),
        );
        let leaf = self.b.ins().uextend(I64, leaf);
        let place = self.b.ins().imul(leaf, size);
        let value = self.b.ins().iadd(values, place);
        self.b.ins().jump(done, &[value.into()]);

        self.open_block(fully);
        let value = self.ask_at(function, &[(I64, root), (I64, address)]);
        self.b.ins().jump(done, &[value.into()]);

        self.open_block(done);
        answer
    }

    fn sought(&mut self, root: Value, address: Value) -> Sought {
        let address = self.b.ins().ireduce(I32, address);
        let two = self.b.ins().ireduce(I16, address);
        let two = self.b.ins().bswap(two);
        let third = self.b.ins().ushr_imm_u(address, 16);
        Sought {
            root,
            first: self.doubled(two, 2),
            third: self.b.ins().band_imm_u(third, 0xff),
        }
    }

    /// Goes to `known` with the leaf of a prefix, to `fully`, or on to `by_two`, from what the largest array says.
    fn leaf_of_three(&mut self, flat: Value, address: Value, [known, fully, by_two]: [Block; 3]) {
        let other = self.b.create_block();
        let address = self.b.ins().ireduce(I32, address);
        let address = self.b.ins().bswap(address);
        let three = self.b.ins().ushr_imm_u(address, 8);
        let place = self.doubled(three, 2);
        let place = self.b.ins().iadd(flat, place);
        let next = self.b.ins().load(I32, FRAME, place, 0);
        let is_leaf = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, next, 0);
        let leads = &[next.into()];
        self.b.ins().brif(is_leaf, known, leads, other, &[]);
        self.open_block(other);
        self.b.ins().brif(next, fully, &[], by_two, &[]);
    }

    /// Goes to `known` with the leaf of a prefix, to `done` with nothing, or to `fully`, from what the first array says.
    fn leaf(&mut self, sought: &Sought, next: Value, [known, fully, done]: [Block; 3]) {
        let [below, above, wide, few, leaf, deeper, none] = [(); 7].map(|()| self.b.create_block());
        let found = self.b.append_block_param(leaf, I32);

        let is_below = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, next, 0);
        self.b.ins().brif(is_below, below, &[], above, &[]);
        self.open_block(above);
        let most = i64::from(WIDE);
        let is_wide = self
            .b
            .ins()
            .icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, next, most);
        let leads = &[next.into()];
        self.b.ins().brif(is_wide, wide, &[], leaf, leads);
        self.open_block(wide);
        let run = self.b.ins().band_imm_u(next, most - 1);
        let run = self.b.ins().iadd(run, sought.third);
        let place = self.doubled(run, 2);
        let place = self.in_array(sought, Root::RUNS, place);
        let run = self.b.ins().load(I32, FRAME, place, 0);
        self.b.ins().jump(leaf, &[run.into()]);

        self.open_block(below);
        let node = self.b.ins().band_imm_u(next, i64::from(i32::MAX));
        let node = self.doubled(node, NODE_BYTES.ilog2().into());
        let node = self.in_array(sought, Root::NODES, node);
        let kind = self.b.ins().load(I16, FRAME, node, KIND);
        let most = FEW as i64;
        let is_few = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, kind, most);
        self.b.ins().brif(is_few, few, &[], fully, &[]);
        self.open_block(few);
        let run = self.run_of(sought, node);
        self.b.ins().jump(leaf, &[run.into()]);

        self.open_block(leaf);
        let is_leaf = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, found, 0);
        let leads = &[found.into()];
        self.b.ins().brif(is_leaf, known, leads, deeper, &[]);
        self.open_block(deeper);
        self.b.ins().brif(found, fully, &[], none, &[]);
        self.open_block(none);
        let place = self.in_array(sought, Root::SHORT_FOUND, sought.first);
        let above = self.b.ins().load(I32, FRAME, place, 0);
        let nothing = self.b.ins().iconst(I64, 0);
        let (leads, ends) = (&[above.into()], &[nothing.into()]);
        self.b.ins().brif(above, known, leads, done, ends);
    }

    /// Where the third byte leads in a node of few runs: to the last that begins at it or before.
    fn run_of(&mut self, sought: &Sought, node: Value) -> Value {
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        let begins = self.b.ins().load(I64, FRAME, node, BEGINS);
        let begins = self.b.ins().scalar_to_vector(I64X2, begins);
        let begins = self.b.ins().bitcast(I8X16, flags, begins);
        let third = self.b.ins().ireduce(I8, sought.third);
        let third = self.b.ins().splat(I8X16, third);
        let begun = self
            .b
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, third, begins);
        let begun = self.b.ins().vhigh_bits(I32, begun);
        let begun = self.b.ins().popcnt(begun);
        let place = self.doubled(begun, 2);
        let place = self.b.ins().iadd(node, place);
        // The zeros behind what begins are not above the byte either, and the first run always begins.
        let before = I8X16.lane_count() as i32 - FEW as i32 + 1;
        self.b.ins().load(I32, FRAME, place, -4 * before)
    }

    /// A word of a root.
    pub(super) fn of_root(&mut self, root: Value, at: i32) -> Value {
        self.b.ins().load(I64, FRAME, root, at)
    }

    /// A place in an array of a root.
    fn in_array(&mut self, sought: &Sought, at: i32, place: Value) -> Value {
        let start = self.of_root(sought.root, at);
        self.b.ins().iadd(start, place)
    }

    /// A number doubled so many times.
    fn doubled(&mut self, number: Value, times: i64) -> Value {
        let number = self.b.ins().uextend(I64, number);
        self.b.ins().ishl_imm_u(number, times)
    }

    /// Goes on in a block to which all ways are there already.
    pub(super) fn open_block(&mut self, block: Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }
}
