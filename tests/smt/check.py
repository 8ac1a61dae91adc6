#!/usr/bin/env python3
"""Proves the scripts on standard input with z3.

In: the scripts of `rules`. Out: a line for each rule: how many ways lead through it, how many of them some words take,
how many of these are proved, and how long that took. Exit status 1 when one is not proved, or when no words take any.
"""

import os
import sys
import time

import z3

# Milliseconds for one way.
TIMEOUT = 120_000
MARK, GOAL = "; check ", "; goal\n"


def scripts(text):
    """The name of each rule, what is assumed on one way, and what is denied."""
    for script in text.split(MARK)[1:]:
        name, _, script = script.partition("\n")
        assumed, _, denied = script.partition(GOAL)
        yield name, assumed, denied


def answer(*parts):
    solver = z3.SolverFor("QF_BV" if "BitVec" in parts[0] else "QF_NIA")
    solver.set("timeout", TIMEOUT)
    solver.from_string("".join(parts))
    return solver.check(), solver


def rule(name, ways):
    """Proves all ways of one rule; gives back how many there are and how many are proved."""
    taken = proved = 0
    start = time.monotonic()
    for assumed, denied in ways:
        # What no words take needs no proof, and proves nothing.
        if answer(assumed)[0] == z3.unsat:
            continue
        taken += 1
        result, solver = answer(assumed, denied)
        if result == z3.unsat:
            proved += 1
        else:
            print(f"{name}: {solver.model() if result == z3.sat else solver.reason_unknown()}")
    share = "proved" if proved == taken > 0 else "NOT PROVED"
    seconds = time.monotonic() - start
    print(f"{name:24} {len(ways):3} ways, {taken:3} taken, {proved:3} {share}, {seconds:6.1f} s", flush=True)
    return taken, proved


def main():
    rules = {}
    for name, assumed, denied in scripts(sys.stdin.read()):
        rules.setdefault(name, []).append((assumed, denied))
    results = [rule(name, ways) for name, ways in rules.items()]
    sound = sum(proved == taken > 0 for taken, proved in results)
    ways = sum(proved for _, proved in results)
    print(f"{sound} of {len(rules)} rules proved in all {ways} ways, with z3 {z3.get_version_string()}", flush=True)
    # The solver's own threads may outlive a time limit.
    os._exit(0 if rules and sound == len(rules) else 1)


if __name__ == "__main__":
    main()
