#!/usr/bin/env python3
"""Zips the built functions so that the same commit always gives the same bytes, with what is known of their contents.

    package.py --target TRIPLE --folder DIR FUNCTION...

DIR contains `<function>/bootstrap`. For each function, this writes beside it:

    <function>.zip         `bootstrap` and `LICENCES.txt`: the code to deploy
    <function>.cdx.json    its bill of materials, CycloneDX 1.6: every crate that is linked, with licence and checksum
    SHA256SUMS             of all these files, for `sha256sum --check`

The crates are those that cargo links for TRIPLE. Build scripts and procedural macros run on the building machine only and
are not listed.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The earliest time that a zip can state. Times of files would differ between clones.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Names of files with the terms of a licence or the notice that must go with it.
TERMS = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)

# A package of the lock file that comes from a registry. (Python reads TOML only from 3.11 on.)
LOCKED = re.compile(r'^name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"$', re.MULTILINE)


class PackagingFailed(Exception):
    """The functions cannot be packaged. The argument says why, and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, metavar="TRIPLE")
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR")
    parser.add_argument("functions", nargs="+", metavar="FUNCTION")
    arguments = parser.parse_args()
    try:
        written = [
            path
            for function in arguments.functions
            for path in package(function, arguments.target, arguments.folder)
        ]
    except PackagingFailed as error:
        print(f"Not packaged: {error}", file=sys.stderr)
        return 1
    sums = "".join(f"{sha256(path.read_bytes())}  {path.name}\n" for path in written)
    (arguments.folder / "SHA256SUMS").write_text(sums)
    print(sums, end="")
    return 0


def package(function: str, target: str, folder: Path) -> list[Path]:
    """Writes the zip of a function and its bill of materials. Returns their paths."""
    bootstrap = folder / function / "bootstrap"
    if not bootstrap.is_file():
        raise PackagingFailed(f"{bootstrap} does not exist: run `make package`, which builds it")
    crates = linked(function, target)
    archive = folder / f"{function}.zip"
    zipped(archive, {"bootstrap": (bootstrap.read_bytes(), 0o755), "LICENCES.txt": (licences(crates).encode(), 0o644)})
    bill = folder / f"{function}.cdx.json"
    materials = bill_of_materials(function, crates, compiler(), sha256(archive.read_bytes()))
    bill.write_text(json.dumps(materials, indent=1, sort_keys=True) + "\n")
    return [archive, bill]


def zipped(archive: Path, files: dict[str, tuple[bytes, int]]) -> None:
    """Writes a zip that depends only on the names, contents and modes of its files."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, (content, mode) in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix; otherwise Lambda would ignore the mode
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, content)


def linked(function: str, target: str) -> list[dict]:
    """The packages that are linked into a function, as `cargo metadata` describes them, by name and version.

    Each has two more fields: `checksum`, from the lock file, and `needs`, the names and versions of its dependencies.
    """
    # `cargo metadata` joins the features of the whole workspace, so `cargo tree` chooses the packages.
    listed = _cargo("tree", "--package", function, "--target", target, "--edges", "normal,no-proc-macro", "--prefix",
                    "none", "--format", "{p}")
    chosen = {(words[0], words[1].removeprefix("v")) for words in map(str.split, listed.splitlines()) if words}
    metadata = json.loads(_cargo("metadata", "--format-version", "1", "--filter-platform", target))
    named = {package["id"]: (package["name"], package["version"]) for package in metadata["packages"]}
    needs = {
        named[node["id"]]: sorted(
            {
                named[dependency["pkg"]]
                for dependency in node["deps"]
                if named[dependency["pkg"]] in chosen and any(kind["kind"] is None for kind in dependency["dep_kinds"])
            }
        )
        for node in metadata["resolve"]["nodes"]
    }
    checksums = {(name, version): checksum for name, version, checksum in LOCKED.findall((ROOT / "Cargo.lock").read_text())}
    crates = [
        package | {"needs": needs[name], "checksum": checksums.get(name)}
        for package in metadata["packages"]
        if (name := named[package["id"]]) in chosen
    ]
    if missing := chosen - {(crate["name"], crate["version"]) for crate in crates}:
        raise PackagingFailed(f"`cargo metadata` does not know {sorted(missing)}, which `cargo tree` lists")
    return sorted(crates, key=lambda crate: (crate["name"], crate["version"]))


def licences(crates: list[dict]) -> str:
    """The licences of all crates that are not ours: first each crate's terms, then each different text once."""
    lines, texts = [], {}
    for crate in (crate for crate in crates if crate["source"]):
        if not crate["license"]:
            raise PackagingFailed(f"{crate['name']} names no licence: replace it, or have its licence checked")
        folder = Path(crate["manifest_path"]).parent
        found = sorted(path for path in folder.iterdir() if path.is_file() and TERMS.match(path.name))
        numbers = []
        for path in found:
            text = path.read_text(errors="replace").replace("\r\n", "\n").strip()
            numbers.append(texts.setdefault(text, len(texts) + 1))
        where = f"texts {', '.join(map(str, numbers))}" if numbers else f"no text included; see {crate['repository']}"
        lines.append(f"{crate['name']} {crate['version']}: {crate['license']} ({where})")
    parts = [f"{'=' * 16} text {number}\n\n{text}" for text, number in texts.items()]
    return "This program contains the following packages.\n\n" + "\n".join(lines) + "\n\n" + "\n\n".join(parts) + "\n"


def bill_of_materials(function: str, crates: list[dict], rust: str, digest: str) -> dict:
    """The bill of materials (CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/). It states no time of its own."""
    def component(crate: dict) -> dict:
        described = {
            "type": "library",
            "bom-ref": _reference(crate["name"], crate["version"]),
            "name": crate["name"],
            "version": crate["version"],
            # Old manifests separate alternatives by a slash.
            "licenses": [{"expression": crate["license"].replace("/", " OR ")}],
        }
        if crate["source"]:
            if not crate["checksum"]:
                raise PackagingFailed(f"Cargo.lock has no checksum of {crate['name']} {crate['version']}")
            described["purl"] = _reference(crate["name"], crate["version"])
            described["hashes"] = [{"alg": "SHA-256", "content": crate["checksum"]}]
        return described

    subject = next(crate for crate in crates if crate["name"] == function)
    standard = {
        "type": "library",
        "bom-ref": "rust-std",
        "name": "rust-std",
        "version": rust,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{digest}").urn,
        "metadata": {
            "component": component(subject)
            | {"type": "application", "hashes": [{"alg": "SHA-256", "content": digest}]},
        },
        "components": [component(crate) for crate in crates if crate is not subject] + [standard],
        "dependencies": [
            {
                "ref": _reference(crate["name"], crate["version"]),
                "dependsOn": [_reference(*need) for need in crate["needs"]] + ["rust-std"] * (crate is subject),
            }
            for crate in crates
        ],
    }


def compiler() -> str:
    """The version of the compiler, which is also that of the standard library."""
    return subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()[1]


def _reference(name: str, version: str) -> str:
    return f"pkg:cargo/{name}@{version}"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cargo(*words: str) -> str:
    done = subprocess.run(["cargo", *words, "--locked"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise PackagingFailed(f"`cargo {words[0]}` failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
