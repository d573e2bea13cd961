"""Tests of the example former system. Run `python3 -m unittest` in this folder."""

import json
import unittest
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from threading import Thread

from former_system import FormerSystem, handler_of


def event(kind, version, offer="offer-1", buyer="b?7"):
    data = {"buyerId": buyer, "offerId": offer, "offerVersion": version}
    if kind == "made":
        data |= {"carId": "car-1", "buyer": {"name": "Ada", "email": "ada@example.com"}}
    return {"type": f"offer.{kind}.v1", "data": data}


class TestFormerSystem(unittest.TestCase):
    def setUp(self):
        self.system = FormerSystem()

    def announced(self):
        while self.system.announce("b?7"):
            pass
        announced, self.system.announced = self.system.announced, []
        return [(what, about) for _, what, about in announced]

    def test_closings_are_announced_before_openings_and_each_thing_once(self):
        self.system.apply(event("made", 1))
        low = "L-b?7-1"
        self.assertEqual(self.announced(), [("quote", "offer-1"), ("open low", low), ("invite", None)])
        self.system.apply(event("accepted", 2))
        high = "L-b?7-2"
        self.assertEqual(self.announced(), [("close low", low), ("open high", high), ("mail", "offer-1")])
        self.system.apply(event("acceptance-withdrawn", 3))
        self.system.apply(event("accepted", 4))
        again = [("close high", high), ("open high", "L-b?7-3"), ("mail", "offer-1")]
        self.assertEqual(self.announced(), again, "a new acceptance has its own lead")
        self.system.apply(event("accepted", 4))
        self.assertEqual(self.announced(), [])

    def test_a_handover_waits_until_nothing_is_owed_and_is_then_final(self):
        self.system.apply(event("made", 1))
        self.assertIsNone(self.system.hand_over("b?7"))
        self.announced()
        answer = self.system.hand_over("b?7")
        self.assertEqual((answer["lowLeadId"], answer["wasInvited"], answer["handedOver"]), ("L-b?7-1", True, False))
        self.system.apply(event("accepted", 2))
        self.assertEqual(self.announced(), [])
        self.assertEqual(self.system.hand_over("b?7"), answer)
        self.assertEqual(self.system.look_up("b?7"), {**answer, "handedOver": True})

    def test_a_handover_answered_with_404_is_final_too(self):
        self.assertEqual(self.system.hand_over("b?7"), {})
        self.system.apply(event("made", 1))
        self.assertEqual((self.system.hand_over("b?7"), self.announced()), ({}, []))
        looked_up = self.system.look_up("b?7")
        self.assertEqual((looked_up["handedOver"], looked_up["offers"]), (True, []))

    def test_both_endpoints_answer_over_http(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self.system))
        Thread(target=server.serve_forever, daemon=True).start()
        connection = HTTPConnection("127.0.0.1", server.server_port)

        def ask(method, path):
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None

        try:
            self.assertEqual(ask("GET", "/buyers/b%3F7"), (404, None))
            self.system.apply(event("made", 1))
            self.assertEqual(ask("POST", "/buyers/b%3F7/handover"), (503, None))
            self.announced()
            status, looked_up = ask("GET", "/buyers/b%3F7")
            self.assertEqual((status, looked_up["lowLeadId"]), (200, "L-b?7-1"))
            self.assertEqual(ask("POST", "/buyers/b%3F7/handover"), (200, looked_up))
            self.assertEqual(ask("GET", "/elsewhere"), (404, None))
        finally:
            connection.close()
            server.shutdown()
            server.server_close()


if __name__ == "__main__":
    unittest.main()
