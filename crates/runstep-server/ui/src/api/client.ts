// Requests to the server that the page comes from. The API key is kept in memory only.

import { readEvents, type ServerEvent } from './sse';
import type { List } from './types';

const API = new URL('../v1/', location.href);
const METRICS = new URL('../metrics', location.href);

/** An error response, or a failed connection, which has the status 0. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code?: string,
    readonly param?: string,
  ) {
    super(message);
  }
}

let apiKey: string | null = null;
let onKeyRejected: (error: ApiError) => void = () => {};

export function setKey(key: string | null): void {
  apiKey = key;
}

export function hasKey(): boolean {
  return apiKey !== null;
}

/** Sets what happens if the server requires a key, or does not accept it. */
export function onUnauthorized(handler: (error: ApiError) => void): void {
  onKeyRejected = handler;
}

export function apiUrl(path: string): string {
  return new URL(path, API).href;
}

function headers(extra: Record<string, string> = {}): Record<string, string> {
  const auth: Record<string, string> = apiKey ? { authorization: `Bearer ${apiKey}` } : {};
  return { 'openai-beta': 'assistants=v2', ...auth, ...extra };
}

async function send(url: URL, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server cannot be reached.');
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  const details = (body as { error?: { message?: string; code?: string; param?: string } } | null)?.error;
  const message = details?.message ?? `The server responded with status ${response.status}.`;
  const error = new ApiError(response.status, message, details?.code ?? undefined, details?.param ?? undefined);
  if (response.status === 401) onKeyRejected(error);
  throw error;
}

async function json<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return json(await send(new URL(path, API), { headers: headers(), signal }));
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const init = {
    method: 'POST',
    headers: headers({ 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  };
  return json(await send(new URL(path, API), init));
}

/** Fetches all pages of a list, up to a number of objects. */
export async function all<T extends { id: string }>(path: string, max = 1000, signal?: AbortSignal): Promise<T[]> {
  const objects: T[] = [];
  let after = '';
  for (;;) {
    const separator = path.includes('?') ? '&' : '?';
    const page: List<T> = await get(`${path}${separator}limit=100${after}`, signal);
    objects.push(...page.data);
    if (!page.has_more || !page.last_id || objects.length >= max) return objects;
    after = `&after=${encodeURIComponent(page.last_id)}`;
  }
}

export async function metricsText(signal?: AbortSignal): Promise<string> {
  return (await send(METRICS, { headers: headers(), signal })).text();
}

/**
 * Streams events. Calls `receive` for each, and returns at the end of the stream. Returns `false` if
 * the response is not a stream.
 */
export async function stream(
  path: string,
  receive: (event: ServerEvent) => void,
  options: { signal: AbortSignal; lastEventId?: string },
): Promise<boolean> {
  const extra: Record<string, string> = { accept: 'text/event-stream' };
  if (options.lastEventId !== undefined) extra['last-event-id'] = options.lastEventId;
  const response = await send(new URL(path, API), { headers: headers(extra), signal: options.signal });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (!isStream || !response.body) return false;
  try {
    await readEvents(response.body, receive);
  } catch (error) {
    if (options.signal.aborted) throw error;
    throw new ApiError(0, 'The connection to the server was lost.');
  }
  return true;
}
