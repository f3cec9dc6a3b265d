"""After all the others: what they left behind is sound, and nothing died unseen."""


def test_stored_state_keeps_the_invariants(node):
    assert node.ctl("verify").returncode == 0


def test_a_device_could_chat(node):
    assert node.ctl("status").returncode == 0


def test_no_part_was_restarted(node):
    assert {part: node.pid(part) for part in node.first_pids} == node.first_pids
