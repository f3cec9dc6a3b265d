"""A bad network: TCP proxies in a process of their own, made worse and better while connections run through them.

The process (this file) takes lines of JSON on its standard input and answers each with a line. It ends with its input.
"""
import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress

CHUNK = 65536
LOOK_S = 0.02


class Connection:
    """Two sockets with a pump each way. A dead one stays open on both sides, and nothing passes any more."""
    def __init__(self, proxy, near, far):
        self.proxy, self.sides, self.is_dead = proxy, (near, far), False

    async def pump(self, source, sink):
        reader, writer = source[0], sink[1]
        try:
            while True:
                data = await reader.read(CHUNK)
                if not data:
                    break
                while self.proxy.is_stalled and not self.is_dead:
                    await asyncio.sleep(LOOK_S)
                if self.is_dead:
                    continue  # swallowed: who sends it believes that it arrives
                if self.proxy.delay_s:
                    await asyncio.sleep(self.proxy.delay_s)
                if self.proxy.bytes_per_s:
                    await asyncio.sleep(len(data) / self.proxy.bytes_per_s)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        if not self.is_dead:
            writer.close()

    async def run(self):
        near, far = self.sides
        await asyncio.gather(self.pump(near, far), self.pump(far, near))
        for _, writer in self.sides:
            writer.close()

    def reset(self):
        """RST to both sides, not a FIN."""
        for _, writer in self.sides:
            with suppress(OSError):  # it has just been closed
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    def __init__(self, port, target):
        self.port, self.target = port, target
        self.connections, self.server = set(), None
        self.is_stalled, self.delay_s, self.bytes_per_s = False, 0.0, 0

    async def listen(self):
        if self.server is None:
            self.server = await asyncio.start_server(self.accepted, "127.0.0.1", self.port)

    async def accepted(self, reader, writer):
        try:
            far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        with suppress(OSError):  # one of them has gone away meanwhile
            for stream in (writer, far[1]):
                stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, (reader, writer), far)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)

    async def do(self, what, value=None):
        """Returns how many connections there are."""
        if what == "reset":
            for connection in list(self.connections):
                connection.reset()
        elif what == "dead":
            for connection in list(self.connections):
                connection.is_dead = True
        elif what == "stalled":
            self.is_stalled = bool(value)
        elif what == "delay_s":
            self.delay_s = value
        elif what == "bytes_per_s":
            self.bytes_per_s = value
        elif what == "refusing":
            if value and self.server:
                self.server.close()
                self.server = None
                await self.do("reset")
            elif not value:
                await self.listen()
        return len(self.connections)


async def serve():
    proxies, loop, reader = {}, asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        if "target" in order:
            proxy = proxies[order["proxy"]] = Proxy(order["port"], order["target"])
            await proxy.listen()
            answer = 0
        else:
            answer = await proxies[order["proxy"]].do(order["what"], order.get("value"))
        print(answer, flush=True)
    os._exit(0)  # the connections end with the process


class Network:
    """The proxies, from the side of the test."""
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-B", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def order(self, **words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the proxies have ended"
        return int(answer)

    def proxy(self, name, port, target):
        self.order(proxy=name, port=port, target=target)

    def do(self, name, what, value=None):
        """`what`: reset, dead, or a state and its value: stalled, delay_s, bytes_per_s, refusing."""
        return self.order(proxy=name, what=what, value=value)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


if __name__ == "__main__":
    asyncio.run(serve())
