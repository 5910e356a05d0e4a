// The tests of the page in a real browser: `cargo xtask ui`.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { checkAccessibility } from './accessibility.mjs';
import { dataFileWith } from './many_runs.mjs';
import { OUTPUT, call, closeBrowser, openPage, startServer, temporaryDirectory, until } from './support.mjs';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const LONG = 'Explain how a run works, step by step.';
const REFUND = 'The parcel of order 1834 arrived broken. Please refund it.';
const POEM = 'Write a poem about timelines.';

after(closeBrowser);

test('files_are_small_and_refer_to_no_other_host', () => {
  const files = readdirSync(DIST).map((name) => readFileSync(join(DIST, name)));
  const size = files.reduce((sum, file) => sum + gzipSync(file).length, 0);
  assert.ok(size < 150_000, `${size} bytes`);
  const hosts = files.flatMap((file) => file.toString().match(/https?:\/\/[\w.-]+/g) ?? []);
  // Names of XML namespaces, which are not fetched.
  assert.deepEqual([...new Set(hosts)].filter((host) => host !== 'http://www.w3.org'), []);
  const index = readFileSync(join(DIST, 'index.html'), 'utf8');
  assert.doesNotMatch(index, /<style|style=|<script(?![^>]*src=)|\son\w+=/);
});

describe('on a server with samples', () => {
  let server;
  before(async () => {
    server = await startServer(['--demo']);
  });
  after(() => server.stop());

  /** Creates a run by the dialog, and returns the page that shows it. */
  async function createRun(text, assistant) {
    const opened = await openPage(server);
    const { page } = opened;
    await page.locator('.row').first().waitFor();
    await page.getByRole('button', { name: 'New run' }).click();
    const name = page.locator('dialog option', { hasText: assistant });
    await page.getByLabel('Assistant', { exact: true }).selectOption(await name.getAttribute('value'));
    await page.getByLabel('Message').fill(text);
    await page.getByRole('button', { name: 'Start run' }).click();
    await page.locator('.timeline-row').first().waitFor();
    return opened;
  }

  const status = (page, text) => page.locator('.view-header .status', { hasText: text }).waitFor();

  test('runs_of_every_status_are_listed_with_their_properties', async () => {
    const { page, problems } = await openPage(server);
    for (const status of ['requires action', 'completed', 'incomplete', 'failed', 'cancelled', 'expired']) {
      await page.locator('.row').filter({ hasText: status }).first().waitFor();
    }
    const row = page.locator('.row').filter({ hasText: 'Travel desk' }).filter({ hasText: 'completed' }).first();
    assert.match(await row.innerText(), /gpt-4\.1/);
    await page.locator('.connection-live').waitFor();
    assert.deepEqual(problems, []);
  });

  test('filters_select_runs', async () => {
    const { page, problems } = await openPage(server);
    await page.getByRole('group', { name: 'Filter by status' }).getByRole('button', { name: /failed/ }).click();
    await until(async () => (await page.locator('.row').allInnerTexts()).every((text) => text.includes('failed')), 'only failed runs');
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByLabel('Search runs').fill('travel');
    await until(async () => {
      const rows = await page.locator('.row').allInnerTexts();
      return rows.length > 0 && rows.every((text) => text.includes('Travel desk'));
    }, 'only runs of the travel desk');
    await page.getByLabel('Search runs').fill('');
    await page.getByLabel('Filter by metadata').fill('ticket=1171');
    await until(async () => (await page.locator('.row').count()) === 1, 'one run');
    await page.getByLabel('Filter by metadata').fill('ticket=nothing');
    await page.getByText('No run matches these filters.').waitFor();
    assert.deepEqual(problems, []);
  });

  test('message_grows_while_the_model_writes_also_after_a_reload', async () => {
    const { page, problems } = await createRun(LONG, 'Analyst');
    const text = page.locator('.message-assistant .message-text');
    const length = async () => (await text.count()) && (await text.innerText()).length;
    const first = await until(length, 'the first words');
    await until(async () => (await length()) > first, 'more words');
    await page.reload();
    const reloaded = await until(length, 'words after the reload');
    assert.ok(reloaded >= first);
    await until(async () => (await length()) > reloaded, 'more words after the reload');
    await status(page, 'completed');
    assert.match(await text.innerText(), /for the next run\.$/);
    assert.deepEqual(problems, []);
  });

  test('tool_outputs_are_submitted_by_hand', async () => {
    const { page, problems } = await createRun(REFUND, 'Support');
    await status(page, 'requires action');
    await page.getByText('Waiting for an output').waitFor();
    await page.getByLabel('Output of lookup_order').fill('{"order_id":"1834"');
    await page.getByText('This is not valid JSON').waitFor();
    await page.getByLabel('Output of lookup_order').fill('{"order_id":"1834","total_eur":42.9}');
    await page.getByRole('button', { name: 'Submit outputs' }).click();
    const refund = page.getByLabel('Output of issue_refund');
    await refund.waitFor();
    await page.locator('.arguments', { hasText: 'notify_customer' }).waitFor();
    await page.getByRole('button', { name: 'Success' }).click();
    assert.equal(await refund.inputValue(), '{"ok":true}');
    await page.getByRole('button', { name: 'Submit outputs' }).click();
    await status(page, 'completed');
    const steps = page.locator('.timeline-row', { hasText: 'issue_refund' });
    await steps.click();
    await page.locator('.step-details', { hasText: '"damaged"' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('run_is_cancelled', async () => {
    const { page, problems } = await createRun(POEM, 'Analyst');
    await page.locator('.message-assistant').waitFor();
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await status(page, 'cancelled');
    await page.getByText('The run was cancelled').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Cancel run' }).count(), 0);
    assert.deepEqual(problems, []);
  });

  test('citations_errors_and_raw_json_are_shown', async () => {
    const { page, problems } = await openPage(server, { hash: '#/runs' });
    await page.getByLabel('Search runs').fill('1160');
    await until(async () => (await page.locator('.row').count()) === 1, 'the run about the warranty');
    await page.locator('.row').click();
    await page.locator('.messages .citation').first().waitFor();
    await page.getByText('file-warranty-2025').first().waitFor();
    await page.locator('.timeline-row', { hasText: 'File search' }).click();
    await page.locator('.found', { hasText: 'Damage by liquids is not covered' }).waitFor();
    await page.getByRole('button', { name: 'Raw JSON' }).click();
    await page.locator('.json', { hasText: 'thread.run' }).first().waitFor();
    await page.goto(`${server.ui}#/runs`);
    await page.getByLabel('Search runs').fill('1101');
    await until(async () => (await page.locator('.row').allInnerTexts()).every((text) => text.includes('failed')), 'the failed run');
    await page.locator('.row').click();
    await page.getByText('The provider limits the rate').waitFor();
    assert.deepEqual(problems, []);
  });

  test('text_of_clients_and_models_is_never_html', async () => {
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const [assistant] = (await call(server, 'GET', 'assistants?limit=1')).data;
    await call(server, 'POST', `assistants/${assistant.id}`, { metadata: { evil: evil.slice(0, 60) } });
    const body = {
      assistant_id: assistant.id,
      metadata: { evil },
      instructions: evil,
      thread: { messages: [{ role: 'user', content: evil }] },
    };
    const run = await call(server, 'POST', 'threads/runs', body);
    const { page, problems } = await openPage(server, { hash: `#/threads/${run.thread_id}/runs/${run.id}` });
    await page.locator('.message-text', { hasText: evil }).first().waitFor();
    await status(page, 'completed');
    await page.getByRole('button', { name: 'Raw JSON' }).click();
    await page.locator('.json').first().waitFor();
    assert.equal(await page.locator('main img, main script').count(), 0);
    assert.match(await page.title(), /runstep/);
    assert.deepEqual(problems, []);
  });

  test('everything_is_reachable_by_keyboard', async () => {
    const { page, problems } = await openPage(server);
    await page.locator('.row').nth(3).waitFor();
    // The list is one stop, whose rows are selected with the arrows.
    await until(async () => {
      await page.keyboard.press('Tab');
      return page.evaluate(() => document.activeElement?.getAttribute('role') === 'listbox');
    }, 'the list has the focus');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const selected = page.locator('.row[aria-selected=true]');
    assert.equal(await selected.getAttribute('aria-posinset'), '3');
    await page.keyboard.press('Enter');
    await page.locator('.timeline-row').first().waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'Runs' }).waitFor();
    assert.equal(await selected.count(), 1);
    await page.keyboard.press('/');
    await page.keyboard.type('travel');
    assert.equal(await page.getByLabel('Search runs').inputValue(), 'travel');
    await page.getByLabel('Search runs').fill('');
    await page.keyboard.press('Escape');
    await page.keyboard.press('n');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('dialog').count(), 0);
    for (const [key, name] of [['2', 'Threads'], ['3', 'Assistants'], ['4', 'Operate'], ['1', 'Runs']]) {
      await page.keyboard.press(key);
      await page.getByRole('heading', { name, exact: true }).waitFor();
    }
    await page.keyboard.press('?');
    await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('assistant_is_edited_and_run_on_a_thread', async () => {
    const { page, problems } = await openPage(server, { hash: '#/assistants' });
    await page.getByRole('link', { name: 'New assistant' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Echo');
    await page.getByLabel('Model', { exact: true }).fill('gpt-4.1');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'Echo' }).waitFor();
    await page.getByLabel('Instructions').fill('Repeat.');
    await page.getByLabel('Tools').fill('[{');
    assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled());
    await page.getByLabel('Tools').fill('[]');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved').waitFor();
    const { data } = await call(server, 'GET', 'assistants?limit=1');
    assert.deepEqual([data[0].name, data[0].instructions], ['Echo', 'Repeat.']);

    const thread = await call(server, 'POST', 'threads', { messages: [{ role: 'user', content: 'Hello' }] });
    await page.goto(`${server.ui}#/threads/${thread.id}`);
    await page.getByRole('button', { name: 'Run an assistant' }).click();
    await page.getByLabel('Assistant', { exact: true }).selectOption(data[0].id);
    await page.getByRole('button', { name: 'Start run' }).click();
    await status(page, 'completed');
    await page.locator('.message-own', { hasText: 'You said: "Hello"' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('views_have_no_serious_accessibility_problems_in_light_and_dark', async () => {
    for (const colorScheme of ['light', 'dark']) {
      const findings = await checkAccessibility(server, colorScheme);
      assert.deepEqual(findings, []);
    }
  });
});

test('key_is_asked_for_and_kept_in_memory_only', async () => {
  const directory = temporaryDirectory();
  const keys = join(directory, 'keys');
  writeFileSync(keys, 'right-key\nother-key\n', { mode: 0o600 });
  const server = await startServer(['--data', ':memory:', '--api-key-file', keys]);
  const assistant = await call(server, 'POST', 'assistants', { model: 'm', name: 'Mine' }, 'right-key');
  await call(server, 'POST', 'threads/runs', { assistant_id: assistant.id }, 'right-key');
  const { page, context, problems } = await openPage(server);
  const enter = async (key) => {
    await page.locator('dialog input').fill(key);
    await page.getByRole('button', { name: 'Continue' }).click();
  };
  await enter('wrong-key');
  await page.getByRole('dialog').getByRole('alert').waitFor();
  assert.equal(await page.locator('.row').count(), 0);
  await enter('right-key');
  await page.locator('.row').filter({ hasText: 'Mine' }).waitFor();
  await page.locator('.connection-live').waitFor();
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.doesNotMatch(stored + JSON.stringify(await context.storageState()), /right-key/);
  await page.reload();
  await enter('other-key');
  await page.getByText('There are no runs yet.').waitFor();
  assert.deepEqual(problems, []);
  await server.stop();
});

test('page_continues_after_a_restart_of_the_server', async () => {
  const data = ['--data', join(temporaryDirectory(), 'data.db')];
  const first = await startServer(data);
  const assistant = await call(first, 'POST', 'assistants', { model: 'm', name: 'Before' });
  await call(first, 'POST', 'threads/runs', { assistant_id: assistant.id });
  const { page } = await openPage(first);
  await page.locator('.connection-live').waitFor();
  await page.locator('.row').filter({ hasText: 'Before' }).waitFor();
  await first.stop();
  await page.locator('.connection-lost').waitFor();
  assert.equal(await page.locator('.row').count(), 1);
  const second = await startServer(data, new URL(first.address).host);
  await page.locator('.connection-live').waitFor();
  await call(second, 'POST', 'threads/runs', { assistant_id: assistant.id });
  await until(async () => (await page.locator('.row').count()) === 2, 'the run after the restart');
  await second.stop();
});

test('ten_thousand_runs_scroll_with_few_elements', async () => {
  const count = 10_000;
  const server = await startServer(['--data', dataFileWith(count, temporaryDirectory())]);
  const oldest = { id: 'run_0' };
  const { page, problems } = await openPage(server);
  await page.locator('.row').first().waitFor();
  await page.getByRole('listbox').focus();
  let elements = 0;
  await until(async () => {
    await page.keyboard.press('End');
    elements = Math.max(elements, await page.locator('.row').count());
    return (await page.locator(`#row-${oldest.id}`).count()) === 1;
  }, 'the oldest run');
  assert.ok(elements < 100, `${elements} rows`);
  assert.equal(await page.locator(`#row-${oldest.id}`).getAttribute('aria-posinset'), String(count));
  // A new run does not move what is read.
  const position = await page.getByRole('listbox').evaluate((list) => list.scrollHeight - list.scrollTop);
  await call(server, 'POST', 'threads/runs', { assistant_id: 'asst_many' });
  await page.locator(`#row-${oldest.id}[aria-posinset="${count + 1}"]`).waitFor();
  const after = await page.getByRole('listbox').evaluate((list) => list.scrollHeight - list.scrollTop);
  assert.ok(Math.abs(after - position) < 2, `${position} ${after}`);
  await page.screenshot({ path: join(OUTPUT, 'ten-thousand.png') });
  assert.deepEqual(problems, []);
  await server.stop();
});
