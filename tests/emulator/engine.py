#!/usr/bin/env python3
"""An emulator that is not ours as an engine for `nflc conform`.

In: requests on standard input, as the book's page on conformance says. Out: replies on standard output. The emulator knows
RISC-V and nothing of NFL: memory is laid out here as the contract says, each region so that it ends at the end of a page and an
access behind it faults; registers and scratch that are undefined hold noise. Services are not offered but replayed from the
answers in the vector; what they are asked is told.
"""

import json
import random
import struct
import sys

import unicorn
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
    SCRATCH_BYTES, SP, STEPS_MAX, TP, VECTOR, X, ending_at_page,
)

VERSION = 1
TARGETS = ["rv32imc", "rv32ic", "nme-2017"]

NETWORK_WORD = 12
VALUES, VALUES_ROOM = 0x6000_0000, 0x100000
RETURN = bytes.fromhex("82800100")
DROP, FAULT, NO_ROOM = 0, 255, 8
KINDS = 8


class Difference(Exception):
    """The code asked for something that the vector has no answer to."""


class Engine:
    """A program, loaded."""

    def __init__(self, program):
        self.program = program
        self.code = bytes.fromhex(program["code"])
        self.noise = random.Random(7)
        uc = self.uc = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
        uc.mem_map(0, PAGE, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_map(CODE, CODE_ROOM, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_map(SCRATCH, PAGE, UC_PROT_READ | UC_PROT_WRITE)
        uc.mem_map(CONTEXT, PAGE, UC_PROT_READ)
        uc.mem_map(PACKET, PACKET_ROOM, UC_PROT_READ | UC_PROT_WRITE)
        uc.mem_map(CARRIED, PAGE, UC_PROT_READ | UC_PROT_WRITE)
        uc.mem_map(VALUES, VALUES_ROOM, UC_PROT_READ)
        uc.mem_write(CONSTANTS, bytes.fromhex(program["constants"]))
        # A service is done when control comes to its slot, and the slot returns.
        uc.mem_write(VECTOR, RETURN * ((CODE - VECTOR) // len(RETURN)))
        uc.mem_write(CODE, self.code)
        uc.hook_add(UC_HOOK_CODE, self.step)

    def get(self, register):
        return self.uc.reg_read(X[register])

    def set(self, register, value):
        self.uc.reg_write(X[register], value)

    def step(self, uc, address, size, data):
        if VECTOR <= address < CODE:
            try:
                self.call((CODE - address) // 8 - 1)
            except Difference as difference:
                self.wrong = str(difference)
                uc.emu_stop()
            return
        self.steps += 1
        self.pcs.append(address - CODE)
        # The emulator has no debugger that `ebreak` could go to, so the end is seen before it is run.
        at = address - CODE
        if self.code[at:at + size] in EBREAK:
            self.ended = True
            uc.emu_stop()

    def call(self, slot):
        """Tells what a service is asked, and does what the vector says that it does."""
        if slot >= len(self.program["imports"]) or len(self.calls) >= len(self.answers):
            raise Difference(f"nobody expects call {len(self.calls)}, of slot {slot}")
        self.calls.append(self.asked(slot))
        answer = self.answers[len(self.calls) - 1]
        if answer["slot"] != slot:
            raise Difference(f"call {len(self.calls) - 1} is of slot {slot}")
        self.steps += answer["price"]
        if answer.get("no_room"):
            self.no_room = True
            self.uc.emu_stop()
            return
        for register, word in zip((A0, A1), answer["words"]):
            self.set(register, word)
        if "value" in answer:
            value = bytes.fromhex(answer["value"])
            at = self.values + ending_at_page(len(value))
            self.uc.mem_write(at, value)
            self.values += (len(value) // PAGE + 1) * PAGE
            self.set(A0, at)
        if "packet" in answer:
            self.place(bytes.fromhex(answer["packet"]))
            self.uc.mem_write(CONTEXT + NETWORK_WORD, struct.pack("<I", answer["network"]))

    def asked(self, slot):
        words, blocks, register = [], [], A0
        for argument in self.program["imports"][slot]["arguments"]:
            (kind, size), = argument.items()
            if kind == "word":
                words.append(self.get(register))
                register += 1
            elif kind == "packed":
                many = (size + 3) // 4
                packed = b"".join(struct.pack("<I", self.get(register + n)) for n in range(many))
                blocks.append(packed[:size].hex())
                register += many
            else:
                blocks.append(bytes(self.uc.mem_read(self.get(register), size)).hex())
                register += 1
        return {"slot": slot, "words": words, "blocks": blocks}

    def place(self, packet):
        """Puts a packet where its readable window ends with a page."""
        readable = max(len(packet), self.program["window"])
        self.packet_at, self.packet_len = PACKET + ending_at_page(readable), len(packet)
        self.readable = readable
        self.uc.mem_write(self.packet_at, packet + bytes(readable - len(packet)))
        self.set(S0, self.packet_at)
        self.set(S1, len(packet))

    def run(self, entry, run, traced):
        """What comes of a run."""
        uc, program = self.uc, self.program
        packet, carried = bytes.fromhex(run["packet"]), bytes.fromhex(run["carried"])
        if len(packet) < entry["need"]:
            answer = {"verdict": self.operand(entry["malformed"]), "steps": 0}
            return answer | {"packet": run["packet"], "carried": run["carried"], "calls": []}
        self.answers, self.calls, self.values = run.get("answers", []), [], VALUES
        self.steps, self.pcs = 0, []
        self.ended, self.no_room, self.wrong = False, False, None
        carried_at = CARRIED + ending_at_page(len(carried))
        uc.mem_write(carried_at, carried)
        uc.mem_write(SCRATCH, self.noise.randbytes(SCRATCH_BYTES))
        uc.mem_write(CONTEXT, struct.pack("<8I", *run["context"]))
        for register in range(1, 32):
            self.set(register, self.noise.getrandbits(32))
        for register, value in (
            (SP, SCRATCH), (GP, CONTEXT), (A5, CONTEXT), (TP, carried_at), (A4, carried_at), (A0, 0), (A1, 0),
        ):
            self.set(register, value)
        self.place(packet)
        try:
            uc.emu_start(CODE + entry["pc"], CODE + CODE_ROOM, count=STEPS_MAX)
        except UcError as error:
            self.wrong = self.wrong or str(error)
        answer = {"steps": self.steps, "calls": self.calls}
        if traced:
            answer["pcs"] = self.pcs
        if self.no_room:
            verdict = self.operand([DROP, NO_ROOM])
        elif self.ended and not self.wrong:
            verdict = self.operand([self.get(A0), self.get(A1)], by_code=True)
        else:
            print(self.wrong or f"no end within {STEPS_MAX} steps", file=sys.stderr)
            return answer | {"fault": {"kind": ""}}
        after = bytes(uc.mem_read(self.packet_at, self.readable))
        if any(after[self.packet_len:]):
            return answer | {"fault": {"kind": "store behind the packet"}}
        return answer | {
            "verdict": verdict,
            "packet": after[:self.packet_len].hex(),
            "carried": bytes(uc.mem_read(carried_at, len(carried))).hex(),
        }

    def operand(self, verdict, by_code=False):
        """A verdict as nodes have it: capsules have one `Drop`, and what code may not answer is a fault."""
        kind, operand = verdict
        if by_code and (kind >= KINDS or not self.program["verdicts"] >> kind & 1):
            return [DROP, FAULT]
        if kind == DROP and self.program["profile"] == "capsule":
            return [DROP, 0]
        return [kind, operand]


def reply(request, programs):
    (kind, what), = request.items()
    if kind == "hello":
        return {"hello": {
            "conformance": VERSION,
            "engine": "Unicorn",
            "version": unicorn.__version__,
            "targets": TARGETS,
            "faults": False,
            "trace": True,
        }}
    if kind == "program":
        programs.clear()
        programs[what["name"]] = Engine(what)
        return {"ready": {}}
    engine = programs.get(what["program"])
    if engine is None:
        return {"skipped": "the program is not the last one"}
    entry = engine.program["entries"][what["entry"]]
    return {"answered": {"runs": [engine.run(entry, run, kind == "trace") for run in what["runs"]]}}


def main():
    programs = {}
    for line in sys.stdin:
        print(json.dumps(reply(json.loads(line), programs)), flush=True)


if __name__ == "__main__":
    main()
