"""The archive of `leads`, with a program of a few lines in its place."""

import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).resolve().parents[2] / "infra"))

from archive import pack  # noqa: E402
from package import PackagingFailed  # noqa: E402

PROGRAM = """#!/bin/sh
# Needs GLIBC_2.9 and GLIBC_2.34
case "$1" in
    --version) echo "leads 1.2.3" ;;
    completions) echo "words for $2" ;;
    man) echo page > "$2/leads-show.1" ;;
esac
"""


class Archive(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)

    def program(self, text: str) -> Path:
        program = self.folder / "program"
        program.write_text(text)
        program.chmod(0o755)
        return program

    def pack(self, text: str) -> Path:
        return pack(self.program(text), "x86_64-unknown-linux-gnu", "terms", self.folder)

    def test_it_contains_the_program_with_pages_completions_and_licences(self):
        archive = self.pack(PROGRAM)
        self.assertEqual(archive.name, "leads-1.2.3-x86_64-unknown-linux-gnu.tar.gz")
        with tarfile.open(archive) as packed:
            names = {name.partition("/")[2]: packed.getmember(name) for name in packed.getnames()}
            text = {name: packed.extractfile(member).read().decode() for name, member in names.items()}
        self.assertEqual(sorted(names), [
            "LICENCES.txt", "LICENSE-APACHE", "LICENSE-MIT", "README.txt", "completions/_leads", "completions/leads.bash",
            "completions/leads.fish", "leads", "man/leads-show.1",
        ])
        self.assertEqual((names["leads"].mode, text["LICENCES.txt"]), (0o755, "terms"))
        self.assertEqual(text["completions/_leads"], "words for zsh\n")
        self.assertIn("with glibc 2.34 or later", text["README.txt"])

    def test_the_checksum_is_that_of_the_archive(self):
        self.pack(PROGRAM)
        checked = subprocess.run("sha256sum --check *.sha256", shell=True, cwd=self.folder, capture_output=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_the_same_program_gives_the_same_bytes(self):
        with mock.patch("time.time", return_value=1e9):
            first = self.pack(PROGRAM).read_bytes()
        self.assertEqual(self.pack(PROGRAM).read_bytes(), first)
        # The header of gzip: no time, and an operating system that is not said.
        self.assertEqual((first[4:8], first[9]), (bytes(4), 255))
        with tarfile.open(self.folder / "leads-1.2.3-x86_64-unknown-linux-gnu.tar.gz") as packed:
            self.assertEqual({(member.mtime, member.uid, member.gid) for member in packed}, {(0, 0, 0)})

    def test_a_program_that_is_missing_or_does_not_run_is_refused(self):
        with self.assertRaisesRegex(PackagingFailed, "does not exist: run `make archive`"):
            pack(self.folder / "none", "x86_64-unknown-linux-gnu", "terms", self.folder)
        with self.assertRaisesRegex(PackagingFailed, "`leads --version` failed: no library"):
            self.pack("#!/bin/sh\necho no library >&2\nexit 1\n")


if __name__ == "__main__":
    unittest.main()
