"""A minute of everything at once, then every promise is counted; and the checker finds what is planted."""
import copy

import pytest

from lib.arena import Arena
from lib.history import History
from lib.nemesis import schedule

SEED, SECONDS, USERS, DEVICES, RATE = 1210, 60, 12, 20, 2.0  # of a schedule with every kind of fault


# ---- the checker ----
def a_history():
    """Alice, on two devices, and bob in a direct chat; carol was in their group for a while. All is well."""
    direct = [(1, "alice:a", "m1", 11), (2, "bob:b", "m2", 12), (3, "alice:a", "m3", 13), (4, "alice:a", "m4", 14)]
    group = [(1, "alice", "created", None), (2, "bob:b", "g1", 21), (3, "alice", "member-added", None), (4, "bob:b", "g2", 22),
             (5, "alice", "member-removed", None), (6, "bob:b", "g3", 23)]
    d, g = "d/alice/bob", "g/club"
    devices = {
        "alice:a": [(0.0, "connect"), (1.0, "publish", d, "m1", 11), (1.1, "puback", "m1"), (1.2, "sent", d, 1, "m1"),
                    (2.0, "chat", d, 2, "bob:b", "m2", 12), (3.0, "publish", d, "m3", 13), (3.1, "publish", d, "m4", 14),
                    (3.2, "puback", "m3"), (3.3, "sent", d, 3, "m3"), (3.4, "sent", d, 4, "m4")],
        "alice:c": [(0.0, "connect"), (2.0, "chat", d, 1, "alice:a", "m1", 11), (2.1, "chat", d, 2, "bob:b", "m2", 12),
                    (2.2, "ack", d, 2), (4.0, "chat", d, 3, "alice:a", "m3", 13), (4.1, "chat", d, 4, "alice:a", "m4", 14)],
        "bob:b": [(0.0, "connect"), (1.5, "chat", d, 1, "alice:a", "m1", 11), (1.6, "publish", d, "m2", 12),
                  (1.7, "sent", d, 2, "m2"), (4.0, "chat", d, 3, "alice:a", "m3", 13), (4.1, "chat", d, 4, "alice:a", "m4", 14),
                  (4.2, "delivered", d, 2, "alice")],
        "carol:x": [(0.0, "connect"), (5.0, "event", g, 3, "alice", "member-added"), (5.1, "chat", g, 4, "bob:b", "g2", 22),
                    (5.2, "event", g, 5, "alice", "member-removed")],
    }
    for client_id in ("alice:a", "alice:c", "bob:b"):
        devices[client_id] += [(6.0 + row[0], "event", g, row[0], row[1], row[2]) if row[3] is None else
                               (6.0 + row[0], "chat", g, *row) for row in group if row[1] != client_id]
    members = {d: {"alice": [(1, None)], "bob": [(1, None)]},
               g: {"alice": [(1, None)], "bob": [(1, None)], "carol": [(3, 5)]}}
    marks = [(d, "alice", 2, 1), (d, "alice", 4, 2), (d, "bob", 4, 4)]
    return devices, {d: direct, g: group}, members, marks


def event_of(devices, client_id, *start):
    """The place of a device's event that goes on like this after its time."""
    return next(i for i, event in enumerate(devices[client_id]) if event[1:1 + len(start)] == start)


def swap(events, one, other):
    events[one], events[other] = events[other], events[one]


D, G = "d/alice/bob", "g/club"


def acknowledge(history, client_id, conversation):
    """A message that the broker has acknowledged, and that is nowhere."""
    history[0].setdefault(client_id, []).extend(
        [(9.0, "publish", conversation, "m9", 19), (9.1, "puback", "m9"), (10.2, "puback", "m9")])


PLANTED = {  # what is done to the history, and the kinds of problems that it must be found by
    "nothing": (lambda h: None, set()),
    "a sent message is not in the log": (lambda h: h[1][D].pop(), {"sent-lost", "other", "mark-bounds"}),
    "a message is in the log twice": (lambda h: h[1][D].append((5, "alice:a", "m3", 13)), {"twice", "order", "lost"}),
    "a seq is missing": (lambda h: h[1][D].pop(1), {"log", "sent-lost", "other", "mark-bounds"}),
    "two seqs for one message": (lambda h: h[0]["alice:a"].append((9.0, "sent", D, 4, "m3")), {"sent-twice"}),
    "what was acknowledged is not there": (lambda h: acknowledge(h, "alice:a", D), {"puback-lost"}),
    "a chat that was begun is not there": (lambda h: acknowledge(h, "alice:a", "d/alice/carol"), {"puback-lost"}),
    "nothing, of who was never a member": (lambda h: acknowledge(h, "dave:y", G), set()),
    "published in another order": (lambda h: swap(h[0]["alice:a"], event_of(h[0], "alice:a", "publish", D, "m3"),
                                                  event_of(h[0], "alice:a", "publish", D, "m4")), {"order"}),
    "a device missed the end": (lambda h: h[0]["alice:c"].pop(event_of(h[0], "alice:c", "chat", D, 4)), {"lost"}),
    "a device missed one between": (lambda h: h[0]["alice:c"].pop(event_of(h[0], "alice:c", "chat", D, 3)), {"gap"}),
    "delivered in another order": (lambda h: swap(h[0]["alice:c"], event_of(h[0], "alice:c", "chat", D, 3),
                                                  event_of(h[0], "alice:c", "chat", D, 4)), {"gap"}),
    "other bytes arrived": (lambda h: h[0]["bob:b"].append((9.0, "chat", D, 1, "alice:a", "m1", 99)), {"other"}),
    "other bytes were stored": (lambda h: h[1][D].__setitem__(2, (3, "alice:a", "m3", 99)), {"changed", "other"}),
    "after she was removed": (lambda h: h[0]["carol:x"].append((9.0, "chat", G, 6, "bob:b", "g3", 23)), {"not-hers"}),
    "before she was added": (lambda h: h[0]["carol:x"].insert(1, (2.0, "chat", G, 2, "bob:b", "g1", 21)), {"not-hers"}),
    "somebody else's": (lambda h: h[0]["carol:x"].append((9.0, "chat", D, 1, "alice:a", "m1", 11)), {"not-hers"}),
    "delivered before it was": (lambda h: h[0]["bob:b"].append((2.15, "delivered", D, 2, "carol")), {"mark-above"}),
    "read and never read": (lambda h: h[0]["bob:b"].append((9.0, "read", D, 2, "alice")), {"mark-above"}),
    "a mark fell": (lambda h: h[3].append((D, "alice", 3, 2)), {"mark-fell"}),
    "read above delivered": (lambda h: h[3].append((D, "alice", 4, 5)), {"mark-bounds"}),
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_checker_finds(what):
    change, kinds = PLANTED[what]
    history = copy.deepcopy(a_history())
    change(history)
    problems = History(*history).check()
    assert {kind for kind, _ in problems} == kinds, problems


def test_a_seed_replays_its_schedule():
    assert schedule(7, 60) == schedule(7, 60) != schedule(8, 60)
    assert [step for step in schedule(7, 60) if step.at < 30] == schedule(7, 30)


# ---- the fight ----
def test_torture():
    """The same schedule each time; `make soak` has others. What it says when it fails repeats it."""
    arena = Arena(SEED, SECONDS, USERS, DEVICES, RATE)
    try:
        problems = arena.run()
        print(arena.report())
        assert arena.nemesis.counts().total() > len(arena.steps) / 2, "most of it was not done"
        if problems:
            pytest.fail("\n".join([arena.report(), *problems[:20], "what was done:", *arena.nemesis.story(),
                                   f"everything is in {arena.save()}"]), pytrace=False)
    except Exception:
        print(f"seed {arena.seed}; everything is in {arena.save()}")
        raise
    finally:
        arena.close()
