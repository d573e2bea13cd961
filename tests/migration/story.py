"""The steps of a migration as `docs/migrating.md` lists them, each of which checks its result."""

import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import once
from crowd import Buyer, Delivery
from local import Local, Report, check, until

# How many buyers `leads parity` works on at once.
AT_ONCE = 16


class Story:
    def __init__(self, local: Local, report: Report, buyers: int, outage: float):
        self.local, self.former, self.report, self.outage = local, local.former, report, outage
        self.buyers = [Buyer(f"buyer-{number:05}") for number in range(1, buyers + 1)]
        # Ample also for a busy machine: the local AWS runs one batch of a FIFO queue at a time.
        self.patience = 180 + buyers

    # ---- 1 and 2 -----------------------------------------------------------------------------------------------------

    def shadow(self) -> None:
        with self.report.step("Shadow beside the former system") as figures:
            older = {buyer.id: buyer.events(3, 6) for buyer in self.buyers}
            self.former.send([event for events in older.values() for event in events])
            self.former.deploy_recorder("shadow")
            scripts = {buyer.id: buyer.script(buyer.events(3, 5), older[buyer.id]) for buyer in self.buyers}
            figures["buyers"] = len(self.buyers)
            figures["events older than the queue"] = sum(map(len, older.values()))
            figures["messages posted"] = self.local.play(scripts)
            streams = self.settle_and_catch_up()
            self.check_migrated(streams, 1)
            figures["facts recorded"] = sum(map(len, streams.values()))
            figures["`migrated` facts for each buyer"] = 1
            self.check_only_looked_up(figures)
            self.check_no_effects(figures)

    def parity(self) -> None:
        with self.report.step("Parity of all buyers") as figures:
            self.check_parity(figures)

    def check_migrated(self, streams: dict[str, list[dict]], times: int) -> None:
        """Every buyer was migrated so many times, and reset in between."""
        check(streams.keys() == {buyer.id for buyer in self.buyers}, f"{len(streams)} buyers have a stream")
        for buyer_id, facts in streams.items():
            takeovers = [fact["type"] for fact in facts if fact["type"] in ("migrated", "reset", "handed-over")]
            expected = (["migrated", "reset"] * times)[:-1]
            check(takeovers == expected, f"{buyer_id}: {takeovers}, expected {expected}")

    def check_no_effects(self, figures: dict) -> None:
        sales, emails = len(self.local.sales_messages()), len(self.local.emails())
        check(sales == emails == 0, f"in shadow {sales} sales messages and {emails} e-mails were sent")
        kinds = {kind.split("/")[0] for _, kind, _ in self.local.leads_items()}
        check(not kinds & {"lead", "email"}, f"in shadow the leads table got items {kinds}")
        check(self.local.dead_letters() == 0, "there are dead letters")
        check(self.local.leads("held")[0] == 0, "events are held though every event was posted")
        figures["sales messages"] = figures["e-mails"] = figures["leads"] = figures["dead letters"] = 0

    def check_only_looked_up(self, figures: dict) -> None:
        requests = self.former.requests()
        total = sum(requests.values(), Counter())
        check(set(total) == {"GET 200"}, f"requests to the former system: {dict(total)}, expected lookups only")
        asked = [requests.get(buyer.id, Counter())["GET 200"] for buyer in self.buyers]
        check(min(asked) >= 1, "the former system was not asked about every buyer")
        figures["requests to the former system"] = dict(total)
        figures["most requests for one buyer"] = max(asked)

    def settle_and_catch_up(self) -> dict[str, list[dict]]:
        """Waits until everything posted is recorded and settled; only then the former system hears what is late for it."""
        streams = self.local.settle(self.patience)
        self.former.send([event for buyer in self.buyers for event in buyer.catch_up()])
        return streams

    def check_parity(self, figures: dict, expected: int = 0, name: str = "unexplained differences") -> None:
        code, answer = self.local.leads("parity", "--all")
        check(answer["isComplete"] and answer["compared"] == len(self.buyers), f"compared {answer['compared']} buyers")
        found = f"{answer['unexplained']} unexplained, expected {expected}: {answer['classes']}"
        check(answer["unexplained"] == expected, found)
        check(code == (1 if expected else 0), f"parity: exit code {code}")
        lag = answer["classes"]["lag"]["differences"]
        check(lag == 0, f"{lag} differences are a lag though every event has arrived")
        figures |= {name: expected, "buyers without a difference": answer["agreeing"]}

    # ---- 3 -----------------------------------------------------------------------------------------------------------

    def broken_rule(self) -> None:
        with self.report.step("A rule is broken, found, fixed; all buyers are reset") as figures:
            # Accepted offers read as pending. `leads` asks the former system itself.
            self.former.deploy_recorder("shadow", is_misread=True)
            self.reset(figures, "reset under the broken rule")
            # The former system is ahead, so that its answer has every event.
            scripts = {}
            for buyer in self.buyers:
                event = buyer.event()
                scripts[buyer.id] = [Delivery(True, event), Delivery(False, event)]
            self.local.play(scripts)
            self.check_migrated(self.local.settle(self.patience), 2)
            accepted = sum(len(buyer.accepted()) for buyer in self.buyers)
            check(accepted > 0, "no offer is accepted: nothing to find")
            self.check_parity(figures, accepted, "differences found, one for each accepted offer")
            self.former.deploy_recorder("shadow")
            self.reset(figures, "reset after the fix")
            self.local.play({buyer.id: buyer.script(buyer.events(1, 2)) for buyer in self.buyers})
            self.check_migrated(self.settle_and_catch_up(), 3)
            fixed: dict = {}
            self.check_parity(fixed)
            figures |= {f"after the fix: {name}": figure for name, figure in fixed.items()}
            self.check_no_effects(figures)

    def reset(self, figures: dict, name: str) -> None:
        code, answer = self.local.leads("reset", "--all", "--yes")
        check(code == 0 and answer["counts"] == {"reset": len(self.buyers)}, f"reset: exit code {code}, {answer['counts']}")
        figures[name] = answer["counts"]["reset"]

    # ---- 4 -----------------------------------------------------------------------------------------------------------

    def live(self) -> None:
        with self.report.step("Live, with the former system away in the middle") as figures:
            before, half = self.former.requests(), len(self.buyers) // 2
            first, second = self.buyers[:half], self.buyers[half:]
            self.former.deploy_recorder("live")
            with ThreadPoolExecutor(1) as background:
                scripts = {buyer.id: buyer.script(buyer.events(2, 2)) for buyer in first}
                posting = background.submit(self.local.play, scripts)
                until("a quarter of all buyers is live", lambda: len(self.live_buyers()) >= half // 2, self.patience)
                self.former.set_away(True)
                begun = time.monotonic()
                posting.result()
            live = self.live_buyers()
            more = {buyer.id: buyer.script(buyer.events(1, 1)) for buyer in first}
            self.local.play(more | {buyer.id: buyer.script(buyer.events(2, 2)) for buyer in second})
            # Those who are live already do not need the former system any more.
            until("the events of live buyers are recorded", lambda: not live & self.local.waiting(), self.patience)
            until("the outage is over", lambda: time.monotonic() - begun >= self.outage, self.outage + 1)
            check(len(self.live_buyers()) == len(live), "a buyer was handed over while the former system was away")
            figures["live before the outage"] = len(live)
            figures["seconds of the outage"] = round(time.monotonic() - begun)
            self.former.set_away(False)
            self.local.play({buyer.id: buyer.script(buyer.events(1, 1)) for buyer in second})
            streams = self.settle_and_catch_up()
            for buyer_id, facts in streams.items():
                times = sum(fact["type"] == "handed-over" for fact in facts)
                check(times == 1, f"{buyer_id}: {times} `handed-over` facts")
            figures["handed over, each once"] = len(streams)
            since = sum(self.former.requests().values(), Counter()) - sum(before.values(), Counter())
            figures["requests to the former system"] = dict(since)
            self.check_nothing_lost(figures)
            self.check_announced_once(figures)
            check(self.local.leads("audit")[0] == 0, "`leads audit` finds something")
            # The former system ignores events after a handover, so it lags; nothing else may differ.
            classes = self.local.leads("parity", "--all")[1]["classes"]
            figures["differences afterwards"] = {
                name: found["differences"] for name, found in classes.items() if found["differences"]
            }
            differing = set(figures["differences afterwards"])
            check(differing <= {"lag"}, f"differences of live buyers: {differing}")

    def live_buyers(self) -> set[str]:
        return {buyer for buyer, counts in self.former.requests().items() if counts["POST 200"] + counts["POST 404"]}

    def check_nothing_lost(self, figures: dict) -> None:
        check(self.local.dead_letters() == 0, "there are dead letters")
        check(self.local.leads("held")[0] == 0, "events are held though every event was posted")
        outcomes = self.local.outcomes()
        ended = [outcomes.get(message, Counter()) for message in self.local.posted]
        lost = sum(not (one["recorded"] or one["held"] or one["duplicate"]) for one in ended)
        check(lost == 0, f"{lost} messages were neither recorded nor duplicates")
        total = sum(ended, Counter())
        figures["messages since the beginning"] = len(self.local.posted)
        figures["their outcomes"] = {name: total[name] for name in ("recorded", "held", "duplicate", "returned")}
        figures["lost"] = figures["dead letters"] = 0

    def check_announced_once(self, figures: dict) -> None:
        former, sales, emails = self.former.announced(), defaultdict(list), defaultdict(list)
        for message in self.local.sales_messages():
            sales[message["data"]["buyerId"]].append(message)
        for email in self.local.emails():
            emails[email["to"][0]].append(email)
        faults, counts = [], Counter()
        for buyer in self.buyers:
            word = self.former.last_word(buyer.id)
            announced = once.Announced(former.get(buyer.id, []), word, sales[buyer.id], emails[buyer.email])
            faults += once.faults(buyer, announced)
            faults += self.not_overtaken(buyer.id, announced.missing)
            counts += announced.counts()
        check(not faults, f"{len(faults)} faults in what was announced, the first ones: {faults[:5]}")
        figures["announced by the former system"] = {name: counts[f"there: {name}"] for name in once.COUNTED}
        figures["announced by Leadstream"] = {name: counts[f"here: {name}"] for name in once.COUNTED}
        figures["opened there and closed by Leadstream"] = counts["taken over"]
        figures["announced twice, or never"] = 0

    def not_overtaken(self, buyer_id: str, missing: list[tuple[list[str], int]]) -> list[str]:
        """Effects that Leadstream has as sent although nobody received them."""
        if not missing:
            return []
        events = self.local.leads("history", buyer_id)[1]["events"]
        sent = {effect["key"] for event in events for effect in event["effects"] if effect["settled"] == "sent"}
        return [f"{buyer_id}: of {keys} only {seen} seen" for keys, seen in missing if len(sent & set(keys)) > seen]


def parity_of_many(local: Local, report: Report, number: int) -> None:
    """Parity of many buyers: what it costs, and that an interrupted run goes on without comparing a buyer twice."""
    buyers = [f"many-{number:06}" for number in range(1, number + 1)]
    with report.step("Many more buyers in shadow, one event each") as figures:
        _create(local, buyers, figures)
    with report.step("Parity of these buyers, interrupted and resumed") as figures, tempfile.TemporaryDirectory() as place:
        _compare(local, buyers, Path(place), figures)


def _create(local: Local, buyers: list[str], figures: dict) -> None:
    local.former.deploy_recorder("shadow")
    scripts = {}
    for buyer_id in buyers:
        buyer = Buyer(buyer_id)
        events = buyer.events(1, 3)
        scripts[buyer_id] = [*(Delivery(True, event) for event in events), Delivery(False, events[-1])]
    local.play(scripts)
    # The reactor must not ask AWS while requests are counted.
    local.settle(300 + len(buyers))
    requests = local.former.requests()
    total = sum((requests.get(buyer, Counter()) for buyer in buyers), Counter())
    check(set(total) == {"GET 200"}, f"requests to the former system: {dict(total)}, expected lookups only")
    figures |= {"buyers": len(buyers), "requests to the former system for each": total["GET 200"] / len(buyers)}


def _compare(local: Local, buyers: list[str], place: Path, figures: dict) -> None:
    ids, state = place / "buyers.txt", place / "parity.jsonl"
    ids.write_text("\n".join(buyers) + "\n")
    command = ["parity", "--file", str(ids), "--state", str(state), "--at-once", str(AT_ONCE)]

    def compared() -> int:
        return state.read_bytes().count(b"\n") if state.exists() else 0

    former, aws = local.former.requests(), local.aws_requests()
    code, answer = local.leads(*command, interrupt=lambda: compared() >= len(buyers) // 2)
    first = compared()
    check(code == 130 and not answer["isComplete"], f"the interrupted run ended with {code}: it was over too soon")
    code, answer = local.leads(*command)
    check(code == 0 and answer["isComplete"] and answer["unexplained"] == 0, f"parity: exit code {code}, {answer['classes']}")
    check(answer["comparedEarlier"] == first and answer["compared"] == len(buyers), f"compared {answer['compared']}")
    aws = Counter(local.aws_requests()) - Counter(aws)
    now = local.former.requests()
    since = {buyer: now[buyer] - former[buyer] for buyer in buyers}
    total = sum(since.values(), Counter())
    check(set(total) == {"GET 200"}, f"requests to the former system: {dict(total)}")
    times = Counter(counts["GET 200"] for counts in since.values())
    # Those under way at the interruption were asked about, and their answers dropped.
    check(set(times) <= {1, 2} and times[2] <= AT_ONCE, f"buyers by times asked: {dict(times)}")
    figures["buyers"] = len(buyers)
    figures["compared before the interruption"] = first
    figures["compared after it"] = answer["compared"] - answer["comparedEarlier"]
    figures["asked about once"] = times[1]
    figures["asked about again after the interruption, being under way"] = times[2]
    figures["unexplained differences"] = answer["unexplained"]
    figures["requests to the former system for each buyer"] = total["GET 200"] / len(buyers)
    figures["requests to DynamoDB for each buyer"] = aws["dynamodb"] / len(buyers)
