// State outside of components.

import { useEffect, useState } from 'preact/hooks';

/** State that notifies its subscribers at most once per frame. */
export class Observable {
  private readonly listeners = new Set<() => void>();
  private isScheduled = false;

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  protected changed(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    // A hidden page has no frames.
    const schedule = document.hidden ? (run: () => void) => setTimeout(run, 0) : requestAnimationFrame;
    schedule(() => {
      this.isScheduled = false;
      for (const listener of [...this.listeners]) listener();
    });
  }
}

/** Renders the component again when the state changes. */
export function useObservable(state: Observable): void {
  const [, setVersion] = useState(0);
  useEffect(() => state.subscribe(() => setVersion((version) => version + 1)), [state]);
}
