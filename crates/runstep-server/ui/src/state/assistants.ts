// The assistants, for their names.

import { all } from '../api/client';
import type { Assistant } from '../api/types';
import { Observable } from './observable';
import { shortId } from '../lib/format';

class Assistants extends Observable {
  list: Assistant[] = [];
  isLoaded = false;
  error: Error | null = null;
  private byId = new Map<string, Assistant>();
  private pending: Promise<void> | null = null;

  /** Reads the assistants, unless a read is in flight. */
  load(): Promise<void> {
    this.pending ??= this.read().finally(() => (this.pending = null));
    return this.pending;
  }

  get(id: string): Assistant | undefined {
    return this.byId.get(id);
  }

  name(id: string | null | undefined): string {
    if (!id) return '—';
    return this.byId.get(id)?.name || shortId(id);
  }

  private async read(): Promise<void> {
    try {
      this.list = await all<Assistant>('assistants');
      this.byId = new Map(this.list.map((assistant) => [assistant.id, assistant]));
      this.isLoaded = true;
      this.error = null;
    } catch (error) {
      this.error = error as Error;
    }
    this.changed();
  }
}

export const assistants = new Assistants();
