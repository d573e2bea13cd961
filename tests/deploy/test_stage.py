"""Stage files and parameters: every mistake is one sentence, found without asking AWS."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra"))

from deploy import Refused, stage  # noqa: E402
from deploy.template import TEMPLATE, Template  # noqa: E402

REAL = Template(TEMPLATE.read_text(encoding="utf-8"))
GIVEN = 'stack = "leadstream-dev"\n[parameters]\n'


def load(text: str, template: Template = REAL) -> stage.Stage:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.toml"
        path.write_text(text, encoding="utf-8")
        return stage.load(path, template)


class StageFiles(unittest.TestCase):
    def refused(self, text: str) -> list[str]:
        """The sentences with which a stage file is refused, without the path."""
        with self.assertRaises(Refused) as caught:
            load(text)
        return [line.partition("test.toml")[2].removeprefix(": ") for line in str(caught.exception).splitlines()]

    def test_the_stages_of_the_project_are_right(self):
        for name in ("dev", "prod"):
            found = stage.load(ROOT / "infra" / "stages" / f"{name}.toml", REAL)
            self.assertEqual((name, name), (found.name, found.tags["stage"]))
            missing = [one for one, parameter in REAL.parameters.items()
                       if parameter.default is None and one not in found.parameters]
            self.assertEqual([], missing)

    def test_any_text_is_passed_as_it_is(self):
        for sender in ("a@b.example", "Car Site <a@b.example>", 'The "best" $HOME `x` & \\\\ü; <a@b.example>'):
            escaped = sender.replace("\\", "\\\\").replace('"', '\\"')
            self.assertEqual(sender, load(f'{GIVEN}EmailSender = "{escaped}"').parameters["EmailSender"])

    def test_numbers_and_booleans_become_what_cloudformation_takes(self):
        found = load(f"{GIVEN}LogRetention = 7\nDeletionProtection = true\nLegacyUrl = ''")
        self.assertEqual({"LogRetention": "7", "DeletionProtection": "true", "LegacyUrl": ""}, found.parameters)

    def test_a_parameter_appended_to_the_file_is_not_taken_for_a_tag(self):
        self.assertEqual(
            ["`ExistingLeadsTable` stands under [tags] and is a parameter: move it under [parameters]."],
            self.refused(f'{GIVEN}[tags]\nstage = "dev"\nExistingLeadsTable = "old"'),
        )

    def test_every_mistake_is_one_sentence(self):
        for mistake, sentence in {
            'Emailsender = "a@b.example"': "`Emailsender` is not a parameter of the template; EmailSender is.",
            "Colour = 1": "`Colour` is not a parameter of the template.",
            'SiteUrl = ""': "SiteUrl is empty: give it a value or leave it out.",
            'SweepEvery = ""': "SweepEvery is empty: give it a value or leave it out.",
            'Effects = "Live"': "Effects is 'Live': it must be one of live, shadow.",
            "LivePercent = 101": "LivePercent is 101: it must be at most 100.",
            "LivePercent = -1": "LivePercent is -1: it must be at least 0.",
            'LivePercent = "ten"': "LivePercent is 'ten': it must be a number.",
            "LogLevel = [1]": "`LogLevel` must be text, a number, true or false.",
        }.items():
            self.assertEqual([sentence], self.refused(GIVEN + mistake))

    def test_values_that_a_pattern_forbids(self):
        for mistake in (
            'SiteUrl = "http://offers.example.com"', 'SiteUrl = "https://offers.example.com/"',
            'EmailSender = "offers"', 'EmailSender = "a@b.example, c@d.example"', 'EmailIdentity = "example com"',
            'SweepEvery = "every day"', 'SweepEvery = "rate(1 minutes)"', 'AlarmTopicArn = "alarms"',
            'ExistingStreamsTable = "a b"', 'MailFromDomain = "mail.example.com."',
        ):
            (sentence,) = self.refused(GIVEN + mistake)
            self.assertRegex(sentence, "^[A-Za-z]+ is '.*': it must match ")

    def test_the_limits_of_every_number_are_taken(self):
        for name, parameter in REAL.parameters.items():
            for limit in ("MinValue", "MaxValue"):
                if limit in parameter.declared:
                    value = parameter.declared[limit]
                    self.assertIsNone(parameter.complaint(str(value)), name)
                    beyond = value - 1 if limit == "MinValue" else value + 1
                    self.assertIn("it must be at", parameter.complaint(str(beyond)))
            if parameter.default is not None:
                self.assertIsNone(parameter.complaint(parameter.default), name)

    def test_the_name_of_a_stack_leaves_room_for_derived_names(self):
        # `<stack>-OfferEventsDeadLetters.fifo` may have 80 characters.
        self.assertEqual(80 - len("-OfferEventsDeadLetters.fifo"), REAL.longest_stack_name())
        self.assertEqual("a" * 52, load(f'stack = "{"a" * 52}"').stack)
        self.assertIn("at most 52 are possible", self.refused(f'stack = "{"a" * 53}"')[0])
        for name in ("", "1a", "a_b", "a b", "ä"):
            self.assertIn("a stack's name consists of letters", self.refused(f'stack = "{name}"')[0])

    def test_keys_of_the_file(self):
        self.assertEqual(
            ["`colour` is not a key of a stage: it may have stack, account, region, parameters, tags."],
            self.refused('stack = "a"\ncolour = 1'))
        self.assertEqual(["`account` must be text, in quotes."], self.refused('stack = "a"\naccount = 123456789012'))
        self.assertEqual(["`account` is '12': it must have 12 digits."], self.refused('stack = "a"\naccount = "12"'))
        self.assertEqual(["`parameters` must be a table."], self.refused('stack = "a"\nparameters = 1'))

    def test_a_file_that_is_missing_or_not_toml(self):
        with self.assertRaisesRegex(Refused, "is not TOML"):
            load("stack = ")
        with self.assertRaisesRegex(Refused, r"nowhere.toml: No such file.*Copy infra/stages/dev.toml"):
            stage.load(Path("nowhere.toml"), REAL)


if __name__ == "__main__":
    unittest.main()
