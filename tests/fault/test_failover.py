"""The primary of PostgreSQL is lost and its standby promoted in the middle of traffic: the service, all its connections
and gnatterctl follow, and nothing that was answered with `sent` is lost."""
import signal

import pytest

from lib.cast import Cast, Pool
from lib.cluster import Server
from lib.flock import Flock
from lib.node import LOGS, Node, wait_until

MESSAGES = 150  # of each of the four devices
WHO = "select application_name, backend_start, state, wait_event, query from pg_stat_activity where datname = 'gnatter'"


class Pair:
    """Two servers, and a node on them. Commits wait until the standby has applied them."""
    def __init__(self):
        self.primary = Server("one").make(synchronous_commit="remote_apply", hot_standby_feedback="on")
        self.primary.start()
        self.primary.sql("create database gnatter", "postgres")
        self.standby = Server("two").copy_of(self.primary)
        self.join()
        self.node = Node("failover")

    def join(self):
        """Starts the standby, and from then on no commit is answered before it has applied it."""
        self.standby.set(synchronous_standby_names="")
        self.standby.start()
        self.primary.set(synchronous_standby_names=self.standby.name)
        self.primary.run("pg_ctl", "-D", self.primary.data, "reload")
        wait_until(lambda: self.primary.sql("select 1 from pg_stat_replication where sync_state = 'sync'", "postgres"),
                   20, "the standby is in step")

    def rejoin(self):
        """What docs/operating.md says is to be done with a primary that was replaced."""
        self.standby.stop()
        self.primary.sql("checkpoint", "postgres")  # before it, pg_rewind does not see that there was a promotion
        self.standby.rewind(self.primary)
        self.join()

    def uri(self):
        servers = sorted((self.primary, self.standby), key=lambda server: server.name)  # the order never changes
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        return f"postgresql://landlord:landlord@{hosts}/gnatter"

    def promote(self):
        """They change places."""
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def users(self, server, since="-infinity"):
        """Who is connected to it, and has asked it something since. A commit that waits for a standby which will never come has
        nobody who waits for it."""
        return {row[0] for row in server.sql("select distinct application_name from pg_stat_activity "
                                             "where datname = 'gnatter' and pid <> pg_backend_pid() "
                                             f"and wait_event is distinct from 'SyncRep' and query_start > '{since}'")}

    def close(self):
        try:
            self.node.close(keep_logs=getattr(self.node, "failed", False))
            if getattr(self.node, "failed", False):
                for server in (self.primary, self.standby):
                    server.save_logs(LOGS / "nodes" / self.node.name)
        finally:
            self.primary.close()
            self.standby.close()


@pytest.fixture(scope="module")
def pair():
    pair = Pair()
    try:
        pair.node.init("--database", pair.uri())
        pair.node.up()
        yield pair
    finally:
        pair.close()


@pytest.fixture(scope="module")
def failover_pool(pair):
    return Pool(pair.node, 60, "user")


@pytest.fixture
def node(pair):
    """In place of the suite's own."""
    return pair.node


@pytest.fixture
def cast(node, failover_pool):
    cast = Cast(node, failover_pool)
    yield cast
    problems = cast.end()
    assert not problems, problems
    node.wait_up()
    node.ctl("verify")


@pytest.fixture
def flock(node, failover_pool, cast):
    rows = [failover_pool.take() for _ in range(4)]
    users = [row[1] for row in rows]
    group = cast.name("flock")
    node.ctl("group", "create", group, "--owner", users[0], *(w for user in users[1:] for w in ("--member", user)))
    flock = Flock(node, rows)
    flock.group(group)
    flock.pair(users[0], users[1])
    flock.pair(users[2], users[3])
    yield flock
    flock.stop()


def log_of(node):
    return (node.dir / "log" / "syncd.log").read_text(errors="replace")


def works(node, cast):
    """Messages, requests, notifications of what an administrator changes, presence: every connection of the service."""
    alice, bob = cast(2, acks=True)
    alice.say(bob.address, b"there?", mid="there")
    bob.wait_for("chat", id="there", timeout=20)
    assert len(alice.rpc("conversations")["conversations"]) == 1
    alice.subscribe(f"presence/{bob.user}")
    alice.wait_for("presence", payload=b"online", timeout=20)
    group = cast.group(alice, bob)
    bob.wait_for("event", conversation=group, timeout=20)
    carol = cast.user()
    node.ctl("group", "add", group.removeprefix("g/"), carol.name)
    bob.wait_for("event", conversation=group, word="member-added", timeout=20)


def survived(flock):
    flock.finish(60)
    flock.check()


def test_primary_lost_in_traffic(pair, node, flock, cast):
    """Its machine is gone, with all that it had not passed on."""
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(MESSAGES)
    pair.primary.signal()
    pair.promote()
    survived(flock)
    works(node, cast)


def test_replaced_primary_is_never_used(pair, node, cast):
    """Somebody starts it again, and it takes writes as if nothing had happened. Neither the service nor gnatterctl goes
    there, not even a new process, while its successor is away."""
    old = pair.standby
    old.set(synchronous_standby_names="")
    old.start()
    assert old.value("show transaction_read_only") == "off"
    before = old.value("select count(*) from gnatter.message")
    alice, bob = cast(2, acks=True)
    pair.primary.stop("immediate")
    syncd = node.signal("syncd")
    alice.send(bob.address, b"where to?", mid="where")
    node.wait_restarted("syncd", syncd)
    wait_until(lambda: "database replaced-primary" in log_of(node), 20, "the service has seen it")
    refused = node.ctl("user", "add", "nowhere", check=False)
    assert refused.returncode == 1 and "was replaced" in refused.stderr
    pair.primary.start()
    alice.wait_for("sent", id="where", timeout=30)
    node.wait_up()
    works(node, cast)
    node.ctl("user", "add", "after-the-failover")
    assert pair.primary.value("select count(*) from gnatter.user_account where name = 'after-the-failover'") == "1"
    assert old.value("select count(*) from gnatter.user_account where name = 'after-the-failover'") == "0"
    assert old.value("select count(*) from gnatter.message") == before
    wait_until(lambda: pair.users(old) <= {"gnatter-look"}, 20, lambda: f"nobody is left there: {old.sql(WHO)}")


def test_rewound_and_promoted_again(pair, node, flock, cast):
    """The old one is a standby now, and takes over in its turn. For a moment before it does not follow: what the primary
    has meanwhile, and the standby has not, nobody was told to be sent."""
    pair.rejoin()
    alice, bob = cast(2)
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(MESSAGES)
    pair.standby.signal(signal.SIGSTOP)
    for _ in range(20):  # PUBACKs go on; not the flock's, whose windows are full
        alice.send(bob.address, wait=True)
    pair.primary.signal()
    pair.standby.signal(signal.SIGCONT)
    pair.promote()
    survived(flock)
    works(node, cast)


def test_promoted_while_the_primary_hangs(pair, node, flock, cast):
    """It does not answer, its connections stay: the service finds out by itself that there is another one. When it goes on
    it takes writes, and nobody uses it."""
    pair.rejoin()
    old = pair.primary
    flock.load(MESSAGES)
    flock.start()
    flock.wait_sent(MESSAGES)
    old.signal(signal.SIGSTOP)
    try:
        pair.promote()
        survived(flock)
        works(node, cast)
    finally:
        old.signal(signal.SIGCONT)
    went_on = old.value("select clock_timestamp()")
    works(node, cast)
    # a connection that was not needed since may be left
    wait_until(lambda: pair.users(old, went_on) <= {"gnatter-look"}, 20, lambda: f"nobody uses it: {old.sql(WHO)}")
