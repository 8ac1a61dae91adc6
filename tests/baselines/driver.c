/* A node for one function: reads commands, runs packets, writes what became of them.
 *
 * In, numbers little-endian and 32 bits wide:
 *   1 map key_bytes value_bytes key value   an entry; of the map of routes a key is 4 bytes and has
 *                                           behind it the length of the prefix (4 bytes)
 *   2 node queue time length bytes          a packet
 *   3 map                                   asks for the entries of a map
 * Out:
 *   2 -> verdict port bytes                 (as many bytes as came in)
 *   3 -> count, then for each key and value */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nf.h"

enum { ENTRIES = 4096, KEY = 16, VALUE = 16, BUFFER = 1 << 18 };

struct entry { u8 key[KEY], value[VALUE]; u32 bits; };
struct map { u32 key, value, count; struct entry entries[ENTRIES]; };

static struct map maps[N_MAPS];
static u32 now;

u32 nf(u8 *pkt, u32 len, struct ctx *ctx);

static void die(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(1);
}

static int under(const u8 *address, const struct entry *e)
{
	for (u32 bit = 0; bit < e->bits; bit++)
		if ((address[bit / 8] ^ e->key[bit / 8]) >> (7 - bit % 8) & 1)
			return 0;
	return 1;
}

static struct entry *find(struct map *m, const void *key)
{
	struct entry *best = 0;

	for (u32 i = 0; i < m->count; i++) {
		struct entry *e = &m->entries[i];

		if (m == &maps[MAP_routes]) {
			if (under(key, e) && (!best || e->bits > best->bits))
				best = e;
		} else if (!memcmp(e->key, key, m->key)) {
			return e;
		}
	}
	return best;
}

void *nf_map_lookup(u32 map, const void *key)
{
	struct entry *e = find(&maps[map], key);

	return e ? e->value : 0;
}

static struct entry *add(struct map *m)
{
	if (m->count == ENTRIES)
		die("a map is full");
	return &m->entries[m->count++];
}

int nf_map_update(u32 map, const void *key, const void *value)
{
	struct map *m = &maps[map];
	struct entry *e = find(m, key);

	/* The one map that packets write, which may have no entry yet. */
	if (map == MAP_cnt24)
		m->key = m->value = 4;
	if (!e)
		e = add(m);
	memcpy(e->key, key, m->key);
	memcpy(e->value, value, m->value);
	return 0;
}

u32 nf_time_ns_lo(void)
{
	return now;
}

static int get(void *into, u32 size)
{
	return fread(into, 1, size, stdin) == size;
}

static u32 number(void)
{
	u32 n;

	if (!get(&n, 4))
		die("the input ends within a command");
	return n;
}

static struct map *named(void)
{
	u32 map = number();

	if (map >= N_MAPS)
		die("there is no such map");
	return &maps[map];
}

static void entry(void)
{
	struct map *m = named();
	struct entry *e = add(m);

	m->key = number();
	m->value = number();
	if (m->key > KEY || m->value > VALUE || !get(e->key, m->key))
		die("an entry is too large or cut short");
	if (m == &maps[MAP_routes])
		e->bits = number();
	if (!get(e->value, m->value))
		die("an entry is cut short");
}

static void packet(void)
{
	static u8 buffer[BUFFER];
	u8 *at = buffer + 2; /* so that the IP header is aligned */
	struct ctx ctx = { 0 };

	ctx.node_id = number();
	ctx.queue_depth = number();
	now = number();
	u32 length = number();
	if (length > BUFFER - 2 || !get(at, length))
		die("a packet is too large or cut short");
	u32 out[2] = { nf(at, length, &ctx), 0 };
	out[1] = ctx.port;
	fwrite(out, 4, 2, stdout);
	fwrite(at, 1, length, stdout);
}

static void show(void)
{
	struct map *m = named();

	fwrite(&m->count, 4, 1, stdout);
	for (u32 i = 0; i < m->count; i++) {
		fwrite(m->entries[i].key, 1, m->key, stdout);
		fwrite(m->entries[i].value, 1, m->value, stdout);
	}
}

int main(void)
{
	u32 command;

	while (get(&command, 4)) {
		switch (command) {
		case 1: entry(); break;
		case 2: packet(); break;
		case 3: show(); break;
		default: die("there is no such command");
		}
	}
	return 0;
}
