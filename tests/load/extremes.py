"""What happens beyond the ordinary: more than the node can take, and everybody coming back at once."""
import threading
import time

import figures
import procfs

SLOW = """
create function public.bench_slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.0004); return new; end $$;
create trigger bench_slow before insert on gnatter.message for each row execute function public.bench_slow();
"""
FAST = "drop trigger bench_slow on gnatter.message; drop function public.bench_slow()"
TIMES = 3  # the capacity


class Growth:
    """How much more memory each part of a server has held at most than when this began."""
    def __init__(self, server):
        self.server, self.before, self.most, self.ended = server, {}, {}, threading.Event()
        self.look()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self):
        try:
            pids = self.server.pids()
        except (OSError, ValueError, IndexError):
            return  # a part is just being started again
        for part, pid in pids.items():
            if part != "postgres":
                held = procfs.memory_bytes(pid)
                self.before.setdefault(part, held)
                self.most[part] = max(self.most.get(part, 0), held)

    def run(self):
        while not self.ended.wait(0.25):
            self.look()

    def end(self):
        self.ended.set()
        self.thread.join()
        self.look()  # a run may be over before the first look
        return {part: self.most[part] - self.before[part] for part in self.most}


def crowd(seconds, rate, window):
    """Many devices; at the end they give up what was refused, which is a multiple of what can be waited for."""
    return ["pairs", "--pairs", "1000", "--window", str(window), "--rate", f"{rate:.0f}", "--seconds", str(seconds),
            "--warm-up", "2", "--settle", "90", "--resend-ms", "600000", "--give-up", "--pause-us", "500"]


def overload(bench, seconds):
    """Beyond what the broker can take: it reads no faster than it can, and the devices' sockets fill.

    The capacity is that of the same devices: a thousand pairs cost more a message than a hundred, overload or not."""
    bench.gnatter_only("overload-closed", ["pairs", "--pairs", "1000", "--window", "8", "--seconds", "5", "--warm-up", "2",
                                           "--settle", "60", "--pause-us", "500"])
    capacity = figures.sent_per_s(bench.runs["overload-closed"][0]["gnatter"])
    bench.gnatter_only("overload", crowd(max(seconds, 10), TIMES * capacity, 64), fresh=True)
    bench.runs["overload"][0]["capacity_per_s"] = capacity


def overload_of_the_database(bench, seconds):
    """Beyond what a slow database can take: the journal would fill with what has to wait for minutes."""
    bench.nodes[0].sql(SLOW)
    try:
        bench.gnatter_only("overload-database-closed", ["pairs", "--pairs", "100", "--window", "8", "--seconds", "4",
                                                        "--warm-up", "1", "--pause-us", "500"])
        capacity = figures.sent_per_s(bench.runs["overload-database-closed"][0]["gnatter"])
        bench.gnatter_only("overload-database", crowd(max(seconds, 10), TIMES * capacity, 512), fresh=True)
        bench.runs["overload-database"][0]["capacity_per_s"] = capacity
    finally:
        bench.nodes[0].sql(FAST)


def slower_disk(bench, arguments):
    """A commit that waits as an ordinary disk makes it wait, asleep. This machine's may answer from memory, and then the way
    through the processes is many times its fdatasync, whatever that way takes."""
    for node in bench.nodes:
        node.set_commit_delay(figures.SLOWER_MS * 1000)
    try:
        bench.rounds("latency-disk", arguments)
    finally:
        for node in bench.nodes:
            node.set_commit_delay(0)


def wal(bench, window):
    """The log of the messages alone: vacuum, which freezes what all that went before has left, and the whole pages behind a
    checkpoint would count for the run in whose seconds they happen to be."""
    node = bench.nodes[0]
    node.without_vacuum()
    for members in (2, 100, 1000):
        node.sql("checkpoint")
        bench.gnatter_only(f"wal-{members}", ["group", "--members", str(members), "--rate", "2000", "--window", "500",
                                              "--absent", *window], with_wal=True)


def herd(bench, devices, rounds):
    """The broker is killed with all devices live and talking."""
    bench.runs["herd"] = []
    for number in range(rounds):
        pair = {}
        for server in (bench.raw, *bench.nodes):
            def kill(phase, server=server):
                if phase == "kill":
                    server.kill_broker()
            pair[server.name] = bench.one(server, f"herd {number + 1}", ["herd", "--idle", str(devices), "--rate", "500",
                                                                        "--settle", "60", "--pause-us", "500"], during=kill,
                                          fresh=True)
            time.sleep(1)  # its log and its devices' ends are not the next one's business
        bench.runs["herd"].append(pair)
