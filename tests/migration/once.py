"""Whether the former system and Leadstream together announced everything about a buyer exactly once."""

from collections import Counter
from dataclasses import dataclass, field

from crowd import Buyer


COUNTED = ("leads opened", "leads closed", "quotes", "e-mails")


@dataclass
class Announced:
    """What both systems announced about one buyer."""

    # [what, about], in order.
    former: list[list[str]]
    # The former system's answer to the handover; empty for 404.
    last_word: dict
    sales: list[dict]
    emails: list[dict]
    faults: list[str] = field(default_factory=list)
    # Of effects with these keys only so many were seen. That is right if a later event had overtaken the others.
    missing: list[tuple[list[str], int]] = field(default_factory=list)

    def former_about(self, *whats: str) -> list[str]:
        return [about for what, about in self.former if what in whats]

    def ours_about(self, kind: str, name: str) -> list[str]:
        return [message["data"][name] for message in self.sales if message["type"] == kind]

    def counts(self) -> Counter:
        """How much each system announced, and how many leads one opened and the other closed."""
        closed_here = self.ours_about("lead.closed.v1", "leadId")
        there = [
            self.former_about("open high", "open low"), self.former_about("close high", "close low"),
            self.former_about("quote"), self.former_about("mail", "invite"),
        ]
        here = [
            self.ours_about("lead.opened.v1", "leadId"), closed_here,
            self.ours_about("quote.requested.v1", "offerId"), self.emails,
        ]
        counts = Counter({f"there: {name}": len(found) for name, found in zip(COUNTED, there)})
        counts.update({f"here: {name}": len(found) for name, found in zip(COUNTED, here)})
        counts["taken over"] = sum("/" not in name for name in closed_here)
        return counts

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            self.faults.append(what)


def faults(buyer: Buyer, announced: Announced) -> list[str]:
    """What was announced twice, never, or by the wrong system; empty if all is well."""
    _leads(buyer, announced)
    _quotes(buyer, announced)
    _invitation(announced)
    _acceptances(buyer, announced)
    return [f"{buyer.id}: {fault}" for fault in announced.faults]


def _leads(buyer: Buyer, announced: Announced) -> None:
    ids = [message["id"] for message in announced.sales]
    announced.must(len(ids) == len(set(ids)), f"a sales message stands twice in {ids}")
    opened_there = announced.former_about("open high", "open low")
    closed_there = announced.former_about("close high", "close low")
    opened_here = announced.ours_about("lead.opened.v1", "leadId")
    closed_here = announced.ours_about("lead.closed.v1", "leadId")
    for word, names in (("opened", opened_there + opened_here), ("closed", closed_there + closed_here)):
        twice = [name for name, count in Counter(names).items() if count > 1]
        announced.must(not twice, f"{word} twice: {twice}")
    # What was left open there, by its name: the offer, or `low`.
    offers = announced.last_word.get("offers", [])
    left = {offer["leadId"]: offer["offerId"] for offer in offers if "leadId" in offer}
    if "lowLeadId" in announced.last_word:
        left[announced.last_word["lowLeadId"]] = "low"
    announced.must(set(opened_there) - set(closed_there) == set(left), f"the handover names {set(left)} as open")
    strange = {name for name in closed_here if "/" not in name} - set(left)
    announced.must(not strange, f"closed leads that the former system had not left open: {strange}")
    unopened = set(closed_there) - set(opened_there)
    announced.must(not unopened, f"closed and never opened: {unopened}")
    # A lead of ours that is over before it can be announced is closed only.
    announced.missing += [([f"opened/{name}"], 0) for name in closed_here if "/" in name and name not in opened_here]
    standing = [about for name, about in left.items() if name not in closed_here]
    for name in set(opened_here) - set(closed_here):
        standing.append("low" if name.startswith("low/") else name.split("/")[1])
    called_for = buyer.accepted() + ["low"] * buyer.calls_for_low_lead()
    announced.must(sorted(standing) == sorted(called_for), f"open are {standing}, called for are {called_for}")
    # An acceptance that the former system knew was announced there, a later one here.
    known = {offer["offerId"]: offer["offerVersion"] for offer in offers}
    for name in opened_here:
        if name.startswith("high/"):
            _, offer_id, version = name.split("/")
            announced.must(int(version) > known.get(offer_id, 0), f"{name} was announced by the former system too")


def _quotes(buyer: Buyer, announced: Announced) -> None:
    there, here = Counter(announced.former_about("quote")), Counter(announced.ours_about("quote.requested.v1", "offerId"))
    known = {offer["offerId"] for offer in announced.last_word.get("offers", [])}
    for offer_id, offer in buyer.offers.items():
        expected = (1, 0) if offer_id in known else (0, 1)
        counts = there[offer_id], here[offer_id]
        is_missing = counts == (0, 0) and offer_id not in known and offer.stage == "closed"
        announced.must(counts == expected or is_missing, f"{counts} quotes for {offer_id}, expected {expected}")
        announced.missing += [([f"quote/{offer_id}"], 0)] * is_missing


def _invitation(announced: Announced) -> None:
    # The former system invites with the first low lead, and the handover asks whether it did.
    there, was_invited = len(announced.former_about("invite")), announced.last_word.get("wasInvited", False)
    expected = int(bool(announced.former_about("open low")))
    announced.must(there == int(was_invited) == expected, f"invited there {there} times, the handover says {was_invited}")
    here = sum(_is_invitation(email) for email in announced.emails)
    announced.must(there + here <= 1, f"invited {there} times there and {here} times here")
    if not there + here and any(name.startswith("low/") for name in announced.ours_about("lead.opened.v1", "leadId")):
        announced.missing.append((["quote-email"], 0))


def _is_invitation(email: dict) -> bool:
    return email["subject"].startswith("An insurance quote")


def _acceptances(buyer: Buyer, announced: Announced) -> None:
    there = Counter(announced.former_about("mail"))
    emails = [email for email in announced.emails if not _is_invitation(email)]
    others = [email["subject"] for email in emails if email["subject"] != "Your offer was accepted"]
    announced.must(not others, f"other e-mails: {others}")
    opened, closed = (announced.ours_about(f"lead.{word}.v1", "leadId") for word in ("opened", "closed"))
    known = {offer["offerId"]: offer["offerVersion"] for offer in announced.last_word.get("offers", [])}
    for offer_id, offer in buyer.offers.items():
        before = [version for version in offer.acceptances if version <= known.get(offer_id, 0)]
        announced.must(there[offer_id] == len(before), f"{there[offer_id]} e-mails there about {before} of {offer_id}")
        # One for each lead. An acceptance withdrawn and given again in one chain keeps its lead, and calls for no e-mail.
        own = [name for name in opened if name.startswith(f"high/{offer_id}/")]
        here = sum(f"/offers/{offer_id}\n" in email["text"] for email in emails)
        announced.must(here <= len(own), f"{here} e-mails here about {own}")
        announced.must(here > 0 or not set(own) - set(closed), f"no e-mail here about {own}")
        if here < len(own):
            announced.missing.append(([f"accepted-email/{name.removeprefix('high/')}" for name in own], here))
