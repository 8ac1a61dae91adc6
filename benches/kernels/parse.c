/* Reads the headers of a TCP segment from 10/8, flips a bit of the TTL and leaves a tag in the sequence number. */
#include "nf.h"

NF(pkt, end, ctx)
{
	struct eth *eth = (struct eth *)pkt;
	struct ipv4 *ip = (struct ipv4 *)(eth + 1);
	struct tcp *tcp = (struct tcp *)(ip + 1);

	if ((u8 *)(tcp + 1) > end)
		return DROP;
	if (eth->type != be16(ETH_IPV4) || ip->ver_ihl != 0x45 || is_fragment(ip) || ip->proto != P_TCP)
		return DROP;
	u32 src = be32(ip->src), dst = be32(ip->dst);
	if (src >> 24 != 10)
		return DROP;
	ip->check = csum_apply(ip->check, csum_delta2(ip->ttl, ip->ttl ^ 1));
	ip->ttl ^= 1;
	tcp->seq = be32(src ^ rol32(dst, 7) ^ ((u32)be16(tcp->sport) << 16 | be16(tcp->dport)));
	return PASS;
}
