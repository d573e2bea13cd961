#!/usr/bin/env python3
"""The index of the published schemas, docs/contract/schemas.json, for registries.

    index.py            writes the index; refuses if a schema's content changed while its version did not
"""

import hashlib
import json
import re
import sys
from pathlib import Path

CONTRACT = Path(__file__).resolve().parents[2] / "docs/contract"
INDEX = CONTRACT / "schemas.json"
ID = re.compile(r"https://leadstream\.example/contract/(?P<name>[a-z.-]+\.v(?P<major>[1-9]\d*))/(?P<version>(?P=major)\.\d+)")


def schemas() -> dict[str, dict]:
    """The published schemas by their path in the contract."""
    files = sorted(CONTRACT.glob("*/*.schema.json"))
    return {file.relative_to(CONTRACT).as_posix(): json.loads(file.read_text(encoding="utf-8")) for file in files}


def entry(file: str) -> dict[str, str]:
    content = (CONTRACT / file).read_bytes()
    identifier = json.loads(content)["$id"]
    match = ID.fullmatch(identifier)
    if not match or f"{match['name']}.schema.json" != Path(file).name:
        raise ValueError(f"{file}: $id must be https://leadstream.example/contract/<file's name>/<version>, not {identifier}")
    digest = hashlib.sha256(content).hexdigest()
    return {"name": match["name"], "version": match["version"], "id": identifier, "file": file, "sha256": digest}


def changed_in_place(before: list[dict[str, str]], after: list[dict[str, str]]) -> list[str]:
    """The ids whose content differs. A published id keeps its content."""
    digests = {one["id"]: one["sha256"] for one in before}
    return [one["id"] for one in after if digests.get(one["id"], one["sha256"]) != one["sha256"]]


def document(entries: list[dict[str, str]]) -> str:
    lines = ",\n".join(f"  {json.dumps(one)}" for one in entries)
    return f"[\n{lines}\n]\n"


def main() -> int:
    after = [entry(file) for file in schemas()]
    before = json.loads(INDEX.read_text()) if INDEX.exists() else []
    if changed := changed_in_place(before, after):
        print(f"The content changed: raise the last number in $id of {', '.join(changed)}", file=sys.stderr)
        return 1
    INDEX.write_text(document(after))
    return 0


if __name__ == "__main__":
    sys.exit(main())
