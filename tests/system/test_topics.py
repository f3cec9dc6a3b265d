"""docs/asyncapi.yaml and docs/protocol.md against the product: the words of its source, and all that the tests before
this have seen."""
import copy
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from lib.device import seen_bodies, seen_topics
from lib.protocol import ERROR_CODES
from test_publish import WRONG_TOPICS

TOP = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((TOP / "docs" / "asyncapi.yaml").read_text())
COMPONENTS = DOCUMENT["components"]
PARAMETERS = COMPONENTS["parameters"]
PAGE = (TOP / "docs" / "protocol.md").read_text()


def pattern(address):
    pieces = re.split(r"\{(\w+)\}", address)
    return re.compile("".join(re.escape(piece) if at % 2 == 0 else f"(?:{PARAMETERS[piece]['x-pattern']})"
                              for at, piece in enumerate(pieces)))


def channels(action):
    names = [o["channel"]["$ref"].rsplit("/", 1)[1] for o in DOCUMENT["operations"].values() if o["action"] == action]
    return {name: pattern(DOCUMENT["channels"][name]["address"]) for name in names}


def fitting(action, topic):
    return [name for name, form in channels(action).items() if form.fullmatch(topic)]


RIGHT_TOPICS = {
    "chat/u/bob/0190e0a2-7b1c-7def-8000-0123456789ab": "chat", "chat/g/kitchen/1": "chat", "ack/u/bob/1": "ack",
    "read/g/kitchen/9223372036854775807": "read", "ack": "ackList", "read": "readList", "typing/u/bob": "typing",
    "sync": "sync", "rpc/history/1": "history", "rpc/group.create/a-b_c": "groupCreate",
    "rpc/device.revoke/x": "deviceRevoke",
}


@pytest.mark.parametrize("topic,name", RIGHT_TOPICS.items())
def test_what_may_be_published(topic, name):
    assert fitting("send", topic) == [name]


def test_what_may_not_be_published():
    texts = [text.format(me="alice", peer="bob", PEER="BOB") for text in WRONG_TOPICS]
    # Not in patterns by level: a user's name is shorter than a group's, and a seq ends at 2^63 - 1.
    texts = [text for text in texts if "x" * 33 not in text and "/9223372036854775808" not in text]
    described = {text: fitting("send", text) for text in texts}
    assert not {text: names for text, names in described.items() if names}


def test_topics_seen_are_described_each_once():
    assert not [(topic, fitting("receive", topic)) for _, topic in seen_topics if len(fitting("receive", topic)) != 1]


# ---- words ----
def section(title):
    return re.split(rf"(?m)^###? {re.escape(title)}$", PAGE)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]


def rows(title):
    """The cells of each row of the tables in a section of docs/protocol.md."""
    lines = [line for line in section(title).splitlines() if line.startswith("|") and not line.startswith("| ---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def channel_of(method):
    return next(name for name, channel in DOCUMENT["channels"].items() if channel["address"] == f"rpc/{method}/{{requestId}}")


def test_methods_described_are_those_there_are(node):
    described = {channel["address"].split("/")[1] for channel in DOCUMENT["channels"].values()
                 if channel["address"].startswith("rpc/")}
    assert described == {row[0] for row in node.sql("select name from gnatter.rpc_method")}
    assert set(parameters_of_the_page()) == described


def parameters_of_the_page():
    """Of each method; one without braces has those of the next. An ellipsis: there is a table of its own."""
    found, waiting = {}, []
    for row in rows("Requests"):
        for method, braces in re.findall(r"`([a-z]+(?:\.[a-z]+)?)(?: (\{[^`]*\}))?`", row[0]):
            waiting.append(method)
            if braces:
                found |= dict.fromkeys(waiting, set(re.findall(r"\w+|\.\.\.", braces)) - {"or"})
                waiting = []
        found |= dict.fromkeys(waiting, set())
        waiting = []
    found["privacy.set"] = {word for row in rows("Privacy") for word in re.findall(r"`(\w+)`", row[0])}
    found["push.register"] |= {word for row in rows("Waking a device that is away") for word in re.findall(r"`(\w+)\??`", row[1])}
    for words in found.values():
        words.discard("...")
    return found


READ = r"(?:param_\w+|push_\w+|profile_text|privacy_audience)\(\s*(?:params|settings),\s*'(\w+)'|params -> '(\w+)'"


def parameters_of(function, sources, seen):
    """What it and those that it hands its parameters to take from them."""
    if function in seen:
        return set()
    seen.add(function)
    source = sources[function]
    taken = {word for pair in re.findall(READ, source) for word in pair if word}
    if "(params, key" in source:
        taken |= {word for words in re.findall(r"key text := ([^;]*);", source) for word in re.findall(r"'(token|endpoint)'", words)}
    for callee in re.findall(r"gnatter\.(\w+)\([^;]*?\b(?:params|settings)\b", source):
        if callee in sources and not callee.startswith("param_"):
            taken |= parameters_of(callee, sources, seen)
    return taken


def test_parameters_described_are_those_that_are_read(node):
    sources = {name: source.replace("\\n", "\n") for name, source in node.sql(
        "select proname, replace(prosrc, e'\\n', '\\n') from pg_proc where pronamespace = 'gnatter'::regnamespace")}
    page = parameters_of_the_page()
    wrong = {}
    for method, function in node.sql("select name, function_name from gnatter.rpc_method"):
        taken = parameters_of(function, sources, set())
        described = set(COMPONENTS["messages"][channel_of(method)]["payload"].get("properties", ()))
        reference = COMPONENTS["messages"][channel_of(method)]["payload"].get("$ref")
        if reference:
            described = set(COMPONENTS["schemas"][reference.rsplit("/", 1)[1]]["properties"])
        if not taken == described == page[method]:
            wrong[method] = (taken, described, page[method])
    assert not wrong, wrong


def test_event_types_described_are_those_there_are(node):
    form = node.sql_value("select pg_get_constraintdef(oid) from pg_constraint where conname = 'event_type_known'")
    known = set(re.findall(r"'([a-z-]+)'", form)) | {"truncated", "withheld"}  # these are made on delivery
    assert set(PARAMETERS["type"]["enum"]) == known
    assert set(FORMS_OF_EVENTS) == known
    assert {word for row in rows("Events") for word in re.findall(r"`([a-z-]+)`", row[0])} == known


def test_error_codes_described_are_those_there_are(node):
    """In C: what stands where something is refused, in the files that answer devices."""
    answers = [TOP / "broker-plugin" / "ingest.c", *(TOP / "sync-service" / "core").glob("*.c"),
               *(path for path in (TOP / "sync-service").rglob("*.c") if re.search(r'#include "(\.\./)?answer\.h"', path.read_text()))]
    refused = r'\b(?:refus\w*|message_fail\w*|answer_(?:rpc_)?error)\b[^;{]*[({][^;]*;|\{"[a-z-]+", "\{\\"message[^;]*?\}'
    used = {word for path in answers for call in re.findall(refused, path.read_text())
            for word in re.findall(r'"([a-z]+(?:-[a-z]+)*)"', call)}
    source = node.sql_value("select replace(prosrc, e'\\n', ' ') from pg_proc where proname = 'rpc_error'")
    used |= set(re.findall(r"then '([a-z-]+)'", source))
    assert used == ERROR_CODES
    assert set(PARAMETERS["code"]["enum"]) == set(COMPONENTS["schemas"]["code"]["enum"]) == used
    assert {word for row in rows("Errors") for word in re.findall(r"`([a-z-]+)`", row[0])} == used


LIMITS = {  # of clients/protocol/limits.h: how docs/protocol.md says it
    "MESSAGE_BYTES_DEFAULT": "64 KiB, and", "MESSAGE_BYTES_MAX": "up to 192 KiB", "RPC_BYTES": "a request | 64 KiB",
    "JSON_MEMBERS": "64 members in an object", "JSON_DEPTH": "16 levels", "JSON_NUMBER_LEN": "32 characters in a number",
    "CORRELATION_BYTES": "Correlation Data | 1,024 bytes", "LIST_LINES": "1,000 lines", "GROUP_MEMBERS": "1,024 members",
    "TITLE_BYTES": "256 bytes of title", "DEVICES_PER_USER": "devices of a user | 64", "WATCHED_USERS": "watches | 256",
    "TOKEN_LEN": "a token | 2,048 bytes",
}


def test_limits_described_are_those_there_are():
    defined = dict(re.findall(r"#define LIMIT_(\w+) (\(?[\d *]+\)?)", (TOP / "clients" / "protocol" / "limits.h").read_text()))
    limits = section("Limits")
    for name, said in LIMITS.items():
        number, unit = re.search(r"(\d[\d,]*)( KiB)?", said).groups()
        assert said in limits, said
        factors = [int(factor) for factor in re.findall(r"\d+", defined[name])]
        value = factors[0] if len(factors) == 1 else factors[0] * factors[1]
        assert value == int(number.replace(",", "")) * (1024 if unit else 1), name


# ---- what was seen ----
def closed(schema):
    """The same schema, which allows no field that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items()}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", False)
    return made


CLOSED = closed(copy.deepcopy(COMPONENTS))
FORMS_OF_EVENTS = {}
for form in CLOSED["messages"]["event"]["payload"]["oneOf"]:
    for word in re.findall(r"[a-z]+(?:-[a-z]+)*", re.sub(r" when .*", "", form["title"])):
        FORMS_OF_EVENTS.setdefault(word, []).append(form)
MESSAGES = {"receipts": "receiptCounts", "error": "error", "refusal": "refusal", "synced": "synced", "flags": "flags"}


def form_of(kind, word, body):
    """What docs/asyncapi.yaml says that it looks like."""
    if kind == "event":
        return {"anyOf": FORMS_OF_EVENTS[word]}
    if kind in MESSAGES:
        return CLOSED["messages"][MESSAGES[kind]]["payload"]
    return CLOSED["messages"]["failure" if "error" in body else channel_of(word) + "Answer"]["payload"]


def test_bodies_seen_are_of_the_form_described(node):
    methods = {row[0] for row in node.sql("select name from gnatter.rpc_method")}
    wrong = []
    for (kind, word), _ in seen_bodies:
        assert kind in {"event", "rpc", *MESSAGES}
    for ((kind, word), _), body in seen_bodies.items():
        if kind == "rpc" and (word is None or "error" not in body and word not in methods):
            continue
        schema = {"components": CLOSED, **form_of(kind, word, body)}
        wrong += [(kind, word, body, error.message) for error in jsonschema.Draft7Validator(schema).iter_errors(body)]
    assert not wrong, wrong[:5]
