#!/usr/bin/env python3
"""A whole migration from a former system on a local AWS: shadow, parity, a broken rule and its fix, live, all checked.

    stack.py run --artifacts DIR --wire PROGRAM -- run.py [--buyers N] [--parity-buyers N] [--outage SECONDS] [--report FILE]

The former system is the contract's example of one, beside the stack (`infra/local/beside.py`). A step that does not result in
what it must ends the run with exit code 1.
"""

import argparse
import sys
from pathlib import Path

from local import Failed, Local, Report
from story import Story, parity_of_many


def main() -> int:
    arguments = _arguments()
    report = Report({"buyers": arguments.buyers, "parityBuyers": arguments.parity_buyers})
    local = Local(arguments.leads)
    story = Story(local, report, arguments.buyers, arguments.outage)
    try:
        story.shadow()
        story.parity()
        story.broken_rule()
        story.live()
        parity_of_many(local, report, arguments.parity_buyers)
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        return 1
    print(f"\n{report.table()}\n\nEvery step held.")
    if arguments.report:
        report.write(arguments.report)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buyers", type=int, default=1000, metavar="N", help="buyers that migrate")
    parser.add_argument("--parity-buyers", type=int, default=10000, metavar="N", help="further buyers that are compared")
    parser.add_argument("--outage", type=float, default=60, metavar="SECONDS", help="how long the former system is away")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--leads", type=Path, default=Path("target/local/leads"), metavar="PROGRAM")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
