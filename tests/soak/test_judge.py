"""The judge finds what is lost, doubled and wrong. A small model that follows the contract gives it faultless evidence, and
each test changes one thing."""

import copy
import sys
import unittest
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "migration"))

from histories import Histories  # noqa: E402
from judge import Evidence, Reference, judge  # noqa: E402


def faultless() -> Evidence:
    histories = Histories(seed=3)
    for _ in range(300):
        histories.next(is_ending=False)
    while histories.next(is_ending=True):
        pass
    evidence = Evidence(histories.all, {}, {}, [], [], [], 0)
    for history in histories.all:
        facts, reference = [], Reference(history.buyer_id)
        for sequence, event in enumerate(history.events, 1):
            data, kind = event["data"], event["type"].removeprefix("offer.").removesuffix(".v1")
            facts.append({"type": kind, "offer": data["offerId"], "version": data["offerVersion"]})
            reference.record(sequence, event)
        evidence.streams[history.buyer_id] = facts
        evidence.ledger[history.buyer_id] = dict.fromkeys(reference.mails, "sent")
        evidence.sales += [_sales_message(history.buyer_id, key) for key in reference.sales]
        evidence.mails += [_mail(history.email, key) for key in reference.mails]
        evidence.dead_letters += [
            (message.group, message.body, message.reason) for message in history.messages if message.reason
        ]
    return evidence


def _sales_message(buyer_id: str, key: str) -> dict:
    word, _, name = key.partition("/")
    kind = {"quote": "quote.requested.v1", "opened": "lead.opened.v1", "closed": "lead.closed.v1"}[word]
    data = {"buyerId": buyer_id, "contact": {"name": "Ada", "email": "ada@example.com"}, "sequence": 1}
    if word == "quote":
        data |= {"offerId": name, "carId": "car-1"}
    else:
        data |= {"leadId": name, "priority": name.partition("/")[0], "reason": "offer-accepted"}
    return {"id": f"{buyer_id}/{key}", "type": kind, "data": data}


def _mail(address: str, key: str) -> dict:
    if key == "quote-email":
        return {"to": [address], "subject": "An insurance quote for you", "text": ""}
    return {"to": [address], "subject": "Your offer was accepted", "text": f"\n/offers/{key.split('/')[1]}\n"}


class Judging(unittest.TestCase):
    def setUp(self) -> None:
        self.evidence = faultless()

    def check(self, **expected: int) -> None:
        verdict = judge(self.evidence)
        found = Counter(lost=len(verdict.lost), doubled=len(verdict.doubled), wrong=len(verdict.wrong))
        self.assertEqual(+found, Counter(expected), (verdict.lost, verdict.doubled, verdict.wrong))

    def sale(self, word: str) -> int:
        """The place of the first sales message of a kind about a lead that is open in the end."""
        closed = {message["id"].replace("closed", word) for message in self.evidence.sales if "/closed/" in message["id"]}
        return next(
            place for place, message in enumerate(self.evidence.sales)
            if f"/{word}/" in message["id"] and message["id"] not in closed
        )

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.check()
        self.assertGreater(len(self.evidence.dead_letters), 10)
        self.assertGreater(len(self.evidence.mails), 50)

    def test_a_lost_event_is_found(self):
        buyer_id, facts = next((buyer_id, facts) for buyer_id, facts in self.evidence.streams.items() if len(facts) > 4)
        facts.pop()
        lost = judge(self.evidence).lost
        self.assertTrue(any(fault.startswith(f"{buyer_id}: event") for fault in lost), lost)

    def test_a_doubled_event_is_found(self):
        facts = next(iter(self.evidence.streams.values()))
        facts.append(copy.deepcopy(facts[-1]))
        self.check(doubled=1)

    def test_an_event_of_another_type_is_lost_and_wrong(self):
        facts = next(iter(self.evidence.streams.values()))
        facts[0]["type"] = "erased"
        verdict = judge(self.evidence)
        self.assertTrue(verdict.lost)
        self.assertTrue(verdict.wrong)

    def test_a_lost_opening_is_found_and_the_lead_is_not_open(self):
        self.evidence.sales.pop(self.sale("opened"))
        self.check(lost=1, wrong=1)

    def test_an_opening_of_a_closed_lead_may_be_missing(self):
        closed = next(message["id"] for message in self.evidence.sales if "/closed/" in message["id"])
        self.evidence.sales = [one for one in self.evidence.sales if one["id"] != closed.replace("closed", "opened")]
        self.check()

    def test_a_lost_closing_is_found_and_the_lead_stays_open(self):
        place = next(place for place, message in enumerate(self.evidence.sales) if "/closed/" in message["id"])
        self.evidence.sales.pop(place)
        self.check(lost=1, wrong=1)

    def test_a_repeat_with_the_same_content_is_harmless(self):
        self.evidence.sales.append(copy.deepcopy(self.evidence.sales[0]))
        self.check()

    def test_a_repeat_with_other_content_is_wrong(self):
        repeat = copy.deepcopy(self.evidence.sales[0])
        repeat["data"]["carId"] = "another-car"
        self.evidence.sales.append(repeat)
        self.check(wrong=1)

    def test_a_changed_message_is_lost_and_wrong(self):
        message = self.evidence.sales[self.sale("opened")]
        message["id"] += "9"
        message["data"]["leadId"] += "9"
        self.check(lost=1, wrong=2)

    def test_a_doubled_mail_is_found(self):
        self.evidence.mails.append(self.evidence.mails[0])
        self.check(doubled=1)

    def test_a_mail_that_the_ledger_lists_as_sent_is_missed(self):
        self.evidence.mails.pop()
        self.check(lost=1)

    def test_a_mail_in_doubt_needs_a_fault_that_explains_it(self):
        buyer_id, key = next(
            (buyer_id, key) for buyer_id, ledger in self.evidence.ledger.items() for key in ledger if key == "quote-email"
        )
        self.evidence.ledger[buyer_id][key] = "unknown"
        address = next(history.email for history in self.evidence.histories if history.buyer_id == buyer_id)
        self.evidence.mails.remove(_mail(address, key))
        self.check(wrong=1)
        self.evidence.doubts_allowed = 1
        self.check()

    def test_a_mail_that_is_given_up_is_lost(self):
        ledger = next(ledger for ledger in self.evidence.ledger.values() if "quote-email" in ledger)
        ledger["quote-email"] = "abandoned"
        self.assertTrue(judge(self.evidence).lost)

    def test_a_mail_that_nothing_calls_for_is_wrong(self):
        self.evidence.mails.append(_mail(self.evidence.histories[0].email, "accepted-email/no-such-offer/2"))
        self.check(wrong=1)

    def test_dead_letters_must_have_their_reason(self):
        group, body, _ = self.evidence.dead_letters[0]
        self.evidence.dead_letters[0] = group, body, ""
        self.check(lost=1, wrong=1)

    def test_a_lost_and_a_doubled_dead_letter_are_found(self):
        self.evidence.dead_letters[0] = self.evidence.dead_letters[1]
        self.check(lost=1, doubled=1)


if __name__ == "__main__":
    unittest.main()
