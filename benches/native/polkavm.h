/* What polkavm's linker needs: the exports `nf` and `where`, and memory for packets. Included in front of a function. */
static unsigned char memory[0x60000] __attribute__((aligned(64)));

unsigned char *where(void)
{
	return memory;
}

#define EXPORT(name, size, in, out) \
	__asm__(".pushsection .metadata,\"\",@progbits\n" \
		"." #name "_symbol: .ascii \"" #name "\"\n" \
		"." #name "_metadata: .byte 1\n.word 0\n.word " #size "\n.word ." #name "_symbol\n" \
		".byte " #in "\n.byte " #out "\n.popsection\n" \
		".pushsection .polkavm_exports,\"R\",@note\n" \
		".byte 1\n.word ." #name "_metadata\n.word " #name "\n.popsection\n")
EXPORT(nf, 2, 3, 1);
EXPORT(where, 5, 0, 1);
