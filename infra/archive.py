#!/usr/bin/env python3
"""Packs the built `leads` for machines without Rust, so that the same program always gives the same bytes.

    archive.py --program FILE --target TRIPLE --folder DIR

Writes into DIR:

    leads-VERSION-TRIPLE.tar.gz         the program, its man pages, completions for three shells, and all licences
    leads-VERSION-TRIPLE.tar.gz.sha256  for `sha256sum --check`

Then it unpacks the archive elsewhere and runs the program in an empty environment.
"""

import argparse
import gzip
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from package import PackagingFailed, licences, linked, sha256

ROOT = Path(__file__).resolve().parents[1]
# The files that each shell looks for.
COMPLETIONS = {"bash": "leads.bash", "zsh": "_leads", "fish": "leads.fish"}
# A version of the C library that a symbol of the program needs.
GLIBC = re.compile(rb"\bGLIBC_(\d+)\.(\d+)\b")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, type=Path, metavar="FILE")
    parser.add_argument("--target", required=True, metavar="TRIPLE")
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR")
    arguments = parser.parse_args()
    try:
        terms = licences(linked("cli", arguments.target))
        print(pack(arguments.program, arguments.target, terms, arguments.folder))
    except PackagingFailed as error:
        print(f"Not packed: {error}", file=sys.stderr)
        return 1
    return 0


def pack(program: Path, target: str, terms: str, folder: Path) -> Path:
    """Writes the archive and its checksum, tries the archive, and returns its path."""
    if not program.is_file():
        raise PackagingFailed(f"{program} does not exist: run `make archive`, which builds it")
    version = _run(program, "--version").split()[-1]
    files = {"leads": (program.read_bytes(), 0o755), "LICENCES.txt": (terms.encode(), 0o644)}
    files["README.txt"] = (_read_me(target, files["leads"][0]).encode(), 0o644)
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        files[name] = ((ROOT / name).read_bytes(), 0o644)
    for shell, name in COMPLETIONS.items():
        files[f"completions/{name}"] = (_run(program, "completions", shell).encode(), 0o644)
    with tempfile.TemporaryDirectory() as pages:
        _run(program, "man", pages)
        for page in Path(pages).iterdir():
            files[f"man/{page.name}"] = (page.read_bytes(), 0o644)
    top = f"leads-{version}-{target}"
    content = compressed({f"{top}/{name}": file for name, file in files.items()})
    archive = folder / f"{top}.tar.gz"
    archive.write_bytes(content)
    archive.with_name(f"{archive.name}.sha256").write_text(f"{sha256(content)}  {archive.name}\n")
    with tempfile.TemporaryDirectory() as elsewhere:
        subprocess.run(["tar", "-xzf", archive, "-C", elsewhere], check=True)
        _run(Path(elsewhere) / top / "leads", "--version")
    return archive


def compressed(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A compressed tar file that depends only on the names, contents and modes of its files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            out.addfile(entry, io.BytesIO(content))
    packed = io.BytesIO()
    # `gzip.compress` writes other headers with other versions of Python.
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as out:
        out.write(plain.getvalue())
    return packed.getvalue()


def _read_me(target: str, program: bytes) -> str:
    needed = max(((int(major), int(minor)) for major, minor in GLIBC.findall(program)), default=None)
    runs_on = target + (f" with glibc {needed[0]}.{needed[1]} or later" if needed else "")
    return (
        f"leads for {runs_on}.\n\n"
        "Copy `leads` to a folder of your PATH and the files of `man` to ~/.local/share/man/man1. Copy your shell's file\n"
        "of `completions`: bash to ~/.local/share/bash-completion/completions/leads, zsh to a folder of $fpath,\n"
        "fish to ~/.config/fish/completions. Create the folders that are missing.\n\n"
        "Sign in to AWS (AWS_PROFILE, AWS_REGION), then: leads status --stack NAME. All commands: leads --help\n"
    )


def _run(program: Path, *words: str) -> str:
    done = subprocess.run([program, *words], capture_output=True, text=True, env={})
    if done.returncode != 0:
        raise PackagingFailed(f"`leads {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
