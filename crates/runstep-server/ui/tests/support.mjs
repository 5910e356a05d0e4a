// Servers and pages for the tests.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const BINARY = process.env.RUNSTEP_SERVER;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const OUTPUT = process.env.OUTPUT ?? tmpdir();

/** The longest wait for anything that a page does. */
export const TIMEOUT = 30_000;

/** Starts a server, and returns its address and a function that stops it. */
export async function startServer(args, listen = '127.0.0.1:0') {
  const child = spawn(BINARY, ['--listen', listen, '--log-level', 'error', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const address = await new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the server exited with ${code}`)));
    child.stdout.on('data', (data) => {
      output += data;
      const match = /shows threads and runs on (\S+)\/ui\//.exec(output);
      if (match) resolve(match[1]);
    });
  });
  const stop = () =>
    new Promise((resolve) => {
      child.removeAllListeners('exit');
      child.on('exit', resolve);
      child.kill('SIGKILL');
    });
  return { address, ui: `${address}/ui/`, stop };
}

/** A directory that is removed at the end of the process. */
export function temporaryDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'runstep-ui-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Calls the API, and returns the response. */
export async function call(server, method, path, body, key) {
  const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(`${server.address}/v1/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const json = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(json)}`);
  return json;
}

let browser;

export async function closeBrowser() {
  await browser?.close();
}

/**
 * Opens a page. `problems` has its errors, and the addresses of requests to other hosts.
 */
export async function openPage(server, options = {}) {
  browser ??= await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
    // Only the checker of accessibility is injected.
    bypassCSP: options.bypassCSP ?? false,
    ...options.context,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // The browser logs every response with an error status.
    const isStatus = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isStatus) problems.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.address)) problems.push(`request to ${request.url()}`);
  });
  await page.goto(server.ui + (options.hash ?? ''));
  return { page, context, problems };
}

/** Waits until a condition holds in the process of the test. */
export async function until(condition, what) {
  const end = Date.now() + TIMEOUT;
  while (Date.now() < end) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`timeout: ${what}`);
}
