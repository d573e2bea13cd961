"""What the runbook says of an alarm: its row, and the commands that the row and the section it links to print."""

import re

ALARM = re.compile(r"`(\w+Alarm)`")
INLINE = re.compile(r"`(leads\s[^`]+)`")
FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(#([\w-]+)\)")


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """By alarm with a row in the section "Alarms", its commands as printed, in order, each once."""
    sections = _sections(text)
    found = {}
    for line in sections["alarms"].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 3 or not (alarms := ALARM.findall(cells[0])):
            continue
        linked = [sections[name] for name in LINK.findall(line)]
        commands = dict.fromkeys(command for part in (line, *linked) for command in commands_of(part))
        for alarm in alarms:
            found[alarm] = tuple(commands)
    return found


def commands_of(text: str) -> list[str]:
    """The commands of a text, those in sentences first. A command in a sentence may be broken over two lines."""
    fenced = [line for block in FENCED.findall(text) for line in block.splitlines() if line.startswith("leads ")]
    inline = [" ".join(command.split()) for command in INLINE.findall(FENCED.sub("", text))]
    return inline + fenced


def filled(command: str, values: dict[str, str]) -> str:
    """A command with its placeholders replaced: whole words only."""
    for placeholder, value in values.items():
        command = re.sub(rf"(?<![\w-]){re.escape(placeholder)}(?![\w-])", value, command)
    return command


def _sections(text: str) -> dict[str, str]:
    """By the anchor of its heading, each section."""
    found = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        found[re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-")] = body
    return found
