// The client, the checks, and what they report: a line of JSON for each reply and each check.

import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const report = (line) => console.log(JSON.stringify(line));

/** The client as an application would make it, except that each reply is told of. */
export function connect(options = {}) {
  const recording = async (url, request) => {
    const reply = await fetch(url, request);
    const { pathname } = new URL(url);
    report({ method: request.method.toUpperCase(), path: pathname, status: reply.status });
    return reply;
  };
  return new OpenAI({ ...options, fetch: recording });
}

export const client = connect();
const checks = [];

// A run that never ends would be polled for ever.
const SECONDS_FOR_A_CHECK = 60;

async function giveUp() {
  await wait(SECONDS_FOR_A_CHECK * 1000, undefined, { ref: false });
  throw new Error(`no end within ${SECONDS_FOR_A_CHECK} s`);
}

/** The checks of a topic, each named as the same one is in the other client's scripts. */
export function topic(name) {
  return (title, body) => checks.push({ topic: name, check: title, body });
}

/** The error by which the client tells that the server refused a call, and why. */
export async function refused(kind, status, part, call) {
  const error = await call().then(
    () => assert.fail(`expected status ${status}`),
    (reason) => reason,
  );
  assert.equal(error.constructor, kind, error);
  assert.equal(error.status, status);
  assert.ok(error.message.includes(part), error.message);
  assert.match(error.requestID, /^req_/);
  return error;
}

/** All of a page and those after it. */
export async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

export async function run() {
  report({ client: `openai ${VERSION}`, runtime: `Node ${process.versions.node}` });
  for (const { topic, check, body } of checks) {
    const failure = await Promise.race([body(), giveUp()]).then(
      () => null,
      (reason) => String(reason?.stack ?? reason),
    );
    report({ topic, check, failure });
  }
  // A check that was given up may still be waiting.
  process.exit();
}
