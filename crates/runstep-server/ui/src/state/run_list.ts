// The list of runs: pages that are loaded when they are needed, with live changes.

import { get } from '../api/client';
import type { List, Run } from '../api/types';
import { assistants } from './assistants';
import { feed, type FeedEvent } from './feed';
import { Observable } from './observable';

const PAGE = 100;

export interface Filter {
  statuses: string[];
  assistant: string;
  thread: string;
  search: string;
  /** As `key=value`. */
  metadata: string;
}

export const NO_FILTER: Filter = { statuses: [], assistant: '', thread: '', search: '', metadata: '' };

export function parseMetadata(text: string): [string, string] | null {
  const equals = text.indexOf('=');
  return equals > 0 ? [text.slice(0, equals).trim(), text.slice(equals + 1).trim()] : null;
}

export function query(filter: Filter): string {
  const parameters = new URLSearchParams();
  if (filter.statuses.length > 0) parameters.set('status', filter.statuses.join(','));
  if (filter.assistant) parameters.set('assistant_id', filter.assistant);
  if (filter.thread) parameters.set('thread_id', filter.thread);
  if (filter.search) parameters.set('search', filter.search);
  const metadata = parseMetadata(filter.metadata);
  if (metadata) parameters.set(`metadata[${metadata[0]}]`, metadata[1]);
  return parameters.toString();
}

/** Returns whether the server would select a run. */
function isSelected(run: Run, filter: Filter): boolean {
  const metadata = parseMetadata(filter.metadata);
  const values = run.metadata ?? {};
  if (filter.statuses.length > 0 && !filter.statuses.includes(run.status)) return false;
  if (filter.assistant && run.assistant_id !== filter.assistant) return false;
  if (filter.thread && run.thread_id !== filter.thread) return false;
  if (metadata && values[metadata[0]] !== metadata[1]) return false;
  if (!filter.search) return true;
  const text = filter.search.toLowerCase();
  const name = assistants.name(run.assistant_id);
  return [run.id, run.thread_id, run.assistant_id, run.model, run.instructions, name, ...Object.values(values)].some(
    (value) => value?.toLowerCase().includes(text),
  );
}

export class RunList extends Observable {
  runs: Run[] = [];
  hasMore = true;
  isLoading = false;
  error: Error | null = null;
  /** How many runs were inserted at the top since a view has taken note of it. */
  inserted = 0;
  filter: Filter = NO_FILTER;
  /** Where a view has scrolled to, and the run that it has selected. */
  scrollTop = 0;
  selected: string | null = null;
  private cursor: string | null = null;
  private generation = 0;
  private readonly index = new Map<string, number>();

  constructor() {
    super();
    feed.receive((event) => this.apply(event));
  }

  setFilter(filter: Filter): void {
    if (JSON.stringify(filter) === JSON.stringify(this.filter)) return;
    this.filter = filter;
    this.scrollTop = 0;
    this.reset();
  }

  /** Reads the list again from its start. */
  reset(): void {
    this.generation += 1;
    this.runs = [];
    this.index.clear();
    this.cursor = null;
    this.hasMore = true;
    this.isLoading = false;
    this.error = null;
    this.changed();
    void this.loadMore();
  }

  async loadMore(): Promise<void> {
    if (this.isLoading || !this.hasMore) return;
    const generation = this.generation;
    this.isLoading = true;
    this.changed();
    try {
      const page = await this.page(this.cursor);
      if (generation !== this.generation) return;
      this.append(page.data);
      this.cursor = page.last_id ?? this.cursor;
      this.hasMore = page.has_more && page.last_id !== null;
      this.error = null;
    } catch (error) {
      if (generation !== this.generation) return;
      this.error = error as Error;
      // A cursor can be deleted. The list is complete again after a reset.
      this.hasMore = false;
    }
    this.isLoading = false;
    this.changed();
    // A search can find nothing on a page.
    if (this.runs.length === 0 && this.hasMore) void this.loadMore();
  }

  private page(after: string | null): Promise<List<Run>> {
    const cursor = after ? `&after=${encodeURIComponent(after)}` : '';
    return get(`runs?limit=${PAGE}${cursor}&${query(this.filter)}`);
  }

  private append(runs: Run[]): void {
    for (const run of runs) {
      if (this.index.has(run.id)) continue;
      this.index.set(run.id, this.runs.length);
      this.runs.push(run);
    }
  }

  private apply(event: FeedEvent): void {
    switch (event.kind) {
      case 'ready':
        return void this.refresh();
      case 'run':
        return this.update(event.run);
      case 'deleted':
        return this.remove((run) => run.id === event.run);
      case 'thread-deleted':
        return this.remove((run) => run.thread_id === event.thread);
    }
  }

  /** Reads the first page, and merges it with what is loaded. */
  private async refresh(): Promise<void> {
    if (this.runs.length === 0 || this.error) return this.reset();
    const generation = this.generation;
    try {
      const page = await this.page(null);
      if (generation !== this.generation) return;
      const known = page.data.some((run) => this.index.has(run.id));
      // More than a page of runs is missing, or runs were deleted.
      if (!known || page.data.length < Math.min(PAGE, this.runs.length)) return this.reset();
      for (const run of page.data.reverse()) this.update(run);
    } catch (error) {
      this.error = error as Error;
      this.changed();
    }
  }

  private update(run: Run): void {
    const position = this.index.get(run.id);
    const selected = isSelected(run, this.filter);
    if (position !== undefined) {
      if (selected) this.runs[position] = run;
      else this.remove((other) => other.id === run.id);
    } else if (selected && !this.isLoadingFirst()) {
      const first = this.runs[0];
      // An older run is on a page that is not loaded yet.
      if (first && (run.created_at ?? 0) < (first.created_at ?? 0)) return;
      this.runs.unshift(run);
      this.inserted += 1;
      this.reindex();
    }
    this.changed();
  }

  private isLoadingFirst(): boolean {
    return this.isLoading && this.cursor === null;
  }

  private remove(isRemoved: (run: Run) => boolean): void {
    const rest = this.runs.filter((run) => !isRemoved(run));
    if (rest.length === this.runs.length) return;
    const last = this.runs.at(-1);
    this.runs = rest;
    this.reindex();
    // The cursor must exist. Runs that only left the filter are still cursors.
    if (last && this.cursor === last.id && isRemoved(last)) this.cursor = rest.at(-1)?.id ?? null;
    this.changed();
  }

  private reindex(): void {
    this.index.clear();
    this.runs.forEach((run, position) => this.index.set(run.id, position));
  }
}

export const runList = new RunList();
