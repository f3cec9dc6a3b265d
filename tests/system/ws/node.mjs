// A Gnatter node and MQTT.js clients on its WebSocket listener.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';

const top = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const program = join(process.env.GNATTER_BIN ?? join(top, 'build/bin'), 'gnatterctl');
const TIMEOUT_MS = 15000;

export class Node {
    static async start() {
        const node = new Node();
        node.home = mkdtempSync(join(tmpdir(), 'gnatter-ws-'));
        chmodSync(node.home, 0o755); // the private PostgreSQL may run as another user
        node.dir = join(node.home, 'node');
        const { endpoints } = JSON.parse(node.ctl('--json', 'up', '--mqtt-port', '0', '--ws-port', '0'));
        node.url = endpoints.find((endpoint) => endpoint.startsWith('ws://'));
        return node;
    }

    ctl(...args) {
        return execFileSync(program, ['--dir', this.dir, ...args], { encoding: 'utf8', timeout: 90000 });
    }

    stop() {
        this.ctl('down');
        rmSync(this.home, { recursive: true, force: true });
    }

    user(name) {
        this.ctl('user', 'add', name);
        return name;
    }

    // A device that is not connected yet. `version`: 4 is MQTT 3.1.1.
    device(user, name, version) {
        return new Device(this, user, name, version, this.ctl('token', user, name).trim());
    }
}

export class Device {
    constructor(node, user, name, version, token) {
        Object.assign(this, { node, user, name, version, token });
        this.clientId = `${user}:${name}`;
        this.arrived = [];
        this.waiting = [];
    }

    // Resolves with CONNACK; rejects with the reason code in `code`.
    open(options = {}) {
        return new Promise((resolve, reject) => {
            this.client = mqtt.connect(`${this.node.url}/mqtt`, {
                protocolVersion: this.version, clientId: this.clientId, username: this.user, password: this.token,
                clean: true, reconnectPeriod: 0, connectTimeout: TIMEOUT_MS, ...options,
            });
            this.client.on('message', (topic, payload, packet) => {
                this.arrived.push({ topic, payload, packet });
                this.waiting = this.waiting.filter((check) => !check());
            });
            this.client.once('connect', resolve);
            this.client.once('error', (error) => { this.client.end(true); reject(error); });
        });
    }

    async connect(options) {
        await this.open(options);
        await this.client.subscribeAsync(`inbox/${this.user}/#`, { qos: 1 });
        await this.waitFor(/\/synced$/);
        return this;
    }

    send(conversation, id, payload) {
        return this.client.publishAsync(`chat/${conversation}/${id}`, payload, { qos: 1 });
    }

    find(pattern, from = 0) {
        return this.arrived.slice(from).find((item) => pattern.test(item.topic));
    }

    waitFor(pattern, from = 0) {
        return new Promise((resolve, reject) => {
            const check = () => {
                const item = this.find(pattern, from);
                if (item) { clearTimeout(timer); resolve(item); }
                return Boolean(item);
            };
            const timer = setTimeout(() => reject(new Error(`${this.clientId}: nothing like ${pattern} among `
                + this.arrived.map((item) => item.topic).join(', '))), TIMEOUT_MS);
            if (!check()) this.waiting.push(check);
        });
    }

    closed() {
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`${this.clientId}: still connected`)), TIMEOUT_MS);
            const done = () => { clearTimeout(timer); resolve(); };
            if (!this.client.connected) done(); else this.client.once('close', done);
        });
    }

    end() {
        return this.client ? this.client.endAsync(true) : undefined;
    }
}
