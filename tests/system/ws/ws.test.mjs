// MQTT.js over WebSocket: what a page in a browser would do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Node } from './node.mjs';

let node;
const open = [];
let count = 0;

before(async () => { node = await Node.start(); });
after(async () => {
    await Promise.all(open.map((device) => device.end()));
    node?.stop();
});

function pair(version) {
    count += 1;
    const devices = ['anna', 'bert'].map((stem) => node.device(node.user(`${stem}${count}`), 'web', version));
    open.push(...devices);
    return devices;
}

for (const version of [4, 5]) {
    const name = (text) => `${text} (${version === 5 ? 'v5' : '3.1.1'})`;

    test(name('a message, its sent, delivered and read'), async () => {
        const [anna, bert] = pair(version);
        await Promise.all([anna.connect(), bert.connect()]);
        await anna.send(`u/${bert.user}`, 'm-1', 'hello there');
        const sent = await anna.waitFor(/\/sent\//);
        const time = sent.topic.split('/').at(-2);
        assert.equal(sent.topic, `inbox/${anna.user}/sent/u/${bert.user}/1/${time}/m-1`);
        const chat = await bert.waitFor(/\/chat\//);
        assert.equal(chat.topic, `inbox/${bert.user}/chat/u/${anna.user}/1/${time}/${anna.clientId}/m-1`);
        assert.equal(chat.payload.toString(), 'hello there');
        assert.equal(chat.packet.qos, 1);
        assert.equal(chat.packet.retain, false);
        if (version === 5) {
            assert.deepEqual({ ...chat.packet.properties.userProperties },
                { seq: '1', time, sender: anna.clientId, id: 'm-1' });
        }
        await bert.client.publishAsync(`ack/u/${anna.user}/1`, '', { qos: 0 });
        await anna.waitFor(new RegExp(`/delivered/u/${bert.user}/1/${bert.user}$`));
        await bert.client.publishAsync(`read/u/${anna.user}/1`, '', { qos: 1 });
        await anna.waitFor(new RegExp(`/read/u/${bert.user}/1/${bert.user}$`));
    });

    test(name('a wrong token is refused'), async () => {
        const [anna, bert] = pair(version);
        anna.token = bert.token;
        await assert.rejects(anna.open(), (error) => error.code === (version === 5 ? 0x87 : 5));
    });

    test(name('another inbox is refused'), async () => {
        const [anna, bert] = pair(version);
        await anna.open();
        const code = version === 5 ? 0x87 : 0x80;
        for (const filter of [`inbox/${bert.user}/#`, '#', '$SYS/#']) {
            const granted = await new Promise((resolve) => {
                anna.client.once('packetreceive', function answer(packet) {
                    if (packet.cmd === 'suback') resolve(packet.granted);
                    else anna.client.once('packetreceive', answer);
                });
                anna.client.subscribe(filter, { qos: 1 }, () => {});
            });
            assert.deepEqual([...granted], [code], filter);
        }
    });

    test(name('messages while away are replayed in order'), async () => {
        const [anna, bert] = pair(version);
        await anna.connect();
        for (let n = 1; n <= 50; n += 1) await anna.send(`u/${bert.user}`, `m-${n}`, String(n));
        await anna.waitFor(/\/sent\/.*\/m-50$/);
        await bert.connect();
        const chats = bert.arrived.filter((item) => item.topic.includes('/chat/'));
        assert.deepEqual(chats.map((item) => item.payload.toString()),
            Array.from({ length: 50 }, (_, n) => String(n + 1)));
        assert.deepEqual(JSON.parse((await bert.waitFor(/\/synced$/)).payload), { replayed: 50 });
    });

    test(name('binary and large payloads pass unchanged'), async () => {
        const [anna, bert] = pair(version);
        await Promise.all([anna.connect(), bert.connect()]);
        const bytes = Buffer.from(Array.from({ length: 65536 }, (_, n) => n % 256));
        await anna.send(`u/${bert.user}`, 'large', bytes);
        assert.ok((await bert.waitFor(/\/large$/)).payload.equals(bytes));
        await anna.send(`u/${bert.user}`, 'none', '');
        assert.equal((await bert.waitFor(/\/none$/)).payload.length, 0);
    });

    test(name('an rpc is answered'), async () => {
        const [anna] = pair(version);
        await anna.connect();
        const properties = version === 5 ? { correlationData: Buffer.from([0, 1, 255]) } : undefined;
        await anna.client.publishAsync('rpc/conversations/q1', '{}', { qos: 1, properties });
        const answer = await anna.waitFor(/\/rpc\/q1$/);
        assert.deepEqual(JSON.parse(answer.payload), { result: { conversations: [] } });
        if (version === 5) assert.deepEqual([...answer.packet.properties.correlationData], [0, 1, 255]);
    });

    test(name('a revoked device is disconnected'), async () => {
        const [anna] = pair(version);
        await anna.connect();
        node.ctl('device', 'revoke', anna.user, anna.name);
        await anna.closed();
        await assert.rejects(anna.open(), (error) => error.code === (version === 5 ? 0x87 : 5));
    });
}

test('a denied publish has reason 0x87 in v5', async () => {
    const [anna] = pair(5);
    await anna.connect();
    await assert.rejects(anna.client.publishAsync('nonsense', 'x', { qos: 1 }), (error) => error.code === 0x87);
    const told = await anna.waitFor(/\/error\/-\/-\/denied$/);
    assert.equal(JSON.parse(told.payload).topic, 'nonsense');
});

test('a page and a program talk', async () => {
    const [page] = pair(4);
    const [program] = pair(5);
    await Promise.all([page.connect(), program.connect()]);
    await page.send(`u/${program.user}`, 'a', 'ping');
    await program.waitFor(/\/chat\/.*\/a$/);
    await program.send(`u/${page.user}`, 'b', 'pong');
    assert.match((await page.waitFor(/\/chat\/.*\/b$/)).topic, /\/2\/\d{13}\//);
});
