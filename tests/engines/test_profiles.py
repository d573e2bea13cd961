"""The profile that `make up` writes for `leads --stack local`."""

import tempfile
import unittest
from pathlib import Path

from profiles import Taken, add, profiles, remove

OTHERS = '# mine\n[prod]\nstack = "cars"   # local\n'


class Profiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "config" / "leads.toml"

    def write(self, text: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(text, encoding="utf-8")

    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")

    def test_the_file_is_where_leads_looks_for_it(self):
        for environment, expected in [
            ({"LEADS_PROFILES": "/a.toml", "XDG_CONFIG_HOME": "/b", "HOME": "/c"}, "/a.toml"),
            ({"LEADS_PROFILES": "", "XDG_CONFIG_HOME": "/b", "HOME": "/c"}, "/b/leads.toml"),
            ({"HOME": "/c"}, "/c/.config/leads.toml"),
        ]:
            self.assertEqual(profiles(environment), Path(expected))

    def test_a_profile_is_added_replaced_and_removed_and_the_others_stay(self):
        self.write(OTHERS)
        for port in (1, 2):
            add(self.file, "leadstream", "us-east-1", f"http://127.0.0.1:{port}")
        self.assertTrue(self.text().startswith(f"{OTHERS}\n[local]   # written by `make up`"), self.text())
        self.assertEqual(self.text().count("[local]"), 1)
        self.assertTrue(self.text().endswith(
            'stack = "leadstream"\nregion = "us-east-1"\nendpoint = "http://127.0.0.1:2"\n'))
        self.write(f'{self.text()}\n# after\n[dev]\nregion = "eu-west-1"\n')
        remove(self.file)
        self.assertEqual(self.text(), f'{OTHERS}\n# after\n[dev]\nregion = "eu-west-1"\n')

    def test_a_file_with_nothing_else_is_created_and_removed(self):
        remove(self.file)
        add(self.file, "leadstream", "us-east-1", "http://127.0.0.1:1")
        remove(self.file)
        self.assertFalse(self.file.exists())

    def test_a_profile_of_ones_own_is_left_alone(self):
        self.write('[local]\nstack = "mine"\n')
        with self.assertRaises(Taken):
            add(self.file, "leadstream", "us-east-1", "http://127.0.0.1:1")
        remove(self.file)
        self.assertEqual(self.text(), '[local]\nstack = "mine"\n')


if __name__ == "__main__":
    unittest.main()
