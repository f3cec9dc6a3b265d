"""What the first user types: the conversation of make run, the lines it prints to paste, and make install."""
import os
import re
import subprocess

from conftest import CTL, TOP, make_node, wait_until

TOUR = TOP / "tools" / "first-conversation.sh"


def tour(node):
    subprocess.run(["make", "-s", "build/bin/first-conversation"], cwd=TOP, check=True)
    done = subprocess.run(["sh", TOUR, node.dir], cwd=TOP, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr + node.logs()
    return done.stdout


def test_a_first_conversation_and_again(up):
    for text in (tour(up), tour(up)):
        for conversation, members in (("u/bob", ["bob"]), ("g/kitchen", ["bob", "carol"])):
            seq = re.search(rf"alice  <-- inbox/alice/sent/{conversation}/(\d+)/", text).group(1)
            for member in members:
                delivered = text.index(f"alice  <-- inbox/alice/delivered/{conversation}/{seq}/{member}\n")
                assert delivered < text.index(f"alice  <-- inbox/alice/read/{conversation}/{seq}/{member}\n")
        assert re.search(r"bob    <-- inbox/bob/chat/u/alice/\d+/\d+/alice:tour/\S+  Hello Bob", text)
    assert up.sql("select count(*) from gnatter.messages where conversation = 'd/alice/bob'") == ["2"]
    assert sorted(user["user"] for user in up.json("user", "list")) == ["alice", "bob", "carol"]
    for name in ("alice.token", "bob.token", "bob-laptop.token"):
        assert (up.dir / name).stat().st_mode & 0o777 == 0o600


def test_the_printed_lines_can_be_pasted(up):
    lines = re.findall(r"^  (mosquitto_\w+ .*)$", tour(up), re.M)
    [listen] = [line for line in lines if line.startswith("mosquitto_sub")]
    send = [line for line in lines if line.startswith("mosquitto_pub")]
    assert len(send) == 3
    with subprocess.Popen(["sh", "-c", f"exec timeout 30 {listen}"], cwd=TOP, text=True, stdout=subprocess.PIPE) as listener:
        try:
            while "synced" not in (line := listener.stdout.readline()):
                assert line
            for line in send:
                subprocess.run(["sh", "-c", line], cwd=TOP, check=True, timeout=30)
            heard = ""
            while "Hello all" not in heard:
                line = listener.stdout.readline()
                assert line, heard
                heard += line
        finally:
            listener.terminate()  # which timeout passes on
    assert re.search(r"inbox/bob/chat/u/alice/\d+/\d+/alice:phone/\d+ Hello\n", heard)
    assert re.search(r"inbox/bob/chat/g/kitchen/\d+/\d+/alice:phone/\d+ Hello all\n", heard)
    hi = "select seq from gnatter.messages where sender_user = 'bob' and sender_device = 'laptop'"
    wait_until(lambda: up.sql(hi), "what bob said last is in the log")  # and not on its way to who is live next


def test_the_two_terminals_of_the_readme(up):
    """Each of its blocks in a shell of its own, with nothing but what the first one sets."""
    text = (TOP / "README.md").read_text().split("## Chat from the shell", 1)[1].split("\n## ", 1)[0]
    both, bob, alice, group = re.findall(r"```sh\n(.*?)```", text, re.S)
    assert both == 'export PATH="$PWD/build/bin:$PATH"\n'

    def run(block, **more):
        for word, here in (("mosquitto_pub -i", f"mosquitto_pub -p {up.conf('mqtt_port')} -i"), ("run/tablet.token", f"{up.dir}/tablet.token"),
                           ("mosquitto_sub -i", f"exec mosquitto_sub -p {up.conf('mqtt_port')} -i")):
            block = block.replace(word, here)
        return subprocess.Popen(["sh", "-ec", both + block], cwd=TOP, text=True, stdout=subprocess.PIPE,
                                env={**os.environ, "GNATTER_DIR": str(up.dir)}, **more)

    listener = run(bob)
    try:
        while "synced" not in (line := listener.stdout.readline()):
            assert line
        with run(alice, stderr=subprocess.PIPE) as writer:
            assert (writer.communicate(timeout=30), writer.returncode) == (("", ""), 0)
        assert re.fullmatch(r"inbox/bob/chat/u/alice/\d+/\d+/alice:laptop/hello-1 Hi bob\n", listener.stdout.readline())
        with run(group) as making:
            assert "garden" in making.communicate(timeout=30)[0] and making.returncode == 0
    finally:
        listener.terminate()
        listener.communicate()


def test_installed_it_works_the_same():
    node = make_node()
    try:
        subprocess.run(["make", "-s", "install", f"DESTDIR={node.home}/root", "PREFIX=/usr"], cwd=TOP, check=True,
                       timeout=300)
        root = node.home / "root/usr"
        for name in ("share/man/man1/gnatterctl.1", "share/man/man8/gnatter-syncd.8",
                     "share/bash-completion/completions/gnatterctl", "share/zsh/site-functions/_gnatterctl"):
            assert (root / name).is_file(), name
        node.program = root / "bin/gnatterctl"
        node.up()
        assert os.readlink(f"/proc/{node.pid('syncd')}/exe") == str(root / "sbin/gnatter-syncd")
        node.ctl("user", "add", "alice")
        node.ctl("down")
        subprocess.run(["make", "-s", "uninstall", f"DESTDIR={node.home}/root", "PREFIX=/usr"], cwd=TOP, check=True)
        assert not [path for path in root.rglob("*") if path.is_file()] and not (root / "lib/gnatter").exists()
        node.program = CTL  # the node is still one
        node.up()
        assert [user["user"] for user in node.json("user", "list")] == ["alice"]
    finally:
        node.close()
