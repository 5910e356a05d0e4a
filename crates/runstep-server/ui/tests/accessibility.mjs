// Checks every view with axe, and takes a screenshot of each.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { OUTPUT, call, openPage } from './support.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Returns the serious and critical findings of all views. */
export async function checkAccessibility(server, colorScheme) {
  const { page, context } = await openPage(server, { bypassCSP: true, context: { colorScheme } });
  const runs = (await call(server, 'GET', 'runs?limit=100')).data;
  const link = (run) => `#/threads/${run.thread_id}/runs/${run.id}`;
  const of = (condition) => link(runs.find(condition));
  const [assistant] = (await call(server, 'GET', 'assistants?order=asc&limit=1')).data;
  const trains = runs.find((run) => run.status === 'completed' && run.assistant_id === assistant.id);
  const unfold = async () => {
    for (const row of await page.locator('.timeline-row:not([disabled])').all()) await row.click();
  };
  const views = [
    ['runs', '#/runs', '.row'],
    ['run', link(trains), '.messages .message', unfold],
    ['citations', of((run) => run.metadata.ticket === '1160'), '.citation', unfold],
    ['waiting', of((run) => run.metadata.ticket === '1176'), '.call-form'],
    ['failed', of((run) => run.status === 'failed'), '.note-error'],
    ['threads', '#/threads', '.list-row'],
    ['thread', `#/threads/${trains.thread_id}`, '.message'],
    ['assistants', '#/assistants', '.list-row'],
    ['assistant', `#/assistants/${assistant.id}`, 'form'],
    ['operate', '#/operate', '.chart'],
    ['dialog', '#/runs', '.row', () => page.getByRole('button', { name: 'New run' }).click()],
  ];
  const findings = [];
  for (const [name, hash, ready, prepare] of views) {
    await page.goto(server.ui + hash);
    await page.locator(ready).first().waitFor();
    await prepare?.();
    await page.screenshot({ path: join(OUTPUT, `${name}-${colorScheme}.png`) });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    for (const { id, impact, nodes } of violations) {
      if (impact === 'serious' || impact === 'critical') {
        findings.push(`${name}, ${colorScheme}: ${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' ')}`);
      }
    }
  }
  await context.close();

  const phone = await openPage(server, { context: { colorScheme, viewport: { width: 390, height: 780 } } });
  await phone.page.locator('.row').first().waitFor();
  await phone.page.screenshot({ path: join(OUTPUT, `phone-${colorScheme}.png`) });
  await phone.page.goto(server.ui + link(trains));
  await phone.page.locator('.messages .message').first().waitFor();
  await phone.page.screenshot({ path: join(OUTPUT, `phone-run-${colorScheme}.png`) });
  const isWide = await phone.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (isWide) findings.push(`phone, ${colorScheme}: the page scrolls sideways`);
  await phone.context.close();
  return findings;
}
