"""What the database cannot read of one conversation's log: the others go on."""
from contextlib import contextmanager
from pathlib import Path

from lib.node import wait_until

FUNCTIONS = Path(__file__).resolve().parents[2] / "schema" / "functions"


@contextmanager
def damaged(node, conversation_id, **functions):
    """Whoever reads that log hears of a damaged block. functions: name to the parameters it is called with."""
    try:
        for name, params in functions.items():
            true = (FUNCTIONS / f"{name}.sql").read_text()
            head, _, _ = true.partition("\nas $$")
            node.sql(true.replace(f"gnatter.{name}(", f"gnatter.{name}_true("))
            node.sql(f"""{head}
                as $$ begin
                    if {conversation_id} = any (ids) then
                        raise exception 'invalid page in block 7' using errcode = 'data_corrupted';
                    end if;
                    return query select * from gnatter.{name}_true({params});
                end $$""")
        yield
    finally:
        for name in functions:
            node.sql(f"drop function if exists gnatter.{name}_true")
            node.sql((FUNCTIONS / f"{name}.sql").read_text())


def losses(node):
    return node.json("status")["service"]["counters"]["database_losses"]


def test_a_log_that_cannot_be_read_holds_up_no_other(node, cast):
    alice, bob, carol = cast(3, acks=True)
    bob.stop()
    lost = alice.say(bob.address).id
    found = carol.say(bob.address).id
    conversation_id, = node.sql("select conversation_id from gnatter.conversation where name = "
                                f"'d/' || least('{alice.user}', '{bob.user}') || '/' || greatest('{alice.user}', '{bob.user}')")[0]
    before, log = losses(node), node.dir / "log/syncd.log"
    begin = log.stat().st_size
    with damaged(node, conversation_id, log_page="ids, after_seqs, items_max, bytes_max, known_device_ids"):
        since = bob.here()
        bob.start()
        bob.subscribe(f"inbox/{bob.user}/#")
        bob.wait_for("chat", id=found, since=since)
        bob.wait_for("chat", id=carol.say(bob.address).id)  # and live
        wait_until(lambda: b"the log has a hole" in log.read_bytes()[begin:], what="it is said")  # perhaps by another shard
        assert not [item for item in bob.all_of("synced", since=since)], "it has not got everything"
    assert losses(node) == before
    bob.connect()
    bob.wait_for("chat", id=lost)


def test_who_wrote_what_cannot_be_read_is_told_of_no_mark(node, cast):
    """A mark that covers more than the service remembers: who wrote that is asked for."""
    alice, bob, carol = cast(3, acks=True)
    group = cast.group(alice, bob, carol)
    bob.stop()
    ids = [alice.send(group) for _ in range(150)]
    last = alice.wait_for("sent", id=ids[-1]).seq
    conversation_id, = node.sql(f"select conversation_id from gnatter.conversation where name = '{group}'")[0]
    before = losses(node)
    with damaged(node, conversation_id, log_senders="ids, after_seqs, to_seqs"):
        bob.acks = False
        bob.connect()
        since = alice.here()
        bob.read(group, last)
        bob.rpc("conversations")  # waits for the marks
        bob.wait_for("chat", id=carol.say(bob.address).id)
        said = alice.say(group).seq
        bob.read(group, said)
        alice.wait_for("read", seq=said, since=since)  # the next one is told
        assert not alice.all_of("read", seq=last, since=since)
    assert losses(node) == before
