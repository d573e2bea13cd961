"""The profile `local` in the file of profiles of `leads`, for the stack that `make up` keeps running.

Everything else in the file stays as it is. `LEADS_PROFILES` names another file, as it does for `leads`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

NAME = "local"
HEADER = f"[{NAME}]   # written by `make up`, removed by `make down`"
# From the header to the next table or comment.
_OURS = re.compile(rf"^{re.escape(HEADER)}\n(?:(?!\[|#).*\n?)*", re.MULTILINE)
_ANOTHER = re.compile(rf"^\s*\[\s*{NAME}\s*\]", re.MULTILINE)


class Taken(Exception):
    """The file has a profile of this name that `make up` did not write."""


def profiles(environment: Mapping[str, str]) -> Path:
    """The file of profiles, as `leads` finds it."""
    if file := environment.get("LEADS_PROFILES"):
        return Path(file)
    folder = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(folder) / "leads.toml"


def add(file: Path, stack: str, region: str, endpoint: str) -> None:
    """Adds the profile, or replaces it."""
    others = _without_ours(_text(file))
    if _ANOTHER.search(others):
        raise Taken(f"{file} has one of your own")
    file.parent.mkdir(parents=True, exist_ok=True)
    profile = f'{HEADER}\nstack = "{stack}"\nregion = "{region}"\nendpoint = "{endpoint}"\n'
    file.write_text(f"{others}\n{profile}" if others else profile, encoding="utf-8")


def remove(file: Path) -> None:
    """Removes the profile, and the file if nothing else is in it."""
    text = _text(file)
    if not _OURS.search(text):
        return
    if others := _without_ours(text):
        file.write_text(others, encoding="utf-8")
    else:
        file.unlink()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") if file.exists() else ""
    except UnicodeDecodeError as error:
        raise OSError(f"{file} is not UTF-8") from error


def _without_ours(text: str) -> str:
    others = _OURS.sub("", text).strip()
    return f"{others}\n" if others else ""
