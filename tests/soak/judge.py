#!/usr/bin/env python3
"""The judge: compares what is seen from outside with the contract's example of a former system, an independent
implementation of the rules, and with the contract's example of a consumer.

    judge.py FILE    judges the evidence that `run.py --evidence FILE` kept
"""

import json
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/contract"
sys.path.append(str(Path(__file__).resolve().parents[1] / "migration"))
sys.path += [str(EXAMPLES / "former-system-example"), str(EXAMPLES / "consumer-example/python")]

from former_system import FormerSystem  # noqa: E402
from histories import History, Message  # noqa: E402
from sales_desk import SalesDesk  # noqa: E402


@dataclass
class Evidence:
    """Everything that is judged."""

    histories: list[History]
    # By buyer: the recorded facts in order, and the status of each e-mail in the ledger by its effect key.
    streams: dict[str, list[dict]]
    ledger: dict[str, dict[str, str]]
    # The sales messages as received, repeats included, and all e-mails.
    sales: list[dict]
    mails: list[dict]
    # The group, body and reason of each dead letter.
    dead_letters: list[tuple[str, str, str]]
    # How many e-mails may be in doubt: one for each kill, freeze, and lost answer of SES.
    doubts_allowed: int

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> "Evidence":
        found = json.loads(file.read_text())
        histories = [
            History(**one | {"messages": [Message(**message) for message in one["messages"]]}) for one in found["histories"]
        ]
        letters = [tuple(letter) for letter in found["dead_letters"]]
        return cls(**found | {"histories": histories, "dead_letters": letters})


@dataclass
class Verdict:
    """`lost`, `doubled` and `wrong` describe each fault found; all three are empty if everything is right."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    figures: Counter = field(default_factory=Counter)

    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def compare(self, what: str, expected: Counter, found: Counter) -> None:
        """Everything must be found as often as expected."""
        self.lost += [f"{what}: {one}" for one in (expected - found).elements()]
        for one in (found - expected).elements():
            (self.doubled if one in expected else self.wrong).append(f"{what}: {one}")


class Reference:
    """What the former system's rules call for, fact by fact, under the names that Leadstream gives.

    An early event waits here for its predecessors. A lead that is open before a fact and after all that it releases is the
    same lead.
    """

    def __init__(self, buyer_id: str):
        self._buyer_id, self._system = buyer_id, FormerSystem()
        self._early: defaultdict[str, dict[int, dict]] = defaultdict(dict)
        # Leadstream's name of each of the former system's leads.
        self._names: dict[str, str] = {}
        self.sales: list[str] = []
        self.mails: list[str] = []
        self.open: set[str] = set()

    def record(self, sequence: int, event: dict) -> None:
        offer_id = event["data"]["offerId"]
        early = self._early[offer_id]
        early[event["data"]["offerVersion"]] = event
        version = self._offer(offer_id).get("offerVersion", 0)
        while event := early.pop(version + 1, None):
            self._system.apply(event)
            version += 1
        offer = self._offer(offer_id)
        if "leadId" in offer and offer["stage"] == "accepted":
            offer["acceptedVersion"] = offer["leadVersion"]
        announced = len(self._system.announced)
        while self._system.announce(self._buyer_id):
            pass
        for _, what, about in self._system.announced[announced:]:
            self._announce(sequence, what, about)

    def _offer(self, offer_id: str) -> dict:
        buyer = self._system.buyers.get(self._buyer_id)
        return buyer.offers.get(offer_id, {}) if buyer else {}

    def _announce(self, sequence: int, what: str, about: str) -> None:
        match what.split():
            case ["quote"]:
                self.sales.append(f"quote/{about}")
            case ["open", priority]:
                self._names[about] = f"low/{sequence}" if priority == "low" else self._high(about)
                self.sales.append(f"opened/{self._names[about]}")
                self.open.add(self._names[about])
            case ["close", _]:
                self.sales.append(f"closed/{self._names[about]}")
                self.open.discard(self._names[about])
            case ["mail"]:
                self.mails.append(f"accepted-email/{about}/{self._offer(about)['acceptedVersion']}")
            case ["invite"]:
                self.mails.append("quote-email")

    def _high(self, lead_id: str) -> str:
        offers = self._system.buyers[self._buyer_id].offers
        offer_id = next(offer_id for offer_id, offer in offers.items() if offer.get("leadId") == lead_id)
        return f"high/{offer_id}/{offers[offer_id]['acceptedVersion']}"

    def may_be_missing(self, key: str) -> bool:
        """Whether a later closing overtakes this opening, quote request or e-mail."""
        kind, _, name = key.partition("/")
        match kind:
            case "opened":
                return f"closed/{name}" in self.sales
            case "quote":
                return self._offer(name)["stage"] == "closed"
            case "accepted-email":
                return f"closed/high/{name}" in self.sales
            case "quote-email":
                # Each low lead calls for it anew until it is sent.
                return not any(name.startswith("low/") for name in self.open)
            case _:
                return False


def judge(evidence: Evidence) -> Verdict:
    verdict = Verdict()
    is_open, sales = _received(evidence.sales, verdict)
    mails: defaultdict[str, list[dict]] = defaultdict(list)
    for mail in evidence.mails:
        mails[mail["to"][0]].append(mail)
    for history in evidence.histories:
        reference = _recorded(history, evidence.streams.get(history.buyer_id, []), verdict)
        _sales(history, reference, is_open[history.buyer_id], sales[history.buyer_id], verdict)
        _mails(history, reference, mails.pop(history.email, []), evidence.ledger.get(history.buyer_id, {}), verdict)
    known = {history.buyer_id for history in evidence.histories}
    verdict.wrong += [f"a stream of an unknown buyer: {buyer}" for buyer in evidence.streams if buyer not in known]
    verdict.wrong += [f"sales messages about an unknown buyer: {buyer}" for buyer in sales if buyer not in known]
    verdict.wrong += [f"e-mails to an unknown address: {len(found)}" for found in mails.values()]
    expected = Counter(
        (message.group, message.body, message.reason)
        for history in evidence.histories for message in history.messages if message.reason
    )
    verdict.compare("dead letter", expected, Counter(evidence.dead_letters))
    verdict.figures["dead letters"] = expected.total()
    if verdict.figures["e-mails in doubt"] > evidence.doubts_allowed:
        verdict.wrong.append(f"{verdict.figures['e-mails in doubt']} e-mails in doubt, faults: {evidence.doubts_allowed}")
    return verdict


def _received(messages: list[dict], verdict: Verdict) -> tuple[dict[str, set[str]], dict[str, Counter]]:
    """By buyer, the consumer's open leads after all messages, and the keys that it applied. Repeats must be equal."""
    desk, first, keys = SalesDesk(), {}, defaultdict(Counter)
    for message in messages:
        if desk.apply(json.dumps(message)) == "applied":
            first[message["id"]] = message
            buyer_id, _, key = message["id"].partition("/")
            keys[buyer_id][key] += 1
        else:
            verdict.figures["sales messages received again"] += 1
            if first.get(message["id"]) != message:
                verdict.wrong.append(f"a repeat differs: {message['id']}")
    verdict.figures["sales messages"] = len(first)
    is_open = defaultdict(set)
    for lead in desk.open_leads():
        is_open[lead["buyer_id"]].add(lead["lead_id"])
    return is_open, keys


def _recorded(history: History, facts: list[dict], verdict: Verdict) -> Reference:
    """Every event must be recorded once. Returns the reference after these facts."""
    reference = Reference(history.buyer_id)
    events = {_name(event): event for event in history.events}
    found = Counter((fact["offer"], fact["version"], fact["type"]) for fact in facts)
    verdict.compare(f"{history.buyer_id}: event", Counter(events.keys()), found)
    verdict.figures["events"] += len(events)
    for sequence, fact in enumerate(facts, 1):
        event = events.pop((fact["offer"], fact["version"], fact["type"]), None)
        if event:
            reference.record(sequence, event)
    return reference


def _name(event: dict) -> tuple[str, int, str]:
    kind = event["type"].removeprefix("offer.").removesuffix(".v1")
    return event["data"]["offerId"], event["data"]["offerVersion"], kind


def _sales(history: History, reference: Reference, is_open: set[str], found: Counter, verdict: Verdict) -> None:
    missing = Counter(reference.sales) - found
    overtaken = Counter(key for key in missing if reference.may_be_missing(key))
    verdict.figures["sales messages overtaken"] += overtaken.total()
    verdict.compare(f"{history.buyer_id}: sales message", Counter(reference.sales) - overtaken, found)
    if is_open != reference.open:
        verdict.wrong.append(f"{history.buyer_id}: open are {sorted(is_open)}, expected {sorted(reference.open)}")
    verdict.figures["open leads"] += len(is_open)


def _mails(history: History, reference: Reference, mails: list[dict], ledger: dict[str, str], verdict: Verdict) -> None:
    """Mails name their offer but no version, so they are compared with the ledger offer by offer."""
    sent = Counter(_about(key) for key, status in ledger.items() if status == "sent")
    verdict.compare(f"{history.buyer_id}: e-mail", sent, Counter(map(_about_mail, mails)))
    verdict.figures["e-mails"] += len(mails)
    for key in reference.mails:
        match ledger.get(key):
            case "sent":
                pass
            case "unknown":
                verdict.figures["e-mails in doubt"] += 1
            case None | "superseded" if reference.may_be_missing(key):
                verdict.figures["e-mails overtaken"] += 1
            case status:
                verdict.lost.append(f"{history.buyer_id}: e-mail {key} is {status}")
    verdict.wrong += [f"{history.buyer_id}: e-mail {key} was not called for" for key in ledger if key not in reference.mails]


def _about(key: str) -> str:
    """The offer of an effect key; for the invitation, the key."""
    return key.split("/")[1] if "/" in key else key


def _about_mail(mail: dict) -> str:
    if mail["subject"] == "Your offer was accepted":
        return mail["text"].partition("/offers/")[2].partition("\n")[0]
    return "quote-email" if mail["subject"].startswith("An insurance quote") else mail["subject"]


if __name__ == "__main__":
    judged = judge(Evidence.read(Path(sys.argv[1])))
    print(json.dumps(vars(judged), indent=2))
    sys.exit(not judged.is_good())
