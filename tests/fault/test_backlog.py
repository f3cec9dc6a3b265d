"""What was published while the service was away has been taken before anybody is live again."""
import os
import signal

from lib.node import alive, wait_until

WAITING = 1500  # of each of three devices, 1 KiB each: many frames


def test_a_sync_in_the_journal_comes_first(node, cast):
    """bob says that he has less than his cursor says while nobody takes it. His replay must begin there."""
    alice, bob, *others = cast(5)
    for _ in range(5):
        alice.say(bob.address)
    bob.wait_for("chat", seq=5)
    bob.ack(alice.address, 3)
    alice.wait_for("delivered", seq=3)
    node.signal("supervisor")  # or it would start what is stopped within a second
    old = node.signal("syncd", signal.SIGTERM)
    wait_until(lambda: not alive(old), 20, "the service ended")
    for other in others:
        for _ in range(WAITING):
            other.send(other.address, os.urandom(1024))
    for other in others:
        other.publish("sync")  # taken by the broker behind all of them
    since = bob.here()
    bob.publish("sync", f"{alice.address} 1")
    node.up()
    bob.wait_for("synced", since=since, timeout=60)
    assert bob.seqs(alice.address, since) == [2, 3, 4, 5]
    assert bob.all_of("chat", since=since)[0].seq == 2
    for other in others:
        # of each: who falls behind is told again from the log
        wait_until(lambda: len({item.id for item in other.all_of("sent")}) == WAITING, 60, "all of them sent")
