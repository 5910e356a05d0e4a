// Checks of a foreign client, and reports: a JSON object on a line for each check.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

// The server's model answers this text to messages without a topic, and after its built-in tools.
export const ANSWER = "Hello, here is what I have found.";
const CHECK_TIMEOUT_SECONDS = 60;
const checks = [];
const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Adds a check. */
export const check = (title, body) => checks.push({ title, body });

export const getWeather = ({ city }) => `18 degrees in ${city}`;

export function assertWeather(text) {
  assert.ok(text.includes("18 degrees in Paris"), text);
}

async function rejectAfterTimeout() {
  await wait(CHECK_TIMEOUT_SECONDS * 1000, undefined, { ref: false });
  throw new Error(`timed out after ${CHECK_TIMEOUT_SECONDS} s`);
}

export async function run(name) {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  report({ client: `${name} ${version}`, runtime: `Node ${process.versions.node}` });
  for (const { title, body } of checks) {
    const failure = await Promise.race([body(), rejectAfterTimeout()]).then(
      () => null,
      (reason) => String(reason?.stack ?? reason),
    );
    report({ topic: name, check: title, failure });
  }
  process.exit();
}
