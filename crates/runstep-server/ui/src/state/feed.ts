// The stream of changes of all runs, while the page is visible.

import { ApiError, stream } from '../api/client';
import type { Run } from '../api/types';
import { Observable } from './observable';

export type FeedEvent =
  | { kind: 'ready' }
  | { kind: 'run'; run: Run }
  | { kind: 'deleted'; run: string }
  | { kind: 'thread-deleted'; thread: string };

const MIN_DELAY = 500;
const MAX_DELAY = 10_000;

/** Reconnects until it is stopped. Calls `ready` after each connection, because lists may have changed. */
class Feed extends Observable {
  state: 'connecting' | 'live' | 'paused' | 'lost' = 'paused';
  private readonly receivers = new Set<(event: FeedEvent) => void>();
  private abort: AbortController | null = null;
  private isStarted = false;

  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    document.addEventListener('visibilitychange', () => this.update());
    this.update();
  }

  /** Connects again, such as with another key. */
  restart(): void {
    this.abort?.abort();
    this.abort = null;
    this.update();
  }

  receive(receiver: (event: FeedEvent) => void): () => void {
    this.receivers.add(receiver);
    return () => this.receivers.delete(receiver);
  }

  private update(): void {
    if (!this.isStarted) return;
    if (document.hidden) {
      this.abort?.abort();
      this.abort = null;
      this.setState('paused');
    } else if (!this.abort) {
      this.abort = new AbortController();
      void this.run(this.abort.signal);
    }
  }

  private async run(signal: AbortSignal): Promise<void> {
    let delay = MIN_DELAY;
    while (!signal.aborted) {
      if (this.state !== 'lost') this.setState('connecting');
      try {
        await stream('runs/events', (event) => {
          delay = MIN_DELAY;
          this.apply(event.name, event.data);
        }, { signal });
      } catch (error) {
        if (signal.aborted) return;
        // The page asks for a key.
        if (error instanceof ApiError && error.status === 401) {
          this.abort = null;
          return this.setState('paused');
        }
      }
      if (signal.aborted) return;
      this.setState('lost');
      await new Promise((resolve) => setTimeout(resolve, delay));
      delay = Math.min(delay * 2, MAX_DELAY);
    }
  }

  private apply(name: string, data: string): void {
    const value = JSON.parse(data) as unknown;
    switch (name) {
      case 'ready':
        this.setState('live');
        return this.publish({ kind: 'ready' });
      case 'runs.lost':
        return this.publish({ kind: 'ready' });
      case 'run.changed':
        return this.publish({ kind: 'run', run: value as Run });
      case 'run.deleted':
        return this.publish({ kind: 'deleted', run: (value as { id: string }).id });
      case 'thread.deleted':
        return this.publish({ kind: 'thread-deleted', thread: (value as { id: string }).id });
    }
  }

  private publish(event: FeedEvent): void {
    for (const receiver of [...this.receivers]) receiver(event);
  }

  private setState(state: Feed['state']): void {
    if (this.state === state) return;
    this.state = state;
    this.changed();
  }
}

export const feed = new Feed();
