"""Summarises the results of `cargo mutants`: a table with one row per package, then every mutant that no test caught.

Standard input is the list of all mutants of the current code (`cargo mutants --list --json`). The arguments are the
outcome files of runs, which may be of older code: mutants that no longer exist are ignored, and for a mutant in several
files the last file counts.
"""

import json
import sys
from collections import Counter, defaultdict

CAUGHT, MISSED, UNVIABLE, TIMEOUT = "CaughtMutant", "MissedMutant", "Unviable", "Timeout"

current = {mutant["name"]: mutant["package"] for mutant in json.load(sys.stdin)}
found = {}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        for outcome in json.load(file)["outcomes"]:
            if isinstance(outcome["scenario"], dict):
                name = outcome["scenario"]["Mutant"]["name"]
                if name in current:
                    found[name] = outcome["summary"]

packages = defaultdict(Counter)
for name, summary in found.items():
    packages[current[name]][summary] += 1
mutants = Counter(current.values())

print("| package | mutants | tried | caught | missed | unviable | timeouts | score |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for package, count in packages.items():
    caught = count[CAUGHT] + count[TIMEOUT]
    viable = caught + count[MISSED]
    score = f"{100 * caught / viable:.1f} %" if viable else ""
    print(
        f"| {package} | {mutants[package]} | {sum(count.values())} | {count[CAUGHT]} | {count[MISSED]} "
        f"| {count[UNVIABLE]} | {count[TIMEOUT]} | {score} |"
    )

missed = sorted(name for name, summary in found.items() if summary == MISSED)
print("".join(f"\n- {name}" for name in missed))
