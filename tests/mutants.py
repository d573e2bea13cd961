"""Adds up what `cargo mutants` found, per package: a table, then every mutant that no test noticed.

Standard input: every mutant of today's code (`cargo mutants --list --json`). Arguments: the outcomes of runs, also of older
code, of which only what is still there counts; of two the later knows better.
"""

import json
import sys
from collections import Counter, defaultdict

CAUGHT, MISSED, UNVIABLE, TIMEOUT = "CaughtMutant", "MissedMutant", "Unviable", "Timeout"

today = {mutant["name"]: mutant["package"] for mutant in json.load(sys.stdin)}
found = {}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        for outcome in json.load(file)["outcomes"]:
            if isinstance(outcome["scenario"], dict):
                name = outcome["scenario"]["Mutant"]["name"]
                if name in today:
                    found[name] = outcome["summary"]

packages = defaultdict(Counter)
for name, summary in found.items():
    packages[today[name]][summary] += 1
mutants = Counter(today.values())

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
