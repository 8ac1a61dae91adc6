"""The machine's memory as the contract lays it out, for an emulator that knows RISC-V and nothing of NFL.

Each region ends where a page ends, so that an access behind it faults.
"""

from unicorn import riscv_const as rv

PAGE = 0x1000
CONSTANTS, VECTOR, CODE = 0x400, 0x800, 0x1000
CODE_ROOM = 0x10000
SCRATCH, SCRATCH_BYTES = 0x2000_0000, 256
CONTEXT = 0x3000_0000
PACKET, PACKET_ROOM = 0x4000_0000, 0x21000
CARRIED = 0x5000_0000
STEPS_MAX = 1_000_000
EBREAK = (bytes.fromhex("0290"), bytes.fromhex("73001000"))

X = [getattr(rv, f"UC_RISCV_REG_X{n}") for n in range(32)]
SP, GP, TP, S0, S1, A0, A1, A4, A5 = 2, 3, 4, 8, 9, 10, 11, 14, 15


def ending_at_page(size):
    """Offset from which `size` bytes end at the end of a page."""
    return -size % PAGE
