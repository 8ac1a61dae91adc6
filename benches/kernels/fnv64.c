/* FNV-1a over 64 bytes behind the link header, into the first bytes of the frame. */
#include "nf.h"

NF(pkt, end, ctx)
{
	u32 hash = 0x811c9dc5;

	if (pkt + 78 > end)
		return DROP;
#ifdef __clang__
#pragma clang loop unroll(disable) vectorize(disable)
#endif
	for (u32 i = 0; i < 64; i++)
		hash = (hash ^ pkt[14 + i]) * 0x01000193;
	*(u16 *)pkt = be16(hash >> 16);
	*(u16 *)(pkt + 2) = be16(hash);
	return PASS;
}
