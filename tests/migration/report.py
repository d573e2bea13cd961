"""The figures of a run, step by step: for people, as JSON, and as a Markdown table."""

import json
import time
from contextlib import contextmanager
from pathlib import Path


class Report:
    def __init__(self, sizes: dict[str, int]):
        self._sizes = sizes
        self._steps: list[dict] = []

    @contextmanager
    def step(self, name: str):
        """Times a step and prints its figures once it has held."""
        print(f"{len(self._steps) + 1}. {name} …", flush=True)
        figures: dict = {}
        begun = time.monotonic()
        yield figures
        seconds = round(time.monotonic() - begun, 1)
        self._steps.append({"step": name, "seconds": seconds, "figures": figures})
        for what, figure in figures.items():
            print(f"   {what}: {_shown(figure)}")
        print(f"   {seconds} s", flush=True)

    def table(self) -> str:
        lines = ["| step | figures | seconds |", "| --- | --- | --- |"]
        for number, step in enumerate(self._steps, 1):
            figures = "<br>".join(f"{what}: {_shown(figure)}" for what, figure in step["figures"].items())
            lines.append(f"| {number}. {step['step']} | {figures} | {step['seconds']} |")
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        whole = self._sizes | {"steps": self._steps, "table": self.table()}
        file.write_text(json.dumps(whole, indent=2) + "\n")


def _shown(figure) -> str:
    match figure:
        case dict():
            return ", ".join(f"{count} {name}" for name, count in sorted(figure.items())) or "none"
        case float():
            return f"{figure:,.3f}"
        case int():
            return f"{figure:,}"
        case _:
            return str(figure)
