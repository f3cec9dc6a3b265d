"""A node whose parts, and whose devices, find each other through proxies: devices, link (service to broker), database."""
from .network import Network
from .node import CTL, Node
from .ports import free_ports


class ProxiedNode(Node):
    def __init__(self, name, journal_bytes=67108864):
        super().__init__(name)
        self.journal_bytes = journal_bytes
        self.network = None

    def up(self, *args, **options):
        if self.network is None:
            self.prepare()
        return super().up(*args, **options)

    def prepare(self):
        devices, link, database = free_ports(3)
        self.init(journal_bytes=self.journal_bytes)
        conf = self.dir / "gnatter.conf"
        text = conf.read_text()
        postgres = next(int(line.split("=")[1]) for line in text.splitlines() if line.startswith("postgres_port"))
        text = text.replace(f"port={postgres} ", f"port={database} ").replace(f"port='{postgres}'", f"port='{database}'")
        conf.write_text(text + "shards = 2\n")
        # gnatterctl writes into its file where the broker is: the service has a file of its own.
        (self.dir / "proxied.conf").write_text(conf.read_text().replace(f"links = mqtt://127.0.0.1:{self.port}",
                                                                        f"links = mqtt://127.0.0.1:{link}"))
        script = self.home / "syncd.sh"
        # called with "--config gnatter.conf ..."
        script.write_text(f'#!/bin/sh\nshift 2\nexec "{CTL.parent / "gnatter-syncd"}" --config proxied.conf "$@"\n')
        script.chmod(0o755)
        self.env["GNATTER_SYNCD"] = str(script)
        self.network, self.device_port = Network(), devices
        for proxy, port, target in (("devices", devices, self.port), ("link", link, self.port),
                                    ("database", database, postgres)):
            self.network.proxy(proxy, port, target)

    def close(self, *args, **options):
        try:
            super().close(*args, **options)
        finally:
            if self.network:
                self.network.close()
