"""The drill covers every alarm of the template, and reads the runbook as an operator would."""

import re
import sys
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
# The package itself needs LocalStack, this module of it does not.
sys.path.append(str(ROOT / "infra/local/localstack/leadstream"))

from metrics import LOG, metrics_of  # noqa: E402
from provocations import NOT_PROVOKED, WAVES  # noqa: E402
from run import is_expected  # noqa: E402
from runbook import commands_of, filled, rows  # noqa: E402

TEMPLATE = (ROOT / "infra/template.yaml").read_text(encoding="utf-8")
ALARMS = sorted(re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm$", TEMPLATE, re.MULTILINE))
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/drill.md").read_text(encoding="utf-8")


class Coverage(unittest.TestCase):
    def test_every_alarm_is_provoked_once_or_has_a_reason_why_not(self):
        planned = [one.alarm for wave in WAVES for one in wave]
        self.assertEqual(sorted([*planned, *NOT_PROVOKED]), ALARMS)

    def test_every_alarm_has_a_row_in_the_runbook(self):
        self.assertEqual(sorted(rows(RUNBOOK)), ALARMS)

    def test_the_report_lists_every_alarm(self):
        self.assertEqual(sorted(re.findall(r"^\|`(\w+Alarm)`\|", PAGE, re.MULTILINE)), ALARMS)


class Commands(unittest.TestCase):
    def test_commands_come_from_sentences_and_from_blocks(self):
        text = "Post it with `leads send\nFILE`, or `drop`:\n\n```sh\nleads held --buyer B   # all\n```\n"
        self.assertEqual(commands_of(text), ["leads send FILE", "leads held --buyer B   # all"])

    def test_the_section_of_a_row_counts_as_its_own(self):
        text = "## Alarms\n\n| `XAlarm`|`leads held`|[below](#my-gaps)|\n\n## My gaps\n\n`leads audit`\n"
        self.assertEqual(rows(text)["XAlarm"], ("leads held", "leads audit"))

    def test_placeholders_are_whole_words(self):
        values = {"B": "ada", "buyer-7": "ada", "offer-1": "o"}
        self.assertEqual(filled("leads void buyer-7 offer-1 -B B buyer-70", values), "leads void ada o -B ada buyer-70")
        self.assertEqual(filled("leads emails --resend buyer-7/quote-email", values), "leads emails --resend ada/quote-email")

    def test_a_command_ends_with_0_or_as_it_is_known_to(self):
        self.assertTrue(is_expected("leads audit", 0, ""))
        self.assertFalse(is_expected("leads audit", 1, ""))
        self.assertTrue(is_expected("leads resume  # shows", 2, "Not done: … Pass --yes to confirm."))
        self.assertFalse(is_expected("leads resume  # shows", 2, "error: unexpected argument"))
        self.assertFalse(is_expected("leads emails --allow b", 0, ""))


class MetricsInLogLines(unittest.TestCase):
    def test_each_set_of_dimensions_gives_each_metric(self):
        line = (
            '{"f":"recorder","k":"x","A":3,"B":[1,2],"_aws":{"Timestamp":5000,"CloudWatchMetrics":[{"Namespace":"N",'
            '"Dimensions":[["f"],["f","k"]],"Metrics":[{"Name":"A","Unit":"Count"},{"Name":"B"}]}]}}')
        f, k = {"Name": "f", "Value": "recorder"}, {"Name": "k", "Value": "x"}
        a = {"MetricName": "A", "Timestamp": 5, "Unit": "Count", "Value": 3}
        b = {"MetricName": "B", "Timestamp": 5, "Unit": "None", "Values": [1, 2]}
        expected = [("N", one | {"Dimensions": names}) for names in ([f], [f, k]) for one in (a, b)]
        self.assertEqual(metrics_of(line), expected)

    def test_other_lines_have_none(self):
        for line in ("", "START", '{"level":"INFO"}', '{"_aws":{}}', '{"_aws":'):
            with self.subTest(line), mock.patch.object(LOG, "warning"):
                self.assertEqual(metrics_of(line), [])


if __name__ == "__main__":
    unittest.main()
