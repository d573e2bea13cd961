"""Parity of many buyers: what it costs, and that an interrupted run goes on without comparing a buyer twice."""

import tempfile
from collections import Counter
from pathlib import Path

from crowd import Buyer, Delivery
from local import Local, check
from report import Report

# How many buyers `leads parity` works on at once.
AT_ONCE = 16


def parity_of_many(local: Local, report: Report, number: int) -> None:
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
