"""The topics of docs/protocol.md as a device receives them: one strict pattern for each kind."""
import re
from collections import namedtuple

USER = r"[a-z0-9][a-z0-9._-]{0,31}"
GROUP = r"[a-z0-9][a-z0-9._-]{0,63}"
CONVERSATION = rf"(?P<conversation>u/{USER}|g/{GROUP})"
SEQ = r"(?P<seq>[1-9][0-9]{0,18})"
TIME = r"(?P<time>[1-9][0-9]{12})"
ID = r"(?P<id>[A-Za-z0-9_-]{1,36})"
SENDER = rf"(?P<user>{USER}):(?P<device>{USER})"
ITEM_CHAT = rf"chat/{CONVERSATION}/{SEQ}/{TIME}/{SENDER}/{ID}"
ITEM_EVENT = rf"event/{CONVERSATION}/{SEQ}/{TIME}/(?P<user>{USER}|-)/(?P<word>[a-z]+(-[a-z]+)*)"

KINDS = {
    "chat": ITEM_CHAT,
    "event": ITEM_EVENT,
    "sent": rf"sent/{CONVERSATION}/{SEQ}/{TIME}/{ID}",
    "delivered": rf"delivered/{CONVERSATION}/{SEQ}/(?P<user>{USER})",
    "read": rf"read/{CONVERSATION}/{SEQ}/(?P<user>{USER})",
    "receipts": rf"receipts/{CONVERSATION}/{SEQ}",
    "typing": rf"typing/{CONVERSATION}/{SENDER}",
    "error": rf"error/(?P<conversation>u/{USER}|g/{GROUP})/{ID}/(?P<word>[a-z]+(-[a-z]+)*)",
    "refusal": r"error/-/-/(?P<word>[a-z]+(-[a-z]+)*)",
    "rpc": rf"rpc/{ID}",
    "history-chat": "history/" + ITEM_CHAT,
    "history-event": "history/" + ITEM_EVENT,
    "synced": r"synced",
    "flags": rf"flags/{CONVERSATION}",
}
PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}
QOS = {"chat": {1}, "event": {1}, "sent": {0, 1}, "delivered": {0}, "read": {0}, "receipts": {0}, "typing": {0},
       "error": {1}, "refusal": {1}, "rpc": {1}, "history-chat": {1}, "history-event": {1}, "synced": {1},
       "flags": {0}}
EMPTY = {"sent", "delivered", "read"}
JSON_KINDS = {"event", "history-event", "receipts", "error", "refusal", "rpc", "synced", "flags"}
ERROR_CODES = {"not-member", "no-such-user", "no-such-group", "blocked", "too-large", "bad-request", "denied", "exists",
               "rate-limited", "overloaded", "read-only", "internal", "quota-exceeded"}
FIELDS = "kind topic tail conversation seq time user device id word payload qos retain properties".split()


class Arrival(namedtuple("Arrival", FIELDS)):
    """One publish that a device received; what its topic has no place for is None."""
    __slots__ = ()

    def brief(self):
        body = self.payload if len(self.payload) <= 60 else self.payload[:57] + b"..."
        return f"{self.tail or self.topic} qos={self.qos} {body!r}"


def arrival(me, topic, payload, qos, retain, properties=None):
    """The Arrival, and what is wrong with it (None when nothing is)."""
    blank = dict.fromkeys(FIELDS)
    blank.update(topic=topic, payload=payload, qos=qos, retain=retain, properties=properties or {})
    if topic.startswith("presence/"):
        fits = re.fullmatch(rf"presence/({USER})", topic)
        state = re.fullmatch(rb"online|hidden|offline [0-9]{1,12}", payload)
        blank.update(kind="presence", user=topic.split("/", 1)[1])
        return Arrival(**blank), None if fits and state else "malformed presence"
    inbox = f"inbox/{me}/"
    if not topic.startswith(inbox):
        return Arrival(**dict(blank, kind="stray")), "outside the inbox"
    tail = topic[len(inbox):]
    for kind, pattern in PATTERNS.items():
        fits = pattern.fullmatch(tail)
        if fits:
            found = fits.groupdict()
            for number in ("seq", "time"):
                if number in found:
                    found[number] = int(found[number])
            item = Arrival(**dict(blank, kind=kind, tail=tail, **found))
            return item, complaint(item)
    return Arrival(**dict(blank, kind="unknown", tail=tail)), "no such topic"


def complaint(item):
    if item.qos not in QOS[item.kind]:
        return f"qos {item.qos}"
    if item.retain:
        return "retained"
    if item.kind in EMPTY and item.payload:
        return "payload where none belongs"
    if item.kind == "typing" and item.payload not in (b"0", b"1"):
        return "typing is neither 0 nor 1"
    if item.kind in ("error", "refusal") and item.word not in ERROR_CODES:
        return "unknown error code"
    if item.word == "internal":
        return "an internal error"
    return None
