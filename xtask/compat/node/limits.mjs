// A server that lets in only its keys, takes short requests, opens no stream and waits a second.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { connect, refused, topic } from "./gate.mjs";
import { assistant, thread, waitingRun } from "./given.mjs";

const check = topic("limits");
const { GUARDED_BASE_URL, GUARDED_API_KEY, GUARDED_OTHER_API_KEY } = process.env;
const guarded = (apiKey) => connect({ baseURL: GUARDED_BASE_URL, apiKey, maxRetries: 0 });
const client = guarded(GUARDED_API_KEY);
const { threads } = client.beta;
const { runs } = threads;

check("a wrong key is an authentication error", async () => {
  const { assistants, threads } = guarded("wrong-key").beta;
  const unknown = (call) => refused(OpenAI.AuthenticationError, 401, "Incorrect API key", call);
  const wrong = await unknown(() => assistants.list());
  assert.equal(wrong.code, "invalid_api_key");
  assert.ok(!wrong.message.includes("wrong-key"));
  await unknown(() => threads.runs.create("t", { assistant_id: "a", stream: true }));
});

check("a key sees only its own objects", async () => {
  const other = guarded(GUARDED_OTHER_API_KEY).beta;
  const mine = await assistant([], client);
  const place = await thread("Hello", client);
  await refused(OpenAI.NotFoundError, 404, mine.id, () => other.assistants.retrieve(mine.id));
  await refused(OpenAI.NotFoundError, 404, place.id, () => other.threads.delete(place.id));
  assert.deepEqual((await other.assistants.list()).data, []);
  assert.deepEqual(await threads.retrieve(place.id), place);
});

check("too many streams are a rate limit error", async () => {
  const { id } = await thread("Hello", client);
  const helper = { assistant_id: (await assistant([], client)).id };
  const limited = await refused(OpenAI.RateLimitError, 429, "Rate limit", () =>
    runs.create(id, { ...helper, stream: true }),
  );
  assert.equal(limited.code, "rate_limit_exceeded");
  assert.ok(Number(limited.headers.get("retry-after")) > 0);
  assert.equal((await runs.createAndPoll(id, helper)).status, "completed");
});

check("a request that is too long is refused", async () => {
  await refused(OpenAI.APIError, 413, "65536", () => thread("long ".repeat(20000), client));
});

check("a run that waits too long expires", async () => {
  let run = await waitingRun(client);
  const where = { thread_id: run.thread_id };
  while (run.status === "requires_action") run = await runs.retrieve(run.id, where);
  assert.deepEqual([run.status, run.expires_at], ["expired", null]);
  assert.equal((await runs.steps.list(run.id, where)).data[0].status, "expired");
});
