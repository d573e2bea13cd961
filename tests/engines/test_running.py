"""What `LOCALSTACK_ENDPOINT` may name, what is found out about it, and which tests are skipped for it."""

import json
import re
import socket
import unittest
from pathlib import Path

from engine import EmulatorFailed
from fake import REJECTED, SERVICES, FakeLocalStack
from running import BODIES, EMAIL, MACHINE, NEEDS, PROCESSES, RECEIPTS, Need, Running, selector, skipped

PLUGIN = {"GET /_local/mails": (200, "[]"), "POST /v2/email/outbound-emails": REJECTED}
TESTS = Path(__file__).resolve().parents[1] / "local"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Asking(unittest.TestCase):
    def refusal(self, url: str) -> str:
        with self.assertRaises(EmulatorFailed) as caught:
            Running.at(url)
        return str(caught.exception)

    def test_only_a_port_of_this_machine_is_asked(self):
        for url in (
            "https://127.0.0.1:4566", "http://localstack.example.com:4566", "http://127.0.0.1", "http://0.0.0.0:4566",
            "http://user@127.0.0.1:4566", "http://127.0.0.1:port", "127.0.0.1:4566", "http://[::1",
        ):
            with self.subTest(url):
                self.assertIn("must be a port of this machine", self.refusal(url))

    def test_nothing_at_the_port_is_one_sentence(self):
        url = f"http://127.0.0.1:{free_port()}"
        self.assertEqual(
            self.refusal(url),
            f"no LocalStack answers at {url}: docs/localstack.md says how to start one, or unset LOCALSTACK_ENDPOINT",
        )

    def test_another_program_at_the_port_is_no_localstack(self):
        for answer in ((404, "{}"), (500, ""), (200, "<html>"), (200, "[]"), (200, '{"edition": "x"}'), (200, '"x"')):
            with self.subTest(answer), FakeLocalStack({"GET /_localstack/info": answer}) as other:
                self.assertIn(f"what answers at {other.url} is no LocalStack", self.refusal(other.url))

    def test_versions_before_4_9_are_refused(self):
        for version in ("4.8.0", "3.8.1", "4.8.1.dev99", "unknown", ""):
            with self.subTest(version), FakeLocalStack(
                {"GET /_localstack/info": (200, json.dumps({"version": version}))}
            ) as old:
                self.assertIn(f"is version {version}, but needs to be 4.9 or later", self.refusal(old.url))
        for version in ("4.9.0", "4.9", "4.14.1.dev7", "5.0.0", "2026.3.0"):
            with self.subTest(version), FakeLocalStack(
                {"GET /_localstack/info": (200, json.dumps({"version": version}))}
            ) as recent:
                self.assertEqual(Running.at(recent.url).version, version)

    def test_services_that_are_switched_off_are_named(self):
        states = dict.fromkeys(SERVICES, "running") | {"sns": "disabled", "logs": "error"}
        del states["lambda"]
        with FakeLocalStack({"GET /_localstack/health": (200, json.dumps({"services": states}))}) as partial:
            self.assertEqual(
                self.refusal(partial.url),
                f"the LocalStack at {partial.url} runs without lambda, logs, sns: start it without SERVICES=",
            )


class Lacking(unittest.TestCase):
    def test_a_bare_localstack_lacks_everything(self):
        with FakeLocalStack() as bare:
            there = Running.at(bare.url)
            self.assertFalse(there.route_functions_through("http://127.0.0.1:1"))
            self.assertNotIn("PUT /_local/front", bare.asked())
        self.assertEqual((there.has_plugin, there.has_email), (False, False))
        self.assertEqual(there.lacks(reaches_machine=False), set(Need))

    def test_one_with_ses_but_without_the_plugin_lacks_the_rest(self):
        with FakeLocalStack({"POST /v2/email/outbound-emails": REJECTED}) as licensed:
            there = Running.at(licensed.url)
        self.assertEqual(there.lacks(reaches_machine=False), {RECEIPTS, BODIES, MACHINE, PROCESSES})

    def test_the_plugin_says_whether_functions_reach_this_machine(self):
        for status, reaches in ((204, True), (409, False)):
            with self.subTest(status), FakeLocalStack(PLUGIN | {"PUT /_local/front": (status, "")}) as whole:
                there = Running.at(whole.url)
                self.assertEqual(there.route_functions_through("http://127.0.0.1:1"), reaches)
                self.assertEqual(whole.requests[-1][2], b"http://127.0.0.1:1")
                self.assertEqual(there.lacks(reaches), {PROCESSES} if reaches else {PROCESSES, MACHINE})


class Skipping(unittest.TestCase):
    def test_exactly_the_tests_that_need_what_is_lacking_are_skipped_with_the_reason(self):
        self.assertEqual(skipped(set()), {})
        self.assertEqual(skipped(set(Need)).keys(), NEEDS.keys())
        reasons = skipped({BODIES})
        self.assertEqual(reasons.keys(), {name for name, needs in NEEDS.items() if BODIES in needs})
        self.assertEqual(set(reasons.values()), {BODIES.value})

    def test_nextest_skips_by_exact_names(self):
        self.assertEqual(selector({}), "none()")
        self.assertEqual(selector({"a::b": "why", "a::c": "why"}), "test(=a::b) + test(=a::c)")

    def test_every_listed_test_exists_and_every_need_has_a_test(self):
        existing = {
            f"{file.stem}::{name}"
            for file in TESTS.glob("*.rs") for name in re.findall(r"#\[test\]\nfn (\w+)", file.read_text())
        }
        self.assertEqual(NEEDS.keys() - existing, set())
        self.assertEqual(set().union(*NEEDS.values()), set(Need))


if __name__ == "__main__":
    unittest.main()
