"""What an MQTT 5 publisher is told of a message that was taken: plain success, as stock tools expect it."""
import subprocess

from lib.node import wait_until


def test_an_accepted_message_is_acknowledged_with_success(node, cast):
    alice, bob = (user.name for user in cast.users(2))
    token = node.token(alice, "v5")

    def publish():
        said = subprocess.run(
            ["mosquitto_pub", "-d", "-V", "5", "-p", str(node.port), "-i", f"{alice}:v5", "-u", alice, "-P", token,
             "-q", "1", "-t", f"chat/u/{bob}/m1", "-m", "hello"],
            capture_output=True, text=True, timeout=20, check=True).stdout
        return "PUBACK (Mid: 1, RC:0)" in said

    wait_until(publish, 10, "PUBACK with reason code 0")
