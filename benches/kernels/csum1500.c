/* The Internet checksum (RFC 1071) of 1,500 bytes behind the link header, into the first bytes of the frame. */
#include "nf.h"

NF(pkt, end, ctx)
{
	u16 *word = (u16 *)(pkt + 14);
	u32 sum = 0;

	if (pkt + 1514 > end)
		return DROP;
#ifdef __clang__
#pragma clang loop unroll(disable) vectorize(disable)
#endif
	for (u32 i = 0; i < 750; i++)
		sum += word[i];
	*(u16 *)pkt = ~csum_fold(sum);
	return PASS;
}
