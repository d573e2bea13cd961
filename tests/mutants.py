"""Adds up what `cargo mutants` found, per package: a table, then every mutant that no test noticed."""

import json
import sys
from collections import Counter, defaultdict

CAUGHT, MISSED, UNVIABLE, TIMEOUT = "CaughtMutant", "MissedMutant", "Unviable", "Timeout"

found = {}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        for outcome in json.load(file)["outcomes"]:
            if isinstance(outcome["scenario"], dict):
                mutant = outcome["scenario"]["Mutant"]
                # The later report knows better.
                found[mutant["name"]] = (mutant["package"], outcome["summary"])

packages = defaultdict(Counter)
for package, summary in found.values():
    packages[package][summary] += 1

print("| package | mutants | caught | missed | unviable | timeouts | score |")
print("| --- | --- | --- | --- | --- | --- | --- |")
for package, count in packages.items():
    caught = count[CAUGHT] + count[TIMEOUT]
    tried = caught + count[MISSED]
    score = f"{100 * caught / tried:.1f} %" if tried else ""
    print(
        f"| {package} | {sum(count.values())} | {count[CAUGHT]} | {count[MISSED]} "
        f"| {count[UNVIABLE]} | {count[TIMEOUT]} | {score} |"
    )

missed = sorted(name for name, (_, summary) in found.items() if summary == MISSED)
print("".join(f"\n- {name}" for name in missed))
