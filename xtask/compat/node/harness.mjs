// Clients, checks, and reports: a JSON object on a line for each response and each check.

import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const report = (line) => console.log(JSON.stringify(line));

/** Creates a client like an application does, and reports each response. */
export function connect(options = {}) {
  const reportingFetch = async (url, request) => {
    const response = await fetch(url, request);
    const { pathname } = new URL(url);
    report({ method: request.method.toUpperCase(), path: pathname, status: response.status });
    return response;
  };
  return new OpenAI({ ...options, fetch: reportingFetch });
}

export const client = connect();
const checks = [];

// Polling a run that hangs would never end.
const CHECK_TIMEOUT_SECONDS = 60;

async function rejectAfterTimeout() {
  await wait(CHECK_TIMEOUT_SECONDS * 1000, undefined, { ref: false });
  throw new Error(`timed out after ${CHECK_TIMEOUT_SECONDS} s`);
}

/** Returns a function that adds checks to a topic. The other client has checks of the same names. */
export function topic(name) {
  return (title, body) => checks.push({ topic: name, check: title, body });
}

/** Returns the error of a call that the server rejects. */
export async function expectError(kind, status, part, call) {
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

/** Returns the items of a page and of those after it. */
export async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

export async function run() {
  report({ client: `openai ${VERSION}`, runtime: `Node ${process.versions.node}` });
  for (const { topic, check, body } of checks) {
    const failure = await Promise.race([body(), rejectAfterTimeout()]).then(
      () => null,
      (reason) => String(reason?.stack ?? reason),
    );
    report({ topic, check, failure });
  }
  // Checks that timed out may still be pending.
  process.exit();
}
