"""What devices saw, each in its own log, against the server's log: the design's invariants, from outside.

A device's log is a list of events, a tuple each, in the order in which they happened to it:
    (at, "connect")                                a new connection, live from here on
    (at, "publish", conversation, id, crc)         also when it is sent again
    (at, "puback", id)
    (at, "sent", conversation, seq, id)
    (at, "error", id, code)
    (at, "chat", conversation, seq, client id, id, crc)
    (at, "event", conversation, seq, actor, type)
    (at, "delivered" | "read", conversation, seq, user)
    (at, "ack" | "mark-read", conversation, seq)   what it said itself
Conversations are named as on the server: g/<group>, d/<user>/<user>. `at` is seconds of one clock.
"""
from collections import defaultdict

PUT_OFF = ("overloaded", "rate-limited", "read-only", "internal")  # sent again later, or lost when it is not


SOON_S = 1.0  # the error that says that a message was not taken comes a moment after the broker's acknowledgement


def acknowledged_for_good(events):
    """Ids acknowledged over a connection that went on: otherwise it may have ended before an error came."""
    found, waiting = set(), {}
    for event in events:
        if event[1] == "connect":
            waiting.clear()
        elif event[1] not in ("publish", "ack", "mark-read"):
            found.update(message_id for message_id, at in waiting.items() if event[0] - at >= SOON_S)
            if event[1] == "puback":
                waiting[event[2]] = event[0]
    return found


def unanswered(events):
    """Ids of which nothing was heard over the connection that they were first published on: they may have been refused."""
    found, first, seen = set(), set(), set()
    for event in events:
        if event[1] == "connect":
            found |= first
            first.clear()
        elif event[1] == "publish" and event[3] not in seen:
            seen.add(event[3])
            first.add(event[3])
        elif event[1] == "sent":
            first.discard(event[4])
    return found | first


class History:
    def __init__(self, devices, log, members, marks=()):
        """
        devices: {client id: its log}
        log: {conversation: [(seq, sender client id or actor, message id or event type, crc or None)]}, as stored
        members: {conversation: {user: [(joined seq, left seq or None)]}}
        marks: [(conversation, user, delivered, read)], as stored, looked at again and again, in order of time
        """
        self.devices, self.log, self.members, self.marks = devices, log, members, marks
        self.rows = {name: {row[0]: row for row in rows} for name, rows in log.items()}
        self.seq_of = {(row[1], name, row[2]): row[0] for name, rows in log.items() for row in rows if row[3] is not None}
        self.was_overloaded = any(event[1] == "error" and event[3] in PUT_OFF
                                  for events in devices.values() for event in events)
        self.problems = []

    def wrong(self, kind, text):
        self.problems.append((kind, text))

    def check(self):
        """[(kind, what)] of all that does not hold."""
        self.problems = []
        self.check_log()
        for client_id, events in sorted(self.devices.items()):
            self.check_told(client_id, events)
            self.check_order(client_id, events)
            self.check_inbox(client_id, events)
        self.check_marks_told()
        self.check_marks_stored()
        return self.problems

    # ---- the log: 1..n, each message once ----
    def check_log(self):
        for name, rows in sorted(self.log.items()):
            seqs = [row[0] for row in rows]
            if seqs != list(range(1, len(seqs) + 1)):
                self.wrong("log", f"{name}: seqs are not 1..{len(seqs)}")
            seen = {}
            for seq, sender, message_id, crc in rows:
                if crc is not None and seen.setdefault((sender, message_id), seq) != seq:
                    self.wrong("twice", f"{name}: {sender} {message_id} is {seen[sender, message_id]} and {seq}")

    # ---- what was said about own messages ----
    def check_told(self, client_id, events):
        told, published, refused = {}, {}, set()
        acknowledged = acknowledged_for_good(events)
        for event in events:
            if event[1] == "publish":
                published[event[3]] = (event[2], event[4])
            elif event[1] == "error":
                refused.add(event[2])
            elif event[1] == "sent":
                where = event[2:4]
                if told.setdefault(event[4], where) != where:
                    self.wrong("sent-twice", f"{client_id} {event[4]}: sent as {told[event[4]]} and as {where}")
        for message_id, (name, seq) in told.items():
            row = self.rows.get(name, {}).get(seq)
            if row is None or row[1:3] != (client_id, message_id):
                self.wrong("sent-lost", f"{client_id} {message_id}: sent as {name} {seq}, where {row} is stored")
            elif message_id in published and row[3] != published[message_id][1]:
                self.wrong("changed", f"{client_id} {message_id}: not stored as it was published")
        for message_id in sorted(acknowledged - refused):
            name = published[message_id][0]
            if (client_id, name, message_id) not in self.seq_of and self.was_always_member(name, client_id):
                self.wrong("puback-lost", f"{client_id} {message_id}: acknowledged by the broker, and not in {name}")

    def was_always_member(self, name, client_id):
        """Else the message may have been refused, and the error lost with a connection."""
        if name not in self.members:
            return True  # of a chat of two that was never begun
        memberships = self.members[name].get(client_id.split(":")[0], [])
        return len(memberships) == 1 and memberships[0][1] is None

    def check_order(self, client_id, events):
        """Of what was published first over one connection; what was refused meanwhile has lost its place."""
        refused = {event[2] for event in events if event[1] == "error"}
        if self.was_overloaded:
            refused |= unanswered(events)
        seen, last = set(), {}
        for event in events:
            if event[1] == "connect":
                last = {}
            elif event[1] == "publish" and event[3] not in seen:
                seen.add(event[3])
                seq = self.seq_of.get((client_id, event[2], event[3]))
                if seq is None or event[3] in refused or not self.was_always_member(event[2], client_id):
                    continue
                if seq < last.get(event[2], (0, None))[0]:
                    self.wrong("order", f"{client_id} {event[2]}: {event[3]} is {seq}, "
                                        f"{last[event[2]][1]} before it {last[event[2]][0]}")
                last[event[2]] = (seq, event[3])

    # ---- what arrived ----
    def check_inbox(self, client_id, events):
        user = client_id.split(":")[0]
        taken, last = defaultdict(dict), defaultdict(int)
        for event in events:
            if event[1] not in ("chat", "event"):
                continue
            name, seq, told = event[2], event[3], event[4:]
            if not self.is_member(name, user, seq):
                self.wrong("not-hers", f"{client_id}: got {name} {seq}, where {user} is no member")
            row = self.rows.get(name, {}).get(seq)
            expected = None if row is None else row[1:] if event[1] == "chat" else row[1:3]
            if expected != told:
                self.wrong("other", f"{client_id}: got {name} {seq} as {told}, stored is {expected}")
            if seq > last[name]:
                hole = self.first_missing(client_id, name, last[name] + 1, seq - 1, user)
                if hole:
                    self.wrong("gap", f"{client_id}: {name} {seq} came after {last[name]}, {hole} did not")
                last[name] = seq
            taken[name][seq] = told
        for name, members in sorted(self.members.items()):
            if user not in members:
                continue
            hole = self.first_missing(client_id, name, last[name] + 1, len(self.log.get(name, [])), user)
            if hole:
                self.wrong("lost", f"{client_id}: {name} {hole} never came")

    def is_member(self, name, user, seq):
        return any(joined <= seq and (left is None or seq <= left)
                   for joined, left in self.members.get(name, {}).get(user, ()))

    def first_missing(self, client_id, name, first, last, user):
        """The first that the device should have got there; its own come as `sent`, which may have come before."""
        for seq in range(first, last + 1):
            row = self.rows.get(name, {}).get(seq)
            if row is not None and row[1] != client_id and self.is_member(name, user, seq):
                return seq
        return None

    # ---- marks: never above the truth, and as stored only ever up ----
    def check_marks_told(self):
        """What is said of a user had been said before by one of her devices, or is her own message."""
        moments = sorted(((event, client_id) for client_id, events in self.devices.items() for event in events
                          if event[1] in ("ack", "mark-read", "delivered", "read")), key=lambda moment: moment[0][0])
        truth = {"delivered": defaultdict(int), "read": defaultdict(int)}
        for name, rows in self.log.items():
            for seq, sender, _, crc in rows:
                if crc is not None:  # her own messages are hers without saying so
                    user = sender.split(":")[0]
                    truth["delivered"][name, user] = max(truth["delivered"][name, user], seq)
        for event, client_id in moments:
            _, kind, name, seq = event[:4]
            if kind in ("ack", "mark-read"):
                user = client_id.split(":")[0]
                for mark in ("delivered",) if kind == "ack" else ("delivered", "read"):
                    truth[mark][name, user] = max(truth[mark][name, user], seq)
            elif seq > truth[kind][name, event[4]]:
                self.wrong("mark-above", f"{client_id}: told {kind} {name} {seq} {event[4]}, "
                                         f"whose devices said {truth[kind][name, event[4]]}")

    def check_marks_stored(self):
        before = {}
        for name, user, delivered, read in self.marks:
            if not read <= delivered <= len(self.log.get(name, [])):
                self.wrong("mark-bounds", f"{name} {user}: read {read}, delivered {delivered}")
            was = before.get((name, user), (0, 0))
            if delivered < was[0] or read < was[1]:
                self.wrong("mark-fell", f"{name} {user}: from {was} to {(delivered, read)}")
            before[name, user] = (delivered, read)
