"""Where a herd and a nemesis meet: a node behind proxies, on a machine in trouble; afterwards everything is counted."""
import random
import threading
import time
import zlib
from bisect import bisect_left
from collections import Counter, defaultdict
from contextlib import closing

import psycopg2

from .herd import Herd
from .history import PUT_OFF, History
from .machine import Machine
from .nemesis import Nemesis, schedule
from .node import ACCELERATOR, LOGS, wait_until
from .proxied import ProxiedNode

GROUP_USERS = 6
SETTLE_S = 120   # after the last fault: retry times of refused messages, connections found dead, a database recovering


class Observer:
    """An administrator with a connection of her own past the proxies: changes members, looks at marks."""
    def __init__(self, arena):
        self.arena, self.random = arena, random.Random(f"observer {arena.seed}")
        self.marks, self.changes, self.stopping = [], 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            try:
                with closing(self.arena.node.database()) as connection:
                    cursor = connection.cursor()
                    while not self.stopping:
                        self.turn(cursor)
                        time.sleep(0.5)
            except psycopg2.Error:
                time.sleep(0.2)  # it is being tortured

    def turn(self, cursor):
        cursor.execute("select c.name, u.name, m.delivered_seq, m.read_seq from gnatter.mark m"
                       " join gnatter.conversation c using (conversation_id) join gnatter.user_account u using (user_id)")
        self.marks += cursor.fetchall()
        group, user = self.random.choice(self.arena.moving), self.random.choice(self.arena.movers)
        cursor.execute("select 1 from gnatter.members where group_name = %s and user_name = %s", (group, user))
        function = "remove_member" if cursor.fetchone() else "add_member"
        cursor.execute(f"select gnatter.{function}(%s, %s)", (group, user))
        self.changes += 1

    def stop(self):
        self.stopping = True
        self.thread.join(30)


class Arena:
    def __init__(self, seed, seconds, users, devices, rate, accelerator=ACCELERATOR):
        """`devices`: in all, at least one for each user; `rate`: messages a second of each; `accelerator`: on or off."""
        self.seed, self.seconds, self.rate = seed, seconds, rate
        self.users_len, self.devices_len = users, devices
        self.steps = schedule(seed, seconds)
        self.node = ProxiedNode(f"nemesis-{seed}", journal_bytes=1048576)
        self.node.accelerator = accelerator
        self.problems, self.nemesis, self.history = [], None, None
        self.settled_s, self.changes = 0.0, 0

    # ---- before ----
    def open(self):
        self.machine = Machine(self.node)
        self.node.up()
        self.populate()
        self.nemesis = Nemesis(self.node, self.machine, self.node.network, self.seed)

    def populate(self):
        node, rng = self.node, random.Random(f"people {self.seed}")
        rows = node.bulk(self.users_len, "user")
        self.users = [row[1] for row in rows]
        for n in range(self.devices_len - self.users_len):
            user, name = self.users[n % self.users_len], f"d{n // self.users_len + 2}"
            rows.append((f"{user}:{name}", user, node.token(user, name)))
        self.herd = Herd(node, rows, self.seed, self.rate)
        for user in self.users:
            self.herd.pair(user, rng.choice([other for other in self.users if other != user]))
        self.moving = []
        for n in range(max(1, self.users_len // GROUP_USERS)):
            self.group(f"firm-{n}", rng.sample(self.users, min(GROUP_USERS, self.users_len)))
        self.moving = [f"moving-{n}" for n in range(2)]
        self.movers = rng.sample(self.users, min(2 * GROUP_USERS, self.users_len))
        for name in self.moving:
            self.group(name, rng.sample(self.movers, len(self.movers) * 3 // 4))
        self.herd.know()

    def group(self, name, users):
        self.node.ctl("group", "create", name, "--owner", users[0], *(w for user in users[1:] for w in ("--member", user)))
        those = self.movers if name in self.moving else users  # who is not a member now tries as well
        for sheep in self.herd.sheep:
            if sheep.user in those:
                self.herd.conversations[f"g/{name}"].add((sheep, f"g/{name}"))

    def rows(self, statement):
        with closing(self.node.database()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    # ---- the fight ----
    def run(self):
        """What does not hold; an empty list is a success."""
        self.open()
        self.herd.start()
        self.herd.wait(lambda: all(sheep.connects for sheep in self.herd.sheep), 60, "every device has been live")
        observer = Observer(self)
        try:
            self.nemesis.run(self.steps, self.look)
            self.nemesis.heal()
            healed = time.monotonic()
            self.settle(observer)
            self.settled_s = time.monotonic() - healed
        finally:
            observer.stop()
            self.herd.stop()
        self.history = self.gather(observer.marks)
        self.changes = observer.changes
        self.problems += [f"{sheep.client_id}: {text}" for sheep in self.herd.sheep for text in sheep.problems]
        self.problems += [f"{kind}: {text}" for kind, text in self.history.check()]
        verified = self.node.ctl("verify", check=False)
        if verified.returncode:
            self.problems.append(f"verify: {verified.stdout}{verified.stderr}")
        return self.problems

    def look(self):
        assert self.herd.failure is None, f"the herd broke: {self.herd.failure!r}"

    def expect(self, condition, what):
        """Within SETTLE_S; else it is a problem, and everything else is still looked at."""
        try:
            wait_until(lambda: (self.look(), condition())[1], SETTLE_S, what, 0.2)
        except AssertionError as error:
            if self.herd.failure is not None:
                raise
            self.problems.append(f"not settled: {error}")

    def settle(self, observer):
        self.expect(self.nemesis.errands.is_done, lambda: f"the node up again: {self.nemesis.errands.said[-3:]}")
        self.expect(self.node.is_up, lambda: "the node well again: " + self.node.ctl("status", check=False).stderr)
        observer.stop()
        self.herd.end()
        self.expect(self.herd.is_done, lambda: f"every message answered: {self.herd.summary()}")
        self.expect(lambda: not self.behind(), lambda: f"every inbox complete, every mark at its end: {self.behind()[:5]}")

    def behind(self):
        """Cursors that have not reached the end of what their devices may see."""
        return self.rows("""
            select u.name || ':' || d.name, c.name, k.acked_seq, least(m.left_seq, c.last_seq)
              from gnatter.member m
              join gnatter.conversation c using (conversation_id)
              join gnatter.device d using (user_id)
              join gnatter.user_account u using (user_id)
              left join gnatter.cursor k on k.conversation_id = m.conversation_id and k.device_id = d.device_id
             where coalesce(k.acked_seq, 0) < least(m.left_seq, c.last_seq)""")

    # ---- after ----
    def gather(self, marks):
        log, members = defaultdict(list), defaultdict(lambda: defaultdict(list))
        for name, seq, user, device, message_id, kind, payload in self.rows("""
                select c.name, m.seq, u.name, d.name, m.message_id, m.event_type, m.payload from gnatter.message m
                  join gnatter.conversation c using (conversation_id)
                  left join gnatter.user_account u on u.user_id = m.sender_user_id
                  left join gnatter.device d on d.device_id = m.sender_device_id order by 1, 2"""):
            if kind is None:
                log[name].append((seq, f"{user}:{device}", message_id, zlib.crc32(payload)))
            else:
                log[name].append((seq, user or "-", kind, None))
        for name, user, joined, left in self.rows("""
                select c.name, u.name, m.joined_seq, m.left_seq from gnatter.member m
                  join gnatter.conversation c using (conversation_id) join gnatter.user_account u using (user_id)"""):
            members[name][user].append((joined, left))
        marks += self.rows("select c.name, u.name, m.delivered_seq, m.read_seq from gnatter.mark m join gnatter.conversation c"
                           " using (conversation_id) join gnatter.user_account u using (user_id)")
        return History({sheep.client_id: sheep.log for sheep in self.herd.sheep}, log, members, marks)

    def recoveries(self):
        """{fault: [seconds from its end until something that was published after it was `sent`]}."""
        pairs = []
        for events in self.history.devices.values():
            first = {}
            for event in events:
                if event[1] == "publish":
                    first.setdefault(event[3], event[0])
                elif event[1] == "sent" and event[4] in first:
                    pairs.append((first.pop(event[4]), event[0]))
        pairs.sort()
        earliest = [sent for _, sent in pairs]
        for i in range(len(earliest) - 2, -1, -1):
            earliest[i] = min(earliest[i], earliest[i + 1])
        found, published = defaultdict(list), [at for at, _ in pairs]
        for at, step, outcome in self.nemesis.done:
            place = bisect_left(published, at + step.lasts_s)
            if place < len(pairs) and not outcome.startswith("not done"):
                found[step.name].append(earliest[place] - at - step.lasts_s)
        return found

    def report(self):
        counts, sheep = self.nemesis.counts(), self.herd.sheep
        recoveries = self.recoveries() if self.history else {}
        codes = Counter(event[3] for one in sheep for event in one.log if event[1] == "error")
        refused = ", ".join(f"{count} {code}{' (to be sent again)' * (code in PUT_OFF)}" for code, count in sorted(codes.items()))
        lines = [
            f"seed {self.seed}: {self.seconds} s, accelerator {self.node.accelerator}, {len(sheep)} devices of "
            f"{len(self.users)} users, "
            f"settled in {self.settled_s:.1f} s",
            f"{sum(len(one.sent) for one in sheep)} sent, "
            f"{sum(len(one.pubacked) for one in sheep)} acknowledged by the broker, "
            f"{sum(len(view) for one in sheep for view in one.taken.values())} taken, "
            f"{sum(one.repeats for one in sheep)} repeats, {sum(one.connects for one in sheep)} connections, "
            f"{self.changes} changes of members",
            f"refused: {refused or 'none'}",
            f"{'fault':18}{'how often, to what':70}{'sent again after':>20}",
        ]
        for name in dict.fromkeys(step.name for _, step, _ in self.nemesis.done):
            what = ", ".join(f"{count} {target}" for (fault, target), count in sorted(counts.items()) if fault == name)
            times = sorted(recoveries.get(name, []))
            after = f"{times[len(times) // 2]:.1f} s, at most {times[-1]:.1f} s" if times else "-"
            lines.append(f"{name:18}{what:70}{after:>20}")
        said = self.nemesis.errands.said
        if said:
            lines.append(f"gnatterctl was refused {len(said)} times, at last: {said[-1][:150]}")
        return "\n".join([*lines, f"{len(self.problems)} violations"])

    def save(self):
        """Everything that happened, beside the node's logs. Returns where."""
        self.node.save_logs()
        path = LOGS / "nodes" / self.node.name / "history.txt"
        with open(path, "w") as out:
            out.write("\n".join([self.report(), *self.problems, "", *self.nemesis.story(), "", *self.nemesis.errands.said, ""]))
            for sheep in self.herd.sheep:
                out.writelines(f"{sheep.client_id}\t" + "\t".join(map(str, event)) + "\n" for event in sheep.log)
            for name, rows in sorted(self.history.log.items()) if self.history else ():
                out.writelines(f"{name}\t" + "\t".join(map(str, row)) + "\n" for row in rows)
        return path

    def close(self):
        if self.nemesis:
            self.nemesis.relent()  # interrupted: what is stopped cannot be taken down
            self.nemesis.errands.close()
        self.node.close()
