"""An example of the former system: the two endpoints that it must add to its existing work.

Exactly one system announces the leads of a buyer. The former system does so until it has answered a handover. It stores
that answer in the same transaction that stops its announcements, and repeats it from then on. See "For developers of
the former system" in the contract.

    python3 former_system.py 8080 < offers.jsonl      one offer event per line, then serves on 127.0.0.1
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import unquote

STAGE = {
    "offer.made.v1": "pending",
    "offer.accepted.v1": "accepted",
    "offer.acceptance-withdrawn.v1": "pending",
    "offer.rejected.v1": "closed",
    "offer.withdrawn.v1": "closed",
}


class Buyer:
    """The state of one buyer, and what was announced about it to the sales team and the buyer."""

    def __init__(self):
        self.offers = {}  # offerId -> the offer, as in the answer
        self.quoted = set()  # ids of offers whose quote was requested
        self.mailed = set()  # (offerId, acceptedVersion) of acceptance e-mails sent
        self.low = None  # the id of the open low lead
        self.was_invited = False
        self.leads = 0  # the number of lead ids given out
        self.handover = None  # the answer to the handover; {} stands for 404


class FormerSystem:
    """Keep each buyer in one row of a database, and make each method one transaction."""

    def __init__(self):
        self.buyers = {}
        self.announced = []  # (buyerId, what, about), in order
        self.lock = Lock()

    def apply(self, event):
        """Applies one offer event. Each offer's events are expected in order of their versions; others are ignored."""
        data = event["data"]
        with self.lock:
            buyer = self.buyers.setdefault(data["buyerId"], Buyer())
            offer = buyer.offers.setdefault(data["offerId"], {"offerId": data["offerId"], "offerVersion": 0})
            if buyer.handover is not None or data["offerVersion"] != offer["offerVersion"] + 1:
                return
            stage = STAGE[event["type"]]
            if stage == "accepted" and offer.get("stage") != "accepted":
                offer["acceptedVersion"] = data["offerVersion"]
            offer.update(offerVersion=data["offerVersion"], stage=stage)
            if event["type"] == "offer.made.v1":
                offer.update(carId=data["carId"], buyer=data["buyer"])

    def announce(self, buyer_id):
        """Announces the next thing owed to this buyer or to the sales team. Returns whether anything was owed."""
        with self.lock:
            buyer = self.buyers.get(buyer_id)
            owed = self._owed(buyer) if buyer else None
            if owed is None:
                return False
            what, about = owed
            offer = buyer.offers.get(about)
            if what == "quote":
                buyer.quoted.add(about)
            elif what == "close high":
                about = offer.pop("leadId")
            elif what == "close low":
                about, buyer.low = buyer.low, None
            elif what == "mail":
                buyer.mailed.add((about, offer["acceptedVersion"]))
            elif what == "invite":
                buyer.was_invited = True
            else:
                buyer.leads += 1
                about = f"L-{buyer_id}-{buyer.leads}"[:128]
                if what == "open high":
                    offer.update(leadId=about, leadVersion=offer["acceptedVersion"])
                else:
                    buyer.low = about
            self.announced.append((buyer_id, what, about))
            return True

    @staticmethod
    def _owed(buyer):
        """The next announcement, closings before openings, as (what, offerId). None if nothing is owed."""
        if buyer.handover is not None:
            return None
        offers = buyer.offers.values()
        accepted = [offer for offer in offers if offer["stage"] == "accepted"]
        wants_low = not accepted and any(offer["stage"] == "pending" for offer in offers)
        for offer in offers:
            if offer["stage"] != "closed" and offer["offerId"] not in buyer.quoted:
                return "quote", offer["offerId"]
        for offer in offers:
            if "leadId" in offer and (offer not in accepted or offer["leadVersion"] != offer["acceptedVersion"]):
                return "close high", offer["offerId"]
        if buyer.low and not wants_low:
            return "close low", None
        for offer in accepted:
            if "leadId" not in offer:
                return "open high", offer["offerId"]
            if (offer["offerId"], offer["acceptedVersion"]) not in buyer.mailed:
                return "mail", offer["offerId"]
        if wants_low and not buyer.low:
            return "open low", None
        if wants_low and not buyer.was_invited:
            return "invite", None
        return None

    def look_up(self, buyer_id):
        """The answer to GET: the current state, or {} for an unknown buyer. It changes nothing."""
        with self.lock:
            buyer = self.buyers.get(buyer_id)
            if buyer is None:
                return {}
            if buyer.handover is not None:
                nothing = {"buyerId": buyer_id, "wasInvited": False, "offers": []}
                return {**(buyer.handover or nothing), "handedOver": True}
            return self._answer(buyer_id, buyer)

    def hand_over(self, buyer_id):
        """The answer to POST, stored by the first call that gives one. None while an announcement is owed."""
        with self.lock:
            buyer = self.buyers.setdefault(buyer_id, Buyer())
            if buyer.handover is None:
                if self._owed(buyer) is not None:
                    return None
                # Also stored for an unknown buyer: a 404 is binding too.
                buyer.handover = self._answer(buyer_id, buyer) if buyer.offers else {}
            return buyer.handover

    @staticmethod
    def _answer(buyer_id, buyer):
        hidden = ("leadVersion",)
        offers = [{name: value for name, value in offer.items() if name not in hidden} for offer in buyer.offers.values()]
        known = {"buyerId": buyer_id, "wasInvited": buyer.was_invited, "handedOver": False, "offers": offers}
        return {**known, "lowLeadId": buyer.low} if buyer.low else known


def handler_of(system):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            place = self.path.split("/")
            known = len(place) == 3 and place[1] == "buyers"
            self._answer(system.look_up(unquote(place[2])) if known else {})

        def do_POST(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            place = self.path.split("/")
            known = len(place) == 4 and place[1] == "buyers" and place[3] == "handover"
            self._answer(system.hand_over(unquote(place[2])) if known else {})

        def _answer(self, answer):
            body = json.dumps(answer).encode() if answer else b""
            self.send_response(503 if answer is None else 200 if answer else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


if __name__ == "__main__":
    former = FormerSystem()
    for line in sys.stdin:
        if line.strip():
            event = json.loads(line)
            former.apply(event)
            while former.announce(event["data"]["buyerId"]):
                pass
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler_of(former)).serve_forever()
