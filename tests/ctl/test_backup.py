"""What docs/operating.md says of backups: these commands, on a node that is up, and what comes of them on a new one."""
import os
import re
import subprocess

from conftest import TOP, wait_until

PAGE = (TOP / "docs/operating.md").read_text().split("\n## Backup\n", 1)[1].split("\n## ", 1)[0]
BACKUP, RESTORE = re.findall(r"```sh\n(.*?)```", PAGE, re.S)


def script(text, node, store):
    for name, path in (("/srv/gnatter", node.dir), ("/backup", store), ("gnatterctl", node.program)):
        text = text.replace(name, str(path))
    ports = "up --mqtt-port 0 --ws-port 0"
    done = subprocess.run(["sh", "-eu", "-c", text.replace(" up\n", f" {ports}\n", 1)], text=True, capture_output=True,
                          timeout=300, env={**os.environ, "PGCONNECT_TIMEOUT": "10"})
    assert done.returncode == 0, done.stdout + done.stderr + node.logs()


def publish(node, token, message_id):
    subprocess.run(["mosquitto_pub", "-p", node.conf("mqtt_port"), "-i", "alice:phone", "-u", "alice", "-P", token, "-q", "1",
                    "-t", f"chat/g/kitchen/{message_id}", "-m", "hello"], check=True, timeout=30)


def sent(node, message_id):
    return node.sql(f"select seq from gnatter.messages where message_id = '{message_id}'")


def test_a_backup_can_be_restored(made, node, tmp_path):
    made.up()
    for user in ("alice", "bob"):
        made.ctl("user", "add", user)
    made.ctl("group", "create", "kitchen", "--owner", "alice", "--member", "bob")
    token = made.ctl("token", "alice", "phone").stdout.strip()
    publish(made, token, "before")
    wait_until(lambda: sent(made, "before") == ["2"], "it is in the log")
    tmp_path.chmod(0o700)
    script(BACKUP, made, tmp_path)
    made.ctl("down")
    script(RESTORE, node, tmp_path)
    publish(node, token, "after")
    wait_until(lambda: sent(node, "after") == ["3"], "the conversation goes on, with the token of before")
    assert sent(node, "before") == ["2"]
    assert node.ctl("verify").returncode == 0
