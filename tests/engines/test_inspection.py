"""The inspection interface in front of a LocalStack without our plugin."""

import json
import unittest
import urllib.error
import urllib.request

from engine import direct
from fake import FakeLocalStack
from inspection import Inspection

MAILS = {"messages": [
    {"Id": "1", "Destination": {"ToAddresses": ["a@b"]}, "Subject": "S", "Body": {"text_part": "T", "html_part": "H"}},
    {"Id": "2", "Destination": {}, "Subject": "S", "Body": {"text_part": "T", "html_part": None}},
    {"Id": "3", "RawData": "From: a raw message"},
]}
MESSAGES = {"Messages": [
    {"Body": "second", "Attributes": {"SequenceNumber": "10", "SentTimestamp": "1", "MessageGroupId": "g"}},
    {
        "Body": "first", "Attributes": {"SequenceNumber": "9", "SentTimestamp": "1", "MessageGroupId": "g"},
        "MessageAttributes": {"reason": {"StringValue": "r", "DataType": "String"}},
    },
    {"Body": "of no group", "Attributes": {"SentTimestamp": "11"}},
]}


class Inspecting(unittest.TestCase):
    def through(self, upstream: FakeLocalStack, path: str, body: bytes | None = None, headers: dict | None = None):
        inspection = Inspection(upstream.url)
        self.addCleanup(inspection.stop)
        return direct.open(urllib.request.Request(f"http://127.0.0.1:{inspection.port}{path}", body, headers or {}), timeout=10)

    def test_mails_are_listed_without_raw_messages(self):
        with FakeLocalStack({"GET /_aws/ses": (200, json.dumps(MAILS))}) as upstream:
            with self.through(upstream, "/_local/mails") as answer:
                self.assertEqual(json.load(answer), [
                    {"to": ["a@b"], "subject": "S", "text": "T", "html": "H"},
                    {"to": [], "subject": "S", "text": "T", "html": None},
                ])

    def test_before_ses_is_called_there_are_no_mails(self):
        with FakeLocalStack() as upstream, self.through(upstream, "/_local/mails") as answer:
            self.assertEqual(json.load(answer), [])

    def test_messages_are_listed_in_order_of_their_sequence_numbers(self):
        with FakeLocalStack({"POST /_aws/sqs/messages": (200, json.dumps(MESSAGES))}) as upstream:
            with self.through(upstream, "/_local/messages?queue=http%3A%2F%2Fhost%2Fqueue%2Fq.fifo") as answer:
                self.assertEqual(json.load(answer), [
                    {"group": "g", "body": "first", "attributes": {"reason": "r"}},
                    {"group": "g", "body": "second", "attributes": {}},
                    {"group": None, "body": "of no group", "attributes": {}},
                ])
            self.assertEqual(json.loads(upstream.requests[-1][2]), {"QueueUrl": "http://host/queue/q.fifo"})

    def test_an_empty_queue_has_no_messages(self):
        with FakeLocalStack({"POST /_aws/sqs/messages": (200, "{}")}) as upstream:
            with self.through(upstream, "/_local/messages?queue=q") as answer:
                self.assertEqual(json.load(answer), [])

    def test_other_requests_are_passed_on_with_headers_body_and_status(self):
        with FakeLocalStack({"POST /some/path": (400, "refused")}) as upstream:
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.through(upstream, "/some/path?x=1", b"\x00body", {"Authorization": "signed"})
            with caught.exception as answer:
                self.assertEqual((answer.code, answer.read()), (400, b"refused"))
            what, headers, body = upstream.requests[-1]
            self.assertEqual((what, headers["Authorization"], body), ("POST /some/path", "signed", b"\x00body"))


if __name__ == "__main__":
    unittest.main()
