"""The former system beside the stack, and the parameters of the recorder, through `infra/local/beside.py`."""

import json
import urllib.request
from collections import Counter

from crowd import body


# Never uses a proxy, regardless of the environment.
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Former:
    def __init__(self, url: str):
        self.url = url

    def _ask(self, method: str, place: str, content: str = ""):
        request = urllib.request.Request(f"{self.url}/{place}", content.encode() or None, method=method)
        with http.open(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def send(self, events: list[dict]) -> None:
        """Applies these events there; what they call for is announced at once."""
        if events:
            self._ask("POST", "control/events", "\n".join(map(body, events)))

    def set_away(self, is_away: bool) -> None:
        self._ask("PUT", "control/away", json.dumps(is_away))

    def deploy_recorder(self, effects: str, is_misread: bool = False) -> None:
        """Deploys the recorder with other parameters. If it misreads, it takes accepted offers for pending ones."""
        url = f"{self.url}/misread" if is_misread else self.url
        self._ask("PUT", "control/recorder", json.dumps({"EFFECTS": effects, "LEGACY_URL": url}))

    def requests(self) -> dict[str, Counter]:
        """By buyer, how many requests of a kind it answered, as in `GET 200`."""
        return {buyer: Counter(counts) for buyer, counts in self._ask("GET", "control/requests").items()}

    def announced(self) -> dict[str, list[list[str]]]:
        """By buyer, what it announced in order: [what, about]."""
        return self._ask("GET", "control/announced")

    def last_word(self, buyer_id: str) -> dict:
        """Its answer about a buyer that it has handed over."""
        return self._ask("GET", f"buyers/{buyer_id}")
