"""The published schemas, their index, asyncapi.yaml and the examples agree."""

import copy
import json
import re
import unittest
from datetime import datetime
from pathlib import Path

import yaml
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from index import CONTRACT, INDEX, changed_in_place, document, entry, schemas

SCHEMAS = schemas()
ASYNCAPI = yaml.safe_load((CONTRACT / "asyncapi.yaml").read_text(encoding="utf-8"))
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(text: object) -> bool:
    # The schemas' patterns check the notation.
    return not isinstance(text, str) or bool(datetime.fromisoformat(re.sub(r"\.\d+", "", text).upper().replace("Z", "+00:00")))


def validator(schema: dict) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=FORMATS)


def type_of(file: str) -> str:
    return Path(file).name.removesuffix(".schema.json")


def parts(value: object):
    """Every object in a document, with itself."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from parts(inner)


def resolved(reference: str) -> dict:
    """What a reference in asyncapi.yaml points to: a part of it, or a whole file."""
    if not reference.startswith("#/"):
        return SCHEMAS[reference.removeprefix("./")]
    value = ASYNCAPI
    for name in reference.removeprefix("#/").split("/"):
        value = value[name]
    return value


def examples(file: str) -> list[dict]:
    return [json.loads(line)["event"] for line in (CONTRACT / "examples" / file).read_text(encoding="utf-8").splitlines()]


class Schemas(unittest.TestCase):
    def test_each_id_names_the_type_of_its_file_and_a_version(self):
        for file, schema in SCHEMAS.items():
            with self.subTest(file):
                self.assertEqual(entry(file)["name"], type_of(file))
                if not file.startswith("former/"):
                    self.assertEqual(schema["properties"]["type"], {"const": type_of(file)})

    def test_the_index_lists_every_schema_with_its_version_and_digest(self):
        self.assertEqual(INDEX.read_text(), document([entry(file) for file in SCHEMAS]), "run tests/contract/index.py")

    def test_content_may_change_only_with_the_version(self):
        before = [{"id": "lead.opened.v1/1.0", "sha256": "a"}]
        self.assertEqual(changed_in_place(before, [{"id": "lead.opened.v1/1.0", "sha256": "b"}]), ["lead.opened.v1/1.0"])
        self.assertEqual(changed_in_place(before, [{"id": "lead.opened.v1/1.1", "sha256": "b"}]), [])
        self.assertEqual(changed_in_place(before, before), [])

    def test_schemas_are_valid_and_stand_alone(self):
        for file, schema in SCHEMAS.items():
            with self.subTest(file):
                Draft202012Validator.check_schema(schema)
                references = {part["$ref"] for part in parts(schema) if "$ref" in part}
                self.assertEqual({one for one in references if not one.startswith("#/$defs/")}, set())
                formats = {part["format"] for part in parts(schema) if isinstance(part.get("format"), str)}
                self.assertLessEqual(formats, FORMATS.checkers.keys())

    def test_they_mean_the_same_in_draft_07(self):
        valid = [event for file in (CONTRACT / "examples/valid").iterdir() for event in examples(f"valid/{file.name}")]
        events = valid + examples("invalid.jsonl")
        for file, schema in SCHEMAS.items():
            older = schema | {"$schema": "http://json-schema.org/draft-07/schema#"}
            Draft7Validator.check_schema(older)
            older = Draft7Validator(older, format_checker=FORMATS)
            for event in events:
                self.assertEqual(older.is_valid(event), validator(schema).is_valid(event), (file, event))


class AsyncApi(unittest.TestCase):
    def messages(self) -> dict[str, dict]:
        return ASYNCAPI["components"]["messages"]

    def test_every_reference_resolves(self):
        references = [part["$ref"] for part in parts(ASYNCAPI) if "$ref" in part]
        self.assertEqual([one for one in references if not isinstance(resolved(one), dict)], [])

    def test_each_schema_is_the_payload_of_the_message_of_its_type(self):
        payloads = {message["payload"]["$ref"]: message["name"] for message in self.messages().values()}
        types = {f"./{file}": type_of(file) for file in SCHEMAS if not file.startswith("former/")}
        self.assertEqual(payloads, types)

    def test_each_message_is_in_the_channel_of_its_direction(self):
        channels = {
            name: {resolved(message["$ref"])["payload"]["$ref"].split("/")[1] for message in channel["messages"].values()}
            for name, channel in ASYNCAPI["channels"].items()
        }
        self.assertEqual(channels, {"offerEvents": {"incoming"}, "salesTeam": {"outgoing"}})
        listed = [message["$ref"] for channel in ASYNCAPI["channels"].values() for message in channel["messages"].values()]
        self.assertEqual(sorted(listed), sorted(f"#/components/messages/{name}" for name in self.messages()))

    def test_every_example_matches_the_schema_of_its_message(self):
        for name, message in self.messages().items():
            schema = validator(resolved(message["payload"]["$ref"]))
            self.assertTrue(message["examples"], name)
            for example in message["examples"]:
                with self.subTest(name, example=example.get("name")):
                    self.assertEqual([error.message for error in schema.iter_errors(example["payload"])], [])

    def test_an_example_without_a_required_field_is_noticed(self):
        for name, message in self.messages().items():
            schema = resolved(message["payload"]["$ref"])
            for field in schema["required"]:
                broken = copy.deepcopy(message["examples"][0]["payload"])
                del broken[field]
                self.assertFalse(validator(schema).is_valid(broken), (name, field))

    def test_a_moment_that_does_not_exist_is_noticed(self):
        message = self.messages()["leadOpened"]
        payload = message["examples"][0]["payload"] | {"time": "2026-13-23T10:00:01.204Z"}
        self.assertFalse(validator(resolved(message["payload"]["$ref"])).is_valid(payload))


if __name__ == "__main__":
    unittest.main()
