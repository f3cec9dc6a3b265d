// docs/asyncapi.yaml: a valid AsyncAPI 3 document whose references resolve and whose examples have the form they show.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { before, test } from 'node:test';
import Ajv from 'ajv';
import yaml from 'js-yaml';

const require = createRequire(import.meta.url);
const text = readFileSync(new URL('../../../docs/asyncapi.yaml', import.meta.url), 'utf8');
let document;

function resolve(reference) {
    assert.ok(reference.startsWith('#/'), reference);
    return reference.slice(2).split('/').reduce((at, key) => {
        const step = at?.$ref ? resolve(at.$ref) : at;
        assert.ok(step && Object.hasOwn(step, key), `${reference} leads nowhere`);
        return step[key];
    }, document);
}

function* references(at) {
    if (at && typeof at === 'object') {
        for (const [key, value] of Object.entries(at)) {
            if (key === '$ref') yield value; else yield* references(value);
        }
    }
}

before(() => { document = yaml.load(text); });

test('it is valid AsyncAPI 3.0', () => {
    const schema = require('@asyncapi/specs/schemas/3.0.0-without-$id.json');
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false, logger: false });
    const valid = ajv.validate(schema, document);
    assert.ok(valid, ajv.errorsText(ajv.errors?.slice(0, 10), { separator: '\n' }));
});

test('every reference leads somewhere, and every component is used', () => {
    const used = new Set(references(document));
    for (const reference of used) resolve(reference);
    for (const kind of ['messages', 'parameters', 'schemas']) {
        for (const name of Object.keys(document.components[kind])) {
            assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name} is not used`);
        }
    }
});

test('every channel has its parameters and an operation', () => {
    const used = new Set(Object.values(document.operations).map((operation) => operation.channel.$ref));
    for (const [name, channel] of Object.entries(document.channels)) {
        const levels = [...channel.address.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
        assert.deepEqual(Object.keys(channel.parameters ?? {}), levels, name);
        assert.ok(used.has(`#/channels/${name}`), `${name} has no operation`);
    }
});

test('every request names its answer', () => {
    for (const [name, operation] of Object.entries(document.operations)) {
        const { address } = resolve(operation.channel.$ref);
        assert.equal(address.startsWith('rpc/'), Boolean(operation.reply), name);
    }
});

test('parameters with examples and values have their form', () => {
    for (const [name, parameter] of Object.entries(document.components.parameters)) {
        for (const value of [...(parameter.examples ?? []), ...(parameter.enum ?? [])]) {
            assert.match(value, new RegExp(`^${parameter['x-pattern']}$`), name);
        }
    }
});

test('examples have the form of their message', () => {
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'document', ...document });
    let count = 0;
    for (const [name, message] of Object.entries(document.components.messages)) {
        const check = ajv.compile({ $ref: `document#/components/messages/${name}/payload` });
        for (const example of message.examples ?? []) {
            assert.ok(check(example.payload), `${name}: ${ajv.errorsText(check.errors)} in ${JSON.stringify(example)}`);
            count += 1;
        }
    }
    assert.ok(count >= 20);
});
