/* Tables for the C functions: open addressing for exact keys, DIR-24-8 for prefixes (Gupta, Lin, McKeown 1998).
 *
 * The hash is seeded, since keys come from packets; a node's is. Nothing ages and nothing is bounded but by the size of a table. */
#include <stdlib.h>
#include <string.h>
#include "nf.h"

enum { SLOTS = 1 << 16, KEY = 16, VALUE = 16, ROUTES = 1 << 21 };

struct slot { u32 used; u8 key[KEY], value[VALUE]; };
struct map { u32 key, value; struct slot slots[SLOTS]; };

static struct map maps[N_MAPS];
u64 bench_seed = 0x9e3779b97f4a7c15;
static u32 now;

/* A leaf is the number of a route plus one, or with the top bit the number of a block of 256 leaves. */
static u32 *top, *blocks;
static u8 *top_bits, *block_bits;
static u32 n_blocks;
static struct route *routes;
static u32 n_routes;

static u64 fold(u64 a, u64 b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (u64)p ^ (u64)(p >> 64);
}

static inline u32 spread4(const void *key)
{
	u32 k;

	memcpy(&k, key, 4);
	return fold(k ^ bench_seed, 0xa0761d6478bd642f) & (SLOTS - 1);
}

static inline u32 spread16(const void *key)
{
	u64 k[2];

	memcpy(k, key, 16);
	return fold(fold(k[0] ^ bench_seed, 0xa0761d6478bd642f) ^ k[1], 0xe7037ed1a0b428db) & (SLOTS - 1);
}

static inline struct slot *find4(struct map *m, const void *key)
{
	for (u32 at = spread4(key);; at = (at + 1) & (SLOTS - 1))
		if (!m->slots[at].used || !memcmp(m->slots[at].key, key, 4))
			return &m->slots[at];
}

static inline struct slot *find16(struct map *m, const void *key)
{
	for (u32 at = spread16(key);; at = (at + 1) & (SLOTS - 1))
		if (!m->slots[at].used || !memcmp(m->slots[at].key, key, 16))
			return &m->slots[at];
}

static void *route(const void *address)
{
	u32 a;

	memcpy(&a, address, 4);
	a = be32(a);
	u32 leaf = top[a >> 8];
	if (leaf >> 31)
		leaf = blocks[(leaf & 0x7fffffff) * 256 + (a & 255)];
	return leaf ? &routes[leaf - 1] : 0;
}

void *nf_map_lookup(u32 map, const void *key)
{
	if (map == MAP_routes)
		return route(key);
	struct slot *s = map == MAP_nat ? find16(&maps[map], key) : find4(&maps[map], key);
	return s->used ? s->value : 0;
}

int nf_map_update(u32 map, const void *key, const void *value)
{
	struct map *m = &maps[map];
	struct slot *s = map == MAP_nat ? find16(m, key) : find4(m, key);

	if (!s->used) {
		s->used = 1;
		memcpy(s->key, key, map == MAP_nat ? 16 : 4);
	}
	memcpy(s->value, value, map == MAP_nat ? sizeof(struct nat) : 4);
	return 0;
}

u32 nf_time_ns_lo(void)
{
	return now;
}

/* ------------------------------------------------- the side of the harness */

void bench_time(u32 ns)
{
	now = ns;
}

void bench_reset(void)
{
	memset(maps, 0, sizeof(maps));
	free(top), free(blocks), free(top_bits), free(block_bits), free(routes);
	top = calloc(1 << 24, 4);
	top_bits = calloc(1 << 24, 1);
	blocks = 0;
	block_bits = 0;
	routes = calloc(ROUTES, sizeof(*routes));
	n_blocks = 0;
	n_routes = 0;
	if (!top || !top_bits || !routes)
		abort();
}

static u32 block_for(u32 at)
{
	if (top[at] >> 31)
		return top[at] & 0x7fffffff;
	if (n_blocks % 1024 == 0) {
		blocks = realloc(blocks, (n_blocks + 1024) * 256 * sizeof(*blocks));
		block_bits = realloc(block_bits, (n_blocks + 1024) * 256);
		if (!blocks || !block_bits)
			abort();
	}
	for (u32 i = 0; i < 256; i++) {
		blocks[n_blocks * 256 + i] = top[at];
		block_bits[n_blocks * 256 + i] = top_bits[at];
	}
	top[at] = 0x80000000 | n_blocks;
	return n_blocks++;
}

/* A prefix; the address in wire order. Shorter ones may come after longer ones. */
void bench_route(const u8 *address, u32 bits, const u8 *value)
{
	u32 a, leaf = n_routes + 1;

	if (n_routes == ROUTES)
		abort();
	memcpy(&routes[n_routes++], value, sizeof(*routes));
	memcpy(&a, address, 4);
	a = be32(a);
	if (bits > 24) {
		u32 base = block_for(a >> 8) * 256 + (a & 255);

		for (u32 i = 0; i < 1u << (32 - bits); i++)
			if (block_bits[base + i] <= bits)
				blocks[base + i] = leaf, block_bits[base + i] = bits;
		return;
	}
	for (u32 i = 0; i < 1u << (24 - bits); i++) {
		u32 at = (a >> 8) + i;

		if (top[at] >> 31) {
			u32 base = (top[at] & 0x7fffffff) * 256;

			for (u32 j = 0; j < 256; j++)
				if (block_bits[base + j] <= bits)
					blocks[base + j] = leaf, block_bits[base + j] = bits;
		} else if (top_bits[at] <= bits) {
			top[at] = leaf, top_bits[at] = bits;
		}
	}
}

/* The entries of a map with 4-byte keys and values, at most `room`; answers how many. */
u32 bench_entries(u32 map, u32 *out, u32 room)
{
	u32 n = 0;

	for (u32 i = 0; i < SLOTS; i++)
		if (maps[map].slots[i].used && n < room) {
			memcpy(&out[2 * n], maps[map].slots[i].key, 4);
			memcpy(&out[2 * n++ + 1], maps[map].slots[i].value, 4);
		}
	return n;
}
