#!/usr/bin/env python3
"""Repeats the runs on standard input on an emulator that is not ours, and compares everything.

In: the JSON lines of `vectors`. Out: a line with the number of runs, exit status 1 and the first
differences when there are any. The emulator knows RISC-V and nothing of NFL: memory is laid out here
as the contract says, with the packet's readable window ending at the end of its page, so that an
access behind it faults; registers and scratch that are undefined hold noise.
"""

import json
import random
import struct
import sys

from unicorn import (
    UC_ARCH_RISCV,
    UC_HOOK_CODE,
    UC_MODE_RISCV32,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
    Uc,
    UcError,
)

from machine import (
    A0, A1, A4, A5, CARRIED, CODE, CODE_ROOM, CONSTANTS, CONTEXT, EBREAK, GP, PACKET, PACKET_ROOM, PAGE, S0, S1, SCRATCH,
    SCRATCH_BYTES, SP, STEPS_MAX, TP, X, ending_at_page,
)

SHOWN = 10


class Emulator:
    """One entry of an image, loaded."""

    def __init__(self, head):
        self.head = head
        self.code = bytes.fromhex(head["code"])
        self.noise = random.Random(7)
        uc = self.uc = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
        uc.mem_map(0, PAGE, UC_PROT_READ)
        uc.mem_map(CODE, CODE_ROOM, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_map(SCRATCH, PAGE, UC_PROT_READ | UC_PROT_WRITE)
        uc.mem_map(CONTEXT, PAGE, UC_PROT_READ)
        uc.mem_map(PACKET, PACKET_ROOM, UC_PROT_READ | UC_PROT_WRITE)
        uc.mem_map(CARRIED, PAGE, UC_PROT_READ | UC_PROT_WRITE)
        uc.mem_write(CONSTANTS, bytes.fromhex(head["constants"]))
        uc.mem_write(CODE, self.code)
        uc.hook_add(UC_HOOK_CODE, self.count)

    def count(self, uc, address, size, data):
        self.steps += 1
        # The emulator has no debugger that `ebreak` could go to, so the end is seen before it is run.
        at = address - CODE
        if self.code[at:at + size] in EBREAK:
            self.ended = True
            uc.emu_stop()

    def run(self, vector):
        """What the code makes of a packet: verdict, packet, carried bytes, steps."""
        uc, head = self.uc, self.head
        packet = bytes.fromhex(vector["packet"])
        carried = bytes.fromhex(vector["carried"])
        if len(packet) < head["need"]:
            return head["malformed"], packet, carried, 0
        readable = max(len(packet), head["window"])
        packet_at = PACKET + ending_at_page(readable)
        carried_at = CARRIED + ending_at_page(len(carried))
        uc.mem_write(packet_at, packet + bytes(readable - len(packet)))
        uc.mem_write(carried_at, carried)
        uc.mem_write(SCRATCH, self.noise.randbytes(SCRATCH_BYTES))
        uc.mem_write(CONTEXT, struct.pack("<8I", *vector["context"]))
        for register in X[1:]:
            uc.reg_write(register, self.noise.getrandbits(32))
        for register, value in (
            (SP, SCRATCH), (GP, CONTEXT), (A5, CONTEXT), (TP, carried_at), (A4, carried_at),
            (S0, packet_at), (S1, len(packet)), (A0, 0), (A1, 0),
        ):
            uc.reg_write(X[register], value)
        self.steps, self.ended = 0, False
        uc.emu_start(CODE + head["pc"], CODE + CODE_ROOM, count=STEPS_MAX)
        if not self.ended:
            raise RuntimeError(f"no end within {STEPS_MAX} steps")
        verdict = [uc.reg_read(X[A0]), uc.reg_read(X[A1])]
        after = bytes(uc.mem_read(packet_at, readable))
        if any(after[len(packet):]):
            raise RuntimeError("a store behind the packet's end")
        return verdict, after[:len(packet)], bytes(uc.mem_read(carried_at, len(carried))), self.steps


# Verdicts whose operand nobody looks at.
PLAIN = (1, 5, 7)


def difference(vector, answer):
    verdict, packet, carried, steps = answer
    kind, operand = verdict
    wanted = vector["verdict"]
    if kind != wanted[0] or (kind not in PLAIN and operand != wanted[1]):
        return f"verdict {verdict}, not {wanted}"
    if packet.hex() != vector["packet after"]:
        return "the packet's bytes"
    if carried.hex() != vector["carried after"]:
        return "the carried bytes"
    if steps != vector["steps"]:
        return f"{steps} steps, not {vector['steps']}"
    return None


def main():
    emulator, images, runs, wrong = None, 0, 0, 0
    for line in sys.stdin:
        vector = json.loads(line)
        if "image" in vector:
            emulator = Emulator(vector)
            images += 1
            continue
        runs += 1
        try:
            found = difference(vector, emulator.run(vector))
        except (UcError, RuntimeError) as error:
            found = str(error)
        if found:
            wrong += 1
            if wrong <= SHOWN:
                head = emulator.head
                print(f"{head['image']} on {head['on']}, {vector['of']}: {found}")
    print(f"{images} handlers, {runs} runs on the emulator, {wrong} differences")
    return 1 if wrong or runs == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
