"""docs/asyncapi.yaml against the product: what may be published, and every topic that the tests before this have seen."""
import re
from pathlib import Path

import pytest
import yaml

from lib.device import seen_topics
from test_publish import WRONG_TOPICS

DOCUMENT = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "asyncapi.yaml").read_text())
PARAMETERS = DOCUMENT["components"]["parameters"]


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


def test_methods_described_are_those_there_are(node):
    described = {channel["address"].split("/")[1] for channel in DOCUMENT["channels"].values()
                 if channel["address"].startswith("rpc/")}
    assert described == {row[0] for row in node.sql("select name from gnatter.rpc_method")}
    page = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text()
    requests = page.split("## Requests", 1)[1].split("\n## ", 1)[0]
    named = {method for row in requests.splitlines() if row.startswith("| `")
             for method in re.findall(r"`([a-z]+(?:\.[a-z]+)?)(?:`| \{)", row.split("|")[1])}
    assert named == described
