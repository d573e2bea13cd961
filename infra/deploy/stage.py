"""A stage: one deployment of Leadstream, as its file in `infra/stages` describes it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from deploy import Refused
from deploy.template import Template

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

KEYS = ("stack", "account", "region", "parameters", "tags")


@dataclass(frozen=True)
class Stage:
    """A stack's name, where it belongs, and the parameters that its file states."""

    name: str
    stack: str
    region: str | None = None
    account: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def load(path: Path, template: Template) -> Stage:
    """Reads a stage file. Raises `Refused` with one sentence for each mistake in it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}. Copy infra/stages/dev.toml and edit it.") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise Refused(f"{path} is not TOML: {error}.") from error
    mistakes = [f"`{key}` is not a key of a stage: it may have {', '.join(KEYS)}." for key in content if key not in KEYS]
    for key, kind, named in (
        ("stack", str, "text"), ("account", str, "text, in quotes"), ("region", str, "text"),
        ("parameters", dict, "a table"), ("tags", dict, "a table"),
    ):
        if key in content and not isinstance(content[key], kind):
            mistakes.append(f"`{key}` must be {named}.")
    if mistakes:
        raise Refused(_sentences(path, mistakes))
    stage = Stage(
        name=path.stem, stack=content.get("stack", ""), region=content.get("region"), account=content.get("account"),
        parameters=_texts("parameters", content, mistakes), tags=_texts("tags", content, mistakes),
    )
    mistakes += mistakes_in(stage, template)
    if mistakes:
        raise Refused(_sentences(path, mistakes))
    return stage


def mistakes_in(stage: Stage, template: Template) -> list[str]:
    """What can be said against a stage without asking AWS, one sentence each."""
    mistakes = []
    longest = template.longest_stack_name()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", stage.stack):
        mistakes.append(
            f"`stack` is {stage.stack!r}: a stack's name consists of letters, digits and -, and begins with a letter."
        )
    elif len(stage.stack) > longest:
        mistakes.append(
            f"`stack` has {len(stage.stack)} characters: at most {longest} are possible, because names of queues, "
            "functions and the configuration set are derived from it."
        )
    if stage.account is not None and not re.fullmatch(r"[0-9]{12}", stage.account):
        mistakes.append(f"`account` is {stage.account!r}: it must have 12 digits.")
    if stage.region == "":
        mistakes.append("`region` is empty: give it a value or leave it out.")
    for name, value in stage.parameters.items():
        if name not in template.parameters:
            mistakes.append(f"`{name}` is not a parameter of the template{_similar(name, template)}.")
        elif complaint := template.parameters[name].complaint(value):
            mistakes.append(complaint)
    for name in stage.tags:
        if name in template.parameters:
            mistakes.append(f"`{name}` stands under [tags] and is a parameter: move it under [parameters].")
    return mistakes


def _texts(table: str, content: dict, mistakes: list[str]) -> dict[str, str]:
    """The values of a table as CloudFormation takes them."""
    texts = {}
    for name, value in content.get(table, {}).items():
        match value:
            case bool():
                texts[name] = str(value).lower()
            case str() | int() | float():
                texts[name] = str(value)
            case _:
                mistakes.append(f"`{name}` must be text, a number, true or false.")
    return texts


def _similar(name: str, template: Template) -> str:
    def plain(text: str) -> str:
        return re.sub("[^a-z]", "", text.lower())

    found = [known for known in template.parameters if plain(known) == plain(name)]
    return f"; {found[0]} is" if found else ""


def _sentences(path: Path, mistakes: list[str]) -> str:
    return "\n".join(f"{path}: {mistake}" for mistake in mistakes)
