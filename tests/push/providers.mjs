// Stand-ins for the push providers, on loopback: real HTTP/2 servers that check what the real ones check. JWTs are verified
// by jose, Web Push bodies decrypted by http_ece. What a request gets wrong is answered as the provider would, and noted.
//
// node providers.mjs DIR: prints one line of JSON with the ports, then serves until stdin ends. DIR has the TLS key and
// certificate and the public halves of the keys that requests must be signed with (config.json). The control server
// (plain HTTP): GET /requests, POST /answers [{provider, match?, status?, headers?, body?, how?}], POST /reset,
// POST /subscription -> {endpoint, p256dh, auth}.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';
import ece from 'http_ece';
import * as jose from 'jose';

const dir = process.argv[2];
const config = JSON.parse(fs.readFileSync(path.join(dir, 'config.json'), 'utf8'));
const tls = { key: fs.readFileSync(path.join(dir, 'server.key')), cert: fs.readFileSync(path.join(dir, 'server.crt')) };
const requests = [];      // what came, checked
let answers = [];         // what to answer next, instead of what would be right
const tokens = new Map(); // apns: provider token -> when it was first seen
const access = new Map(); // fcm: access token -> when it ends
const subscriptions = new Map();
const connections = { apns: 0, fcm: 0, webpush: 0, webhook: 0 };

class Wrong extends Error {
    constructor(status, body, headers = {}) {
        super(JSON.stringify(body));
        Object.assign(this, { status, body, headers });
    }
}
const must = (condition, ...wrong) => { if (!condition) throw new Wrong(...wrong); };

// ---- APNs ----
async function apnsToken(headers, now) {
    const [, token] = /^bearer (\S+)$/i.exec(headers.authorization ?? '') ?? [];
    must(token, 403, { reason: 'MissingProviderToken' });
    let verified;
    try {
        const key = await jose.importSPKI(config.apns.public, 'ES256');
        verified = await jose.jwtVerify(token, key, { algorithms: ['ES256'], issuer: config.apns.team });
    } catch {
        throw new Wrong(403, { reason: 'InvalidProviderToken' });
    }
    must(verified.protectedHeader.kid === config.apns.kid, 403, { reason: 'InvalidProviderToken' });
    must(Number.isInteger(verified.payload.iat), 403, { reason: 'InvalidProviderToken' });
    must(Math.abs(now / 1000 - verified.payload.iat) < 3600, 403, { reason: 'ExpiredProviderToken' });
    if (!tokens.has(token)) {
        const last = Math.max(...tokens.values(), 0);
        must(now - last > 20 * 60 * 1000, 429, { reason: 'TooManyProviderTokenUpdates' });
        tokens.set(token, now);
    }
    return token;
}

async function apns(request) {
    const { headers, body } = request;
    must(headers[':method'] === 'POST', 405, { reason: 'MethodNotAllowed' });
    const [, device] = /^\/3\/device\/([0-9a-f]+)$/.exec(headers[':path']) ?? [];
    must(device, 404, { reason: 'BadPath' });
    request.token = device;
    request.provider_token = await apnsToken(headers, Date.now());
    must(headers['apns-topic'], 400, { reason: 'MissingTopic' });
    must(config.apns.topics.includes(headers['apns-topic']), 400, { reason: 'TopicDisallowed' });
    must(['alert', 'background'].includes(headers['apns-push-type']), 400, { reason: 'InvalidPushType' });
    must(['5', '10'].includes(headers['apns-priority']), 400, { reason: 'BadPriority' });
    must(headers['apns-push-type'] !== 'background' || headers['apns-priority'] === '5', 400, { reason: 'BadPriority' });
    must(/^\d+$/.test(headers['apns-expiration']), 400, { reason: 'BadExpirationDate' });
    must(Buffer.byteLength(headers['apns-collapse-id'] ?? '') <= 64, 400, { reason: 'BadCollapseId' });
    must(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(headers['apns-id']), 400, { reason: 'BadMessageId' });
    must(body.length > 0, 400, { reason: 'PayloadEmpty' });
    must(body.length <= 4096, 413, { reason: 'PayloadTooLarge' });
    request.json = JSON.parse(body.toString());
    const { aps } = request.json;
    if (headers['apns-push-type'] === 'background')
        must(JSON.stringify(aps) === '{"content-available":1}', 400, { reason: 'InvalidPushType' });
    else
        must(aps.alert && Number.isInteger(aps.badge), 400, { reason: 'InvalidPushType' });
    return [200, { 'apns-id': headers['apns-id'] }, ''];
}

// ---- FCM ----
const googleError = (code, status, message, detail) =>
    ({ error: { code, status, message, details: detail ? [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: detail }] : [] } });

async function fcmToken(request) {
    const form = new URLSearchParams(request.body.toString());
    must(request.headers['content-type'] === 'application/x-www-form-urlencoded', 400, { error: 'invalid_request' });
    must(form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer', 400, { error: 'unsupported_grant_type' });
    let verified;
    try {
        const key = await jose.importSPKI(config.fcm.public, 'RS256');
        verified = await jose.jwtVerify(form.get('assertion'), key,
            { algorithms: ['RS256'], issuer: config.fcm.email, audience: request.origin + '/token' });
    } catch (error) {
        throw new Wrong(400, { error: 'invalid_grant', error_description: String(error) });
    }
    const { iat, exp, scope } = verified.payload;
    must(exp - iat <= 3600 && scope === 'https://www.googleapis.com/auth/firebase.messaging', 400, { error: 'invalid_scope' });
    const token = 'ya29.' + crypto.randomBytes(32).toString('base64url');
    access.set(token, Date.now() + config.fcm.lifetime_s * 1000);
    request.is_token = true;
    return [200, { 'content-type': 'application/json' },
        JSON.stringify({ access_token: token, expires_in: config.fcm.lifetime_s, token_type: 'Bearer' })];
}

async function fcm(request) {
    const { headers, body } = request;
    must(headers[':method'] === 'POST', 404, googleError(404, 'NOT_FOUND', 'no such method'));
    if (headers[':path'] === '/token')
        return fcmToken(request);
    must(headers[':path'] === `/v1/projects/${config.fcm.project}/messages:send`, 404, googleError(404, 'NOT_FOUND', 'project'));
    const [, bearer] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? [];
    must(access.get(bearer) > Date.now(), 401, googleError(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.'));
    request.access = bearer;
    const { message } = request.json = JSON.parse(body.toString());
    request.token = message.token;
    const bad = (field) => ({ error: { code: 400, status: 'INVALID_ARGUMENT', message: field,
        details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field, description: field }] }] } });
    must(Object.keys(message).every((key) => ['token', 'data', 'android', 'notification'].includes(key)), 400, bad('message'));
    for (const [key, value] of Object.entries(message.data))
        must(typeof value === 'string' && !/^(from|message_type|google|gcm)/.test(key), 400, bad('message.data'));
    must(JSON.stringify(message.data).length <= 4096, 400, bad('message.data'));
    must(['HIGH', 'NORMAL'].includes(message.android.priority), 400, bad('message.android.priority'));
    must(/^\d+s$/.test(message.android.ttl), 400, bad('message.android.ttl'));
    must(typeof message.android.collapse_key === 'string', 400, bad('message.android.collapse_key'));
    return [200, { 'content-type': 'application/json' }, JSON.stringify({ name: `projects/${config.fcm.project}/messages/1` })];
}

// ---- Web Push ----
async function vapid(request) {
    const [, token, k] = /^vapid t=([^,\s]+), k=([A-Za-z0-9_-]+)$/.exec(request.headers.authorization ?? '') ?? [];
    must(token, 401, 'VAPID');
    const point = Buffer.from(k, 'base64url');
    must(point.length === 65 && point[0] === 4, 401, 'key');
    const key = await jose.importJWK({ kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') }, 'ES256');
    let verified;
    try {
        verified = await jose.jwtVerify(token, key, { algorithms: ['ES256'], audience: request.origin, typ: 'JWT' });
    } catch (error) {
        throw new Wrong(401, String(error));
    }
    must(verified.payload.exp - Date.now() / 1000 <= 86400, 401, 'exp');
    must(/^(mailto:|https:)/.test(verified.payload.sub), 401, 'sub');
    must(k === config.webpush.public, 403, 'the subscription is of another key');
    request.vapid = token;
}

async function webpush(request) {
    const { headers, body } = request;
    must(headers[':method'] === 'POST', 405, '');
    const [, id] = /^\/wp\/(\w+)$/.exec(headers[':path']) ?? [];
    const subscription = subscriptions.get(id);
    must(subscription, 404, '');
    request.token = id;
    await vapid(request);
    must(/^\d+$/.test(headers.ttl ?? ''), 400, 'TTL');
    must(['very-low', 'low', 'normal', 'high'].includes(headers.urgency), 400, 'Urgency');
    must(/^[A-Za-z0-9_-]{1,32}$/.test(headers.topic), 400, 'Topic');
    must(headers['content-encoding'] === 'aes128gcm', 415, 'encoding');
    must(body.length <= 4096, 413, '');
    try {
        const plain = ece.decrypt(body, { version: 'aes128gcm', privateKey: subscription.ecdh, authSecret: subscription.auth });
        request.plain_len = plain.length;
        request.json = JSON.parse(plain.toString());
    } catch (error) {
        throw new Wrong(400, 'does not decrypt: ' + error);
    }
    return [201, { location: request.origin + '/m/1' }, ''];
}

// ---- webhook ----
async function webhook(request) {
    const { headers, body } = request;
    must(headers[':method'] === 'POST' && headers[':path'] === '/hook', 404, '');
    const stamp = headers['gnatter-timestamp'];
    must(Math.abs(Date.now() / 1000 - Number(stamp)) < 300, 401, 'timestamp');
    const mac = crypto.createHmac('sha256', config.webhook.secret).update(`${stamp}.`).update(body).digest('hex');
    must(headers['gnatter-signature'] === `v1=${mac}`, 401, 'signature');
    request.json = JSON.parse(body.toString());
    request.token = `${request.json.user}:${request.json.device}`;
    return [204, {}, ''];
}

// ---- serving ----
function scripted(provider, request) {
    const at = answers.findIndex((a) => a.provider === provider && (!a.match || (request.headers[':path'] + request.body).includes(a.match)));
    if (at < 0)
        return null;
    const answer = answers[at];
    if (!answer.always)
        answers.splice(at, 1);
    return answer;
}

async function decide(provider, handler, request) {
    request.wrong = null;
    let right;
    try {
        right = await handler(request);
    } catch (error) {
        request.wrong = String(error.message);
        right = error instanceof Wrong ? [error.status, error.headers, typeof error.body === 'string' ? error.body : JSON.stringify(error.body)]
                                       : [500, {}, String(error)];
    }
    return right;
}

function serve(provider, handler) {
    const server = http2.createSecureServer({ ...tls, allowHTTP1: provider !== 'apns' });
    server.on('session', () => connections[provider]++);
    server.on('sessionError', () => {});
    server.on('request', async (incoming, response) => {
        const chunks = [];
        incoming.on('error', () => {});
        response.on('error', () => {});
        for await (const chunk of incoming)
            chunks.push(chunk);
        const headers = { ...incoming.headers };
        headers[':method'] ??= incoming.method;
        headers[':path'] ??= incoming.url;
        const request = { provider, at: Date.now(), http: incoming.httpVersion, headers, body: Buffer.concat(chunks),
            origin: `https://${headers[':authority'] ?? headers.host}` };
        const right = await decide(provider, handler, request);
        const answer = scripted(provider, request);
        requests.push(request);
        if (answer?.how === 'hang')
            return;
        if (answer?.delay_ms)
            await new Promise((later) => setTimeout(later, answer.delay_ms));
        if (answer?.how === 'close')
            return void (incoming.stream?.session ?? incoming.socket).destroy();
        if (answer?.how === 'goaway')
            incoming.stream.session.goaway(http2.constants.NGHTTP2_NO_ERROR);
        if (answer?.how === 'endless') {
            response.writeHead(200);
            const timer = setInterval(() => response.write(Buffer.alloc(65536)), 1);
            response.on('close', () => clearInterval(timer));
            return;
        }
        const [status, more, body] = answer?.status
            ? [answer.status, answer.headers ?? {}, typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {})]
            : right;
        request.status = status;
        response.writeHead(status, more);
        response.end(body);
    });
    return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
}

const ports = {
    apns: await serve('apns', apns), fcm: await serve('fcm', fcm), webpush: await serve('webpush', webpush),
    webhook: await serve('webhook', webhook),
};

function control(request, body) {
    switch (`${request.method} ${request.url}`) {
    case 'GET /requests':
        return requests.map((r) => ({ ...r, body: r.body.toString('base64') }));
    case 'GET /connections':
        return connections;
    case 'POST /answers':
        answers.push(...body);
        return {};
    case 'POST /reset':
        requests.length = 0;
        answers = [];
        return {};
    case 'POST /forget-provider-tokens': // as if 20 minutes had passed
        tokens.clear();
        return {};
    case 'POST /expire-access':
        access.clear();
        return {};
    case 'POST /subscription': {
        const ecdh = crypto.createECDH('prime256v1');
        const id = crypto.randomBytes(8).toString('hex');
        const auth = crypto.randomBytes(16);
        ecdh.generateKeys();
        subscriptions.set(id, { ecdh, auth });
        return { id, endpoint: `https://127.0.0.1:${ports.webpush}/wp/${id}`, p256dh: ecdh.getPublicKey('base64url'),
            auth: auth.toString('base64url') };
    }
    default:
        return { error: 'what?' };
    }
}
const controlServer = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request)
        chunks.push(chunk);
    const body = chunks.length ? JSON.parse(Buffer.concat(chunks)) : null;
    response.end(JSON.stringify(control(request, body)));
});
controlServer.listen(0, '127.0.0.1', () => {
    process.stdout.write(JSON.stringify({ ...ports, control: controlServer.address().port }) + '\n');
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
