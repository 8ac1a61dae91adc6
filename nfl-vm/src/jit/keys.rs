//! Exact keys of at most sixteen bytes, looked up by host code itself.
//!
//! In: the words of a key, and where the index and the cells of a table begin. Out: host code that finds the value of the key,
//! or 0. Guaranteed: the answer is the table's; where the first cell that may hold the key does not, or the key may stand in
//! another bucket than its first, host code asks a function.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use nfl_verify::Region;

use super::roots::Root;
use super::translate::{FRAME, Translator};
use crate::tables::index::{
    BUCKET_BYTES, EACH, ELSEWHERE, HIGH, LEAST_TAG, MIXER, TAG_SHIFT, TAGS,
};

impl Translator<'_, '_> {
    /// Looks up a key of one or two words that the function would take.
    pub(super) fn key(&mut self, root: Value, words: &[Value], function: usize) -> Value {
        let [here, some, none, fully, done] = [(); 5].map(|()| self.b.create_block());
        self.b.set_cold_block(fully);
        let answer = self.b.append_block_param(done, I64);

        let buckets = self.of_root(root, Root::BUCKETS);
        self.b.ins().brif(buckets, here, &[], fully, &[]);
        self.open_block(here);
        let hash = self.hash(root, words);
        let shift = self.of_root(root, Root::SHIFT);
        let bucket = self.b.ins().ushr(hash, shift);
        let bucket = self.b.ins().imul_imm_u(bucket, BUCKET_BYTES as i64);
        let bucket = self.b.ins().iadd(buckets, bucket);
        let tags = self.tags(bucket, hash);
        self.b.ins().brif(tags, some, &[], none, &[]);

        self.open_block(none);
        let elsewhere = self.b.ins().load(I32, FRAME, bucket, ELSEWHERE);
        let nothing = self.b.ins().iconst(I64, 0);
        let ends = &[nothing.into()];
        self.b.ins().brif(elsewhere, fully, &[], done, ends);

        self.open_block(some);
        let cell = self.cell(root, bucket, tags);
        let mut differs = self.b.ins().iconst(I64, 0);
        for (n, &word) in words.iter().enumerate() {
            // Cells stand at any place, as values do.
            let flags = self.flags(Region::Value);
            let held = self.b.ins().load(I64, flags, cell, 8 * n as i32);
            let apart = self.b.ins().bxor(held, word);
            differs = self.b.ins().bor(differs, apart);
        }
        let value = self.b.ins().iadd_imm_u(cell, 8 * words.len() as i64);
        let ends = &[value.into()];
        self.b.ins().brif(differs, fully, &[], done, ends);

        self.open_block(fully);
        let mut given = vec![(I64, root)];
        given.extend(words.iter().map(|&word| (I64, word)));
        let value = self.ask_at(function, &given);
        self.b.ins().jump(done, &[value.into()]);

        self.open_block(done);
        answer
    }

    /// The hash of a key.
    fn hash(&mut self, root: Value, words: &[Value]) -> Value {
        let secrets = [Root::FIRST_SECRET, Root::SECOND_SECRET];
        let [a, b] = [0, 1].map(|n| {
            let secret = self.of_root(root, secrets[n]);
            match words.get(n) {
                Some(&word) => self.b.ins().iadd(word, secret),
                None => secret,
            }
        });
        let (low, high) = (self.b.ins().imul(a, b), self.b.ins().umulhi(a, b));
        let folded = self.b.ins().bxor(low, high);
        let mixer = self.b.ins().iconst(I64, MIXER.cast_signed());
        self.b.ins().imul(folded, mixer)
    }

    /// The highest bit of each byte of a bucket's tags that is that of a hash, at least of the first one.
    fn tags(&mut self, bucket: Value, hash: Value) -> Value {
        let [each, high] = [EACH, HIGH].map(|n| self.b.ins().iconst(I64, n.cast_signed()));
        let tag = self.b.ins().ushr_imm_u(hash, i64::from(TAG_SHIFT));
        let tag = self.b.ins().band_imm_u(tag, 0xff);
        let least = self.b.ins().iconst(I64, i64::from(LEAST_TAG));
        let is_less = self.b.ins().icmp(IntCC::UnsignedLessThan, tag, least);
        let tag = self.b.ins().select(is_less, least, tag);
        let tag = self.b.ins().imul(tag, each);
        let held = self.b.ins().load(I64, FRAME, bucket, TAGS);
        let differ = self.b.ins().bxor(held, tag);
        let less = self.b.ins().isub(differ, each);
        let less = self.b.ins().band_not(less, differ);
        self.b.ins().band(less, high)
    }

    /// Where the cell begins of the first of these tags.
    fn cell(&mut self, root: Value, bucket: Value, tags: Value) -> Value {
        let place = self.b.ins().ctz(tags);
        let place = self.b.ins().ushr_imm_u(place, 3);
        let place = self.b.ins().ishl_imm_u(place, 2);
        let place = self.b.ins().iadd(bucket, place);
        let cell = self.b.ins().uload32(FRAME, place, 0);
        let [chunks, shift, mask, bytes] = [
            Root::CHUNKS,
            Root::CHUNK_SHIFT,
            Root::CHUNK_MASK,
            Root::CELL_BYTES,
        ]
        .map(|at| self.of_root(root, at));
        let chunk = self.b.ins().ushr(cell, shift);
        let chunk = self.b.ins().ishl_imm_u(chunk, 3);
        let chunk = self.b.ins().iadd(chunks, chunk);
        let chunk = self.b.ins().load(I64, FRAME, chunk, 0);
        let within = self.b.ins().band(cell, mask);
        let within = self.b.ins().imul(within, bytes);
        self.b.ins().iadd(chunk, within)
    }
}
