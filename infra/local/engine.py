"""What a local AWS needs from the program behind it: an engine.

Each engine answers, besides AWS's requests, an inspection interface at the same port:

    GET /_local/mails                  the mails that SES took: [{"to": [...], "subject", "text", "html"}]
    GET /_local/messages?queue=<url>   a queue's messages, those in flight included: [{"group", "body", "attributes"}]
    GET /_local/signers                the names of the roles of the functions that were started, by access key
"""

import os
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"

# Never through a proxy, even if the environment configures one.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmulatorFailed(Exception):
    """The emulator did not start; the message has the cause and what to do."""


@dataclass(frozen=True)
class Place:
    """Where an emulator runs. Its functions call AWS at `front`."""

    home: Path
    port: int
    front: str
    enforces_iam: bool


class Engine(ABC):
    """A program that emulates AWS."""

    # As in EMULATOR=.
    name: str
    # What `ps` shows of it.
    program: Path
    # Whether it can check each request against the policies of its signer.
    can_enforce_iam: bool
    # The path that answers once it is ready.
    health: str

    @abstractmethod
    def command(self) -> list[str | Path]:
        """The command line of the process that leads the emulator's process group.

        Raises `EmulatorFailed` if it is not installed.
        """

    @abstractmethod
    def settings(self, place: Place) -> dict[str, str]:
        """Its environment variables besides those of `environment`."""

    def environment(self, place: Place) -> dict[str, str]:
        """The whole environment of the emulator and of its functions. It contains none of the caller's AWS settings."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        temporary = str(place.home / "tmp")
        return kept | {
            # The functions are unpacked here, and caches are written here instead of the user's home.
            "TMPDIR": temporary,
            "HOME": temporary,
            # Docker is not used even if it is installed: an emulator might remove foreign containers.
            "DOCKER_HOST": "unix:///nonexistent",
            # Without this the log is written in blocks, and the last block is lost when the emulator is killed.
            "PYTHONUNBUFFERED": "1",
        } | self.settings(place)
