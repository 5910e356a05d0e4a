// A server with low limits: it requires a key, and allows 64 KiB per request, no streams, and 3 s per run.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { connect, expectError, topic } from "./harness.mjs";
import { assistant, thread, waitingRun } from "./fixtures.mjs";

const check = topic("limits");
const { GUARDED_BASE_URL, GUARDED_API_KEY, GUARDED_OTHER_API_KEY } = process.env;
const guarded = (apiKey) => connect({ baseURL: GUARDED_BASE_URL, apiKey, maxRetries: 0 });
const client = guarded(GUARDED_API_KEY);
const { threads } = client.beta;
const { runs } = threads;

check("a wrong key is an authentication error", async () => {
  const { assistants, threads } = guarded("wrong-key").beta;
  const unknown = (call) => expectError(OpenAI.AuthenticationError, 401, "Incorrect API key", call);
  const error = await unknown(() => assistants.list());
  assert.equal(error.code, "invalid_api_key");
  assert.ok(!error.message.includes("wrong-key"));
  await unknown(() => threads.runs.create("t", { assistant_id: "a", stream: true }));
});

check("objects are private to their key", async () => {
  const other = guarded(GUARDED_OTHER_API_KEY).beta;
  const ownAssistant = await assistant([], client);
  const ownThread = await thread("Hello", client);
  const { NotFoundError } = OpenAI;
  await expectError(NotFoundError, 404, ownAssistant.id, () => other.assistants.retrieve(ownAssistant.id));
  await expectError(NotFoundError, 404, ownThread.id, () => other.threads.delete(ownThread.id));
  assert.deepEqual((await other.assistants.list()).data, []);
  assert.deepEqual(await threads.retrieve(ownThread.id), ownThread);
});

check("too many streams are a rate limit error", async () => {
  const { id } = await thread("Hello", client);
  const parameters = { assistant_id: (await assistant([], client)).id };
  const error = await expectError(OpenAI.RateLimitError, 429, "Rate limit", () =>
    runs.create(id, { ...parameters, stream: true }),
  );
  assert.equal(error.code, "rate_limit_exceeded");
  assert.ok(Number(error.headers.get("retry-after")) > 0);
  assert.equal((await runs.createAndPoll(id, parameters)).status, "completed");
});

check("a request that is too large is rejected", async () => {
  await expectError(OpenAI.APIError, 413, "65536", () => thread("long ".repeat(20000), client));
});

check("a run that waits too long expires", async () => {
  let run = await waitingRun(client);
  const params = { thread_id: run.thread_id };
  while (run.status === "requires_action") run = await runs.retrieve(run.id, params);
  assert.deepEqual([run.status, run.expires_at], ["expired", null]);
  assert.equal((await runs.steps.list(run.id, params)).data[0].status, "expired");
});
