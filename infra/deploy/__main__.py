"""Leadstream's deployer.

    python -m deploy check        STAGE   report what stands against a deployment, and change nothing
    python -m deploy deploy       STAGE   create the stage's stack or bring it up to date
    python -m deploy rollback     STAGE   take the functions back to the versions that were live before, in seconds;
                                          with --whole also the template: deploy both as they were
    python -m deploy destroy      STAGE   delete the stack; tables and the SES identity stay
    python -m deploy architecture STAGE   print the architecture for which to build

STAGE is a file as infra/stages/dev.toml. Parameters that it does not state keep the value that the stack has.
"""

import argparse
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deploy import Refused, commands, stage
from deploy.account import sign_in
from deploy.template import TEMPLATE, Template

ARTIFACTS = TEMPLATE.parents[1] / "target" / "lambda"


def main() -> int:
    arguments = _arguments()
    try:
        template = Template(TEMPLATE.read_text(encoding="utf-8"))
        chosen = stage.load(arguments.stage, template)
        account = sign_in(chosen.region, chosen.account)
        if url := os.environ.get("AWS_ENDPOINT_URL"):
            print(f"AWS_ENDPOINT_URL is set: all this is about {url}, not AWS.", file=sys.stderr)
        say, confirm = print, _confirm(arguments.yes)
        match arguments.action:
            case "architecture":
                print(commands.architecture(account, chosen, template))
            case "check":
                commands.check(account, chosen, template, arguments.artifacts, say)
            case "deploy":
                allowed = frozenset(filter(None, arguments.allow.split(",")))
                commands.deploy(account, chosen, template, arguments.artifacts, say, confirm, allowed, arguments.new_tables)
            case "rollback":
                (commands.roll_back_whole if arguments.whole else commands.roll_back)(account, chosen, say, confirm)
            case _:
                commands.destroy(account, chosen, say, confirm)
    except (Refused, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _confirm(is_confirmed: bool):
    def confirm(question: str) -> bool:
        if is_confirmed:
            return True
        if not sys.stdin.isatty():
            print(f"{question} Pass YES=1 to confirm.", file=sys.stderr)
            return False
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return confirm


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("check", "deploy", "rollback", "destroy", "architecture"))
    parser.add_argument("stage", type=Path, metavar="STAGE")
    parser.add_argument("--artifacts", type=Path, default=ARTIFACTS, help="DIR/<function>/bootstrap are the programs")
    parser.add_argument("--yes", action="store_true", help="apply or delete without asking")
    parser.add_argument("--whole", action="store_true", help="roll the template back too")
    parser.add_argument("--allow", default="", metavar="IDS", help="tables and queues that may be replaced or removed")
    parser.add_argument("--new-tables", action="store_true", help="begin empty although earlier tables exist")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
